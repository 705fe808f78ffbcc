package browser_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/dev/buyer"
	"tillflow/dev/stack"
	"tillflow/internal/payment"
	"tillflow/internal/store"
	"tillflow/standin/faults"
	"tillflow/standin/shopify"
)

// What may be pressed.
const (
	retry, expire, note = "Try again now", "End this payment", "Write a note"
	happened, notDone   = "It happened", "It did not happen"
	giveBack, byHand    = "Give the money back", "Settled by hand"
)

func postTo(t *testing.T, address string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode, address)
}

// stuck tells of payments that are stuck, each in its own way, and reads for each
// on its one page the five answers, in every role. What may be pressed is pressed.
func stuck(t *testing.T, w *world) {
	s := &stuckStory{T: t, world: w, buyer: buyer.New(), people: map[string]*tab{}}
	list := append(slowly(s), quickly()...)
	for _, role := range []string{"viewer", "operator", "finance", "admin"} {
		s.people[role] = w.enter(t, role)
	}
	for _, c := range list {
		s.tell(c)
	}
	if !t.Failed() {
		t.Logf("PROOF 7.stuck ok %d of %d stuck payments answer five questions on one page to 4 roles, and what may be pressed works", len(list), len(list))
	}
}

// slowly are those that take days, which go by for all of them at once.
func slowly(s *stuckStory) []stuckCase {
	at := func() *stuckStory { one := *s; return &one }
	held, doubt, late, overdue := at(), at(), at(), at()
	held.bought(shopify.KindAuthorization, "success")
	doubt.begun(shopify.KindSale)
	late.begun(shopify.KindSale)
	overdue.begun(shopify.KindSale)
	overdue.breaks(s.Shopify.Faults(), faults.Rule{Call: "paymentSessionResolve", Kind: faults.Decline("THROTTLED"), Match: overdue.session.ID})
	overdue.pays(overdue.chooses(), "success")
	overdue.await("decided", func(d payment.Details) bool { return d.Final == payment.Resolve })

	s.skip(s.T, 46*time.Hour+50*time.Minute, doubt, late, overdue)
	page := doubt.chooses()
	doubt.blind(page[len(s.StripeURL+"/c/pay/"):])
	doubt.blind(doubt.show().Attempts[0].ID) // there are look-ups by our reference too
	doubt.pays(page, "success")
	latePage := late.chooses()
	s.skip(s.T, 11*time.Minute, doubt, late, overdue)
	doubt.needs(payment.InDoubt)
	overdue.needs(payment.TellOverdue)
	late.await("rejected", func(d payment.Details) bool { return d.Final == payment.Reject && !d.ToldAt.IsZero() })
	late.breaks(s.Stripe.Faults(), faults.Rule{Call: "refunds.create", Kind: faults.Decline("charge_disputed")})
	late.hand("/_late/" + latePage[len(s.StripeURL+"/c/pay/"):])
	late.swept("a person for the late money", func(d payment.Details) bool { return d.Operator == payment.ReversalStuck })
	s.skip(s.T, 4*24*time.Hour+12*time.Hour)

	as := func(one *stuckStory) func(*stuckStory) payment.Details {
		return func(told *stuckStory) payment.Details {
			told.id, told.session, told.lift = one.id, one.session, one.lift
			return told.show()
		}
	}
	return []stuckCase{
		{
			"a hold about to end", as(held), answers{
				"The hold is about to end", "The shop knows that the money is held, and the merchant has neither captured nor voided it.",
				"Held at the provider, not taken. It is the buyer's again when the hold ends", "The merchant captures the hold in 12 h",
				"The merchant, who captures the order in the shop's admin before that",
				[]string{note},
			}, note, func(s *stuckStory) { require.Len(s, s.show().Actions, 1) },
		},
		{
			"no proof at the deadline", as(doubt), answers{
				"Payment in doubt", "We asked the payment provider to move money and have no proof", "Money may have moved. Nothing is sent again.",
				"Proof of what", "The provider's support, with the references",
				[]string{happened, notDone, retry, expire, note},
			}, happened, func(s *stuckStory) {
				s.told(s.T, s.session.ID, shopify.StateResolved)
				require.Equal(s, payment.NobodyNeeded, s.show().Operator)
			},
		},
		{
			"late money that cannot be given back", as(late), answers{
				"Money does not go back", "Money that nobody wants any more should go back to the buyer, and the payment provider does not do it.",
				"The buyer's money is still held or taken.", "The money goes back There is no last moment", "The merchant, and the provider's support",
				[]string{"The money is back", retry, note},
			}, retry, func(s *stuckStory) {
				s.await("given back", func(d payment.Details) bool { return d.State == payment.Reversed })
			},
		},
		{
			"the shop throttles for days", as(overdue), answers{
				"Shop cannot be told", "The answer to this payment is decided, and for more than a day the shop could not be told.",
				"Nothing is lost and nothing changes: the answer stands", "The shop confirms our answer", "Whoever runs the app at Shopify",
				[]string{giveBack, retry, note},
			}, retry, func(s *stuckStory) { s.told(s.T, s.session.ID, shopify.StateResolved) },
		},
	}
}

// quickly are those that are stuck within seconds.
func quickly() []stuckCase {
	return append(atTheProvider(), afterwards()...)
}

// atTheProvider are payments whose money is not here yet.
func atTheProvider() []stuckCase {
	opened := func(s *stuckStory) { s.try(payment.OpCharge, payment.Open) }
	return []stuckCase{
		{
			"a lost reply", func(s *stuckStory) payment.Details {
				s.begun(shopify.KindSale)
				s.breaks(s.Stripe.Faults(), faults.Rule{Call: "checkout.sessions.create", Kind: faults.LoseReply, Times: 1})
				s.blind("")
				s.presses()
				return s.try(payment.OpCharge, payment.Doubtful)
			}, answers{
				"Finding out", "A request went to the provider and its answer has not come.", "The request asks for the page to pay on, and we have not sent the buyer there. Nothing is sent again before we know.",
				"Proof of what stripe did We look it up at least every half hour.", "Nobody: it goes on by itself",
				[]string{happened, notDone, retry, expire, note},
			}, retry, opened,
		},
		{
			"a provider that takes nothing", func(s *stuckStory) payment.Details {
				s.begun(shopify.KindSale)
				s.breaks(s.Stripe.Faults(), faults.Rule{Call: "checkout.sessions.create", Kind: faults.TooManyRequests})
				s.presses()
				return s.try(payment.OpCharge, payment.Allocated)
			}, answers{
				"The provider does not take the request", "The provider is away, or asks us to wait. The request was certainly not carried out", "Nothing was taken.",
				"The next try at stripe", "Nobody: it goes on by itself",
				[]string{retry, expire, note},
			}, retry, opened,
		},
		{
			"credentials that are refused", func(s *stuckStory) payment.Details {
				s.begun(shopify.KindSale)
				s.lift = s.wrongKey()
				s.presses()
				return s.needs(payment.AccountBlocked)
			}, answers{
				"Access refused", "The payment provider or the shop's platform refuses our credentials.", "Nothing was done with the refused request.",
				"What is refused is mended It is tried again by itself at least every half hour", "Whoever keeps the merchant's account",
				[]string{retry, expire, note},
			}, retry, opened,
		},
		{
			"a bank that takes its time", func(s *stuckStory) payment.Details {
				s.begun(shopify.KindSale)
				s.pays(s.chooses(), "never_settles")
				return s.await("told pending", func(d payment.Details) bool { return !d.PendingAt.IsZero() })
			}, answers{
				"The provider is working on it", "The provider says that it processes the buyer's money.", "On its way; neither taken nor refused yet.",
				"stripe finishes", "Nobody: the shop knows that the payment is pending",
				[]string{retry, expire, note},
			}, note, func(s *stuckStory) { require.Equal(s, payment.Processing, s.show().State) },
		},
		{
			"another amount than was asked", func(s *stuckStory) payment.Details {
				s.begun(shopify.KindSale)
				page := s.chooses()
				checkout := page[len(s.StripeURL+"/c/pay/"):]
				// The message names the page's amount; what was really taken stands at the payment.
				s.breaks(s.Stripe.Faults(), faults.Rule{Call: "*", Kind: faults.WebhookDrop}, faults.Rule{Call: "hosted.pay", Kind: faults.WrongAmount, Match: checkout})
				back, err := s.buyer.PayStripe(s.Context(), page, "success")
				require.NoError(s, err)
				_, err = s.buyer.Return(s.Context(), back)
				if err != nil {
					s.Logf("the buyer waits: %v", err)
				}
				return s.needs(payment.WrongAmount)
			}, answers{
				"Wrong amount taken", "The payment provider took another amount than we asked for.", "The buyer has paid an amount that does not fit the order.",
				"Somebody decides about the amount There is no last moment.", "The merchant and finance",
				[]string{"Accept the amount", giveBack, byHand, retry, expire, note},
			}, giveBack, func(s *stuckStory) { s.try(payment.OpReversal, payment.Done) },
		},
	}
}

// afterwards are payments whose money is here, or was.
func afterwards() []stuckCase {
	return []stuckCase{
		{
			"a shop that cannot be reached", func(s *stuckStory) payment.Details {
				s.begun(shopify.KindSale)
				s.breaks(s.Shopify.Faults(), faults.Rule{Call: "paymentSessionResolve", Kind: faults.LoseRequest, Match: s.session.ID})
				s.pays(s.chooses(), "success")
				return s.await("decided", func(d payment.Details) bool { return d.Final == payment.Resolve })
			}, answers{
				"Telling the shop", "The answer is decided and does not change. The shop has not confirmed it", "Taken. It is with the merchant.",
				"The shop confirms our answer in 47 h", "Nobody: it goes on by itself",
				[]string{retry, note},
			}, note, func(s *stuckStory) { s.told(s.T, s.session.ID, shopify.StateResolved) },
		},
		{
			"a shop that refuses the answer", func(s *stuckStory) payment.Details {
				s.begun(shopify.KindSale)
				s.breaks(s.Shopify.Faults(), faults.Rule{Call: "paymentSessionResolve", Kind: faults.Decline(shopify.DeclineUserError), Match: s.session.ID})
				s.pays(s.chooses(), "success")
				return s.needs(payment.ResolveRefused)
			}, answers{
				"Shop refused a paid order", "The buyer has paid, and the shop refused our answer that says so.", "The money is with the merchant. Unless you decide, it goes back",
				"Somebody decides in 23 h", "The merchant",
				[]string{giveBack, byHand, retry, note},
			}, byHand, func(s *stuckStory) {
				s.await("settled", func(d payment.Details) bool { return !d.ClosedAt.IsZero() && d.Operator == payment.NobodyNeeded })
			},
		},
		{
			"a refund in doubt", func(s *stuckStory) payment.Details {
				s.bought(shopify.KindSale, "success")
				s.breaks(s.Stripe.Faults(), faults.Rule{Call: "refunds.create", Kind: faults.LoseReply, Times: 1})
				s.blind(s.intent())
				answer, err := s.Shopify.StartSession(s.Context(), shopify.SessionRequest{
					Shop: stack.Shop, Type: shopify.RefundSession, PaymentID: s.session.ID, Amount: "40.00", Currency: "EUR", Test: true, Tries: 3,
				})
				require.NoError(s, err)
				require.True(s, answer.Accepted)
				return s.try(payment.OpRefund, payment.Doubtful)
			}, answers{
				"Finding out", "A request went to the provider and its answer has not come.", "It is back with the buyer, or still where it was. Nothing is sent again before we know",
				"Proof of what stripe did", "Nobody: it goes on by itself",
				[]string{happened, notDone, retry, note},
			}, note, func(s *stuckStory) {
				s.await("refunded", func(d payment.Details) bool { return d.State == payment.PartiallyRefunded })
			},
		},
		{
			"a dispute", func(s *stuckStory) payment.Details {
				s.bought(shopify.KindSale, "success")
				s.hand("/_dispute/" + s.intent())
				return s.needs(payment.Disputed)
			}, answers{
				"Payment disputed", "The buyer disputes this payment with the bank.", "The disputed amount is taken back until the dispute is decided.",
				"Dispute: how it ends", "The merchant, who must answer the dispute",
				[]string{byHand, note},
			}, note, func(s *stuckStory) { require.Equal(s, payment.Disputed, s.show().Operator) },
		},
		{
			"a refund that failed later", func(s *stuckStory) payment.Details {
				s.bought(shopify.KindSale, "refund_fails_later")
				answer, err := s.Shopify.StartSession(s.Context(), shopify.SessionRequest{
					Shop: stack.Shop, Type: shopify.RefundSession, PaymentID: s.session.ID, Amount: "100.00", Currency: "EUR", Test: true, Tries: 3,
				})
				require.NoError(s, err)
				require.True(s, answer.Accepted)
				s.hand("/_settle/" + s.refunded() + "?result=failed")
				return s.needs(payment.RefundFailed)
			}, answers{
				"Refund failed late", "The payment provider had accepted a refund, the shop was told that it is done, and then the provider gave it up.",
				"The buyer did not get this money.", "Somebody settles it There is no last moment.", "The merchant, who still owes the buyer the money",
				[]string{byHand, note},
			}, note, func(s *stuckStory) { require.Equal(s, payment.RefundFailed, s.show().Operator) },
		},
	}
}

// refunded waits until the shop was told of a refund, and answers its name at the provider.
func (s *stuckStory) refunded() string {
	s.Helper()
	require.Eventually(s, func() bool {
		moves, err := s.Service.Store.ListMoves(s.Context(), s.id)
		return err == nil && len(moves) == 1 && !moves[0].ToldAt.IsZero()
	}, 2*patience, 50*time.Millisecond, "the shop is told of the refund")
	for _, a := range s.show().Attempts {
		if a.Operation == payment.OpRefund {
			return a.Ref
		}
	}
	s.Fatal("the payment has no refund")
	return ""
}

// wrongKey gives the shop's account at Stripe a key that Stripe does not know,
// and answers what puts the right one back.
func (s *stuckStory) wrongKey() (mend func()) {
	s.Helper()
	accounts, err := s.Service.Store.Accounts(s.Context(), stack.Shop)
	require.NoError(s, err)
	for _, a := range accounts {
		if a.Provider != "stripe" || a.Live {
			continue
		}
		_, right, _, err := s.Service.Store.Account(s.Context(), a.ID)
		require.NoError(s, err)
		put := func(key string) {
			_, err := s.Service.Store.PutAccount(s.Context(), store.Account{
				Shop: a.Shop, Provider: a.Provider, Label: a.Label, Position: a.Position, Enabled: true,
			}, map[string]string{"secret_key": key, "webhook_secret": right["webhook_secret"]})
			require.NoError(s, err)
		}
		put("sk_test_unknownunknownunknown")
		return func() { put(right["secret_key"]) }
	}
	s.Fatal("the shop has no account at Stripe")
	return nil
}
