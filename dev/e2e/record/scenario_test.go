package record

import (
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
	"tillflow/standin/shopify"
)

// scenario is one way of a charge to its end. Its name is that of its shop and
// of its histories.
type scenario struct {
	name string
	// reversal says that a Reversal is recorded too.
	reversal bool
	// move is a workflow on the charge's money that is recorded too: Capture, Void or Refund.
	move string
	// hurried is played with a deadline in seconds.
	hurried bool
	play    func(*testing.T, *take)
}

func (s scenario) shop() string { return s.name + ".myshopify.com" }

func (s scenario) file(workflow string) string {
	return filepath.Join(corpus, workflow, s.name+".json")
}

// kept says that the scenario's histories are there.
func (s scenario) kept() bool {
	return exists(s.file("Charge")) && (!s.reversal || exists(s.file("Reversal"))) && (s.move == "" || exists(s.file(s.move)))
}

// scenarios are the endings, and the ways that leave other traces in a history.
func scenarios() []scenario { return append(charges(), moves()...) }

func charges() []scenario {
	return []scenario{
		{name: "sale-one-option", play: func(t *testing.T, k *take) {
			k.set(t, "UPDATE accounts SET enabled = false WHERE shop = $1 AND provider = 'sandbox'")
			k.accept(t, shopify.KindSale)
			k.page = k.choose(t, "")
			k.pay(t, "success")
			k.back(t)
		}},
		{name: "sale-choice-webhook", play: func(t *testing.T, k *take) { k.sell(t, shopify.KindSale, "success") }},
		{name: "sale-looked-up", play: func(t *testing.T, k *take) {
			k.stripe(t, faults.Rule{Call: "*", Kind: faults.WebhookDrop, Times: -1})
			k.sell(t, shopify.KindSale, "success")
		}},
		{name: "sale-at-the-sandbox", play: sellAtSandbox},
		{name: "authorization", play: func(t *testing.T, k *take) { k.sell(t, shopify.KindAuthorization, "success") }},
		{name: "declined-then-paid", play: func(t *testing.T, k *take) {
			k.accept(t, shopify.KindSale)
			k.page = k.choose(t, "Card")
			k.declined(t, "insufficient_funds")
			k.pay(t, "success")
			k.back(t)
		}},
		{name: "debit-pending", play: func(t *testing.T, k *take) { k.sell(t, shopify.KindSale, "delayed_success") }},
		{name: "debit-failed-then-card", play: debitThenCard},
		{name: "reply-lost", play: func(t *testing.T, k *take) {
			k.stripe(t, faults.Rule{Call: "checkout.sessions.create", Kind: faults.LoseReply})
			k.sell(t, shopify.KindSale, "success")
		}},
		{name: "provider-busy", play: func(t *testing.T, k *take) {
			k.stripe(t, faults.Rule{Call: "checkout.sessions.create", Kind: faults.TooManyRequests, Times: 2})
			k.sell(t, shopify.KindSale, "success")
		}},
		{name: "left-and-expired", play: func(t *testing.T, k *take) {
			k.accept(t, shopify.KindSale)
			k.page = k.choose(t, "Card")
			k.leave(t)
			k.press(t, "note", "-reason", "the buyer called")
			k.press(t, "retry", "-reason", "just to see")
			k.press(t, "expire", "-reason", "the buyer is gone")
		}},
		{name: "other-method", play: otherMethod},
		{name: "terminated-and-resumed", play: func(t *testing.T, k *take) {
			k.accept(t, shopify.KindSale)
			k.page = k.choose(t, "Card")
			k.terminate(t)
			k.pay(t, "success")
			k.back(t)
		}},
		{name: "second-sale", reversal: true, play: func(t *testing.T, k *take) { second(t, k, shopify.KindSale) }},
		{name: "second-authorization", reversal: true, play: func(t *testing.T, k *take) { second(t, k, shopify.KindAuthorization) }},
		{name: "second-sale-refund-in-doubt", reversal: true, play: func(t *testing.T, k *take) {
			k.stripe(t, faults.Rule{Call: "refunds.create", Kind: faults.LoseReply})
			second(t, k, shopify.KindSale)
		}},
		{name: "resolve-refused", reversal: true, play: func(t *testing.T, k *take) {
			k.set(t, "UPDATE shops SET refused_default = '1 second' WHERE shop = $1")
			k.accept(t, shopify.KindSale)
			k.shopify(t, faults.Decline(shopify.DeclineUserError))
			k.page = k.choose(t, "Card")
			k.pay(t, "success")
		}},
		{name: "resolve-lost-and-retried", play: func(t *testing.T, k *take) {
			k.accept(t, shopify.KindSale)
			k.shopify(t, faults.LoseReply)
			k.page = k.choose(t, "Card")
			k.pay(t, "success")
			k.back(t)
		}},
		{name: "wrong-amount-given-back", reversal: true, play: func(t *testing.T, k *take) {
			wrongAmount(t, k, "give_back")
			k.press(t, "expire", "-reason", "the buyer is gone")
		}},
		{name: "wrong-amount-accepted", play: func(t *testing.T, k *take) { wrongAmount(t, k, "paid") }},
		{name: "deadline-nothing", hurried: true, play: func(t *testing.T, k *take) { k.accept(t, shopify.KindSale) }},
		{name: "deadline-open", hurried: true, play: func(t *testing.T, k *take) {
			k.accept(t, shopify.KindSale)
			k.page = k.choose(t, "Card")
		}},
		{name: "deadline-processing", hurried: true, play: func(t *testing.T, k *take) {
			k.accept(t, shopify.KindSale)
			k.page = k.choose(t, "Card")
			k.pay(t, "never_settles")
			k.awaitOperator(t)
			k.press(t, "resolve", "-choice", "not_paid", "-reason", "seen at the provider")
		}},
	}
}

// moves are the endings of captures, voids and refunds.
func moves() []scenario {
	refund := func(name, card string, before ...func(*testing.T, *take)) scenario {
		return scenario{name: name, move: "Refund", play: func(t *testing.T, k *take) {
			k.sell(t, shopify.KindSale, card)
			for _, f := range before {
				f(t, k)
			}
			k.ask(t, shopify.RefundSession, k.minor)
		}}
	}
	stripe := func(call string, kind faults.Kind) func(*testing.T, *take) {
		return func(t *testing.T, k *take) { k.stripe(t, faults.Rule{Call: call, Kind: kind}) }
	}
	return []scenario{
		refund("refund", "success"),
		refund("refund-pending", "refund_pending"),
		refund("refund-fails-later", "refund_fails_later"),
		refund("refund-reply-lost", "success", stripe("refunds.create", faults.LoseReply)),
		refund("refund-refused", "success", stripe("refunds.create", faults.Decline("charge_disputed"))),
		refund("refund-resolve-lost", "success", func(t *testing.T, k *take) {
			_, err := k.r.stack.Shopify.Faults().Arm(faults.Rule{Call: "refundSessionResolve", Kind: faults.LoseReply, Match: k.moveID()})
			require.NoError(t, err)
		}),
		{name: "refund-too-large", move: "Refund", play: func(t *testing.T, k *take) {
			k.sell(t, shopify.KindSale, "success")
			k.ask(t, shopify.RefundSession, k.minor+1)
		}},
		{name: "capture-a-part", move: "Capture", play: func(t *testing.T, k *take) {
			k.sell(t, shopify.KindAuthorization, "success")
			k.ask(t, shopify.CaptureSession, k.minor-100)
		}},
		{name: "capture-reply-lost", move: "Capture", play: func(t *testing.T, k *take) {
			k.sell(t, shopify.KindAuthorization, "success")
			k.stripe(t, faults.Rule{Call: "payment_intents.capture", Kind: faults.LoseReply})
			k.ask(t, shopify.CaptureSession, k.minor)
		}},
		{name: "void", move: "Void", play: func(t *testing.T, k *take) {
			k.sell(t, shopify.KindAuthorization, "success")
			k.ask(t, shopify.VoidSession, 0)
		}},
		{name: "void-of-a-sale", move: "Void", play: func(t *testing.T, k *take) {
			k.sell(t, shopify.KindSale, "success")
			k.ask(t, shopify.VoidSession, 0)
		}},
	}
}

// otherMethod leaves one provider's page open and chooses another provider.
func otherMethod(t *testing.T, k *take) {
	k.accept(t, shopify.KindSale)
	k.choose(t, "Sandbox")
	k.page = k.choose(t, "Card")
	k.pay(t, "success")
	k.back(t)
}

// debitThenCard: what was processing fails, and the buyer tries again.
func debitThenCard(t *testing.T, k *take) {
	k.accept(t, shopify.KindSale)
	k.page = k.choose(t, "Card")
	k.pay(t, "delayed_failure")
	// The payment's own state is the same before as after.
	k.await(t, "EXISTS (SELECT FROM attempts a WHERE a.payment_id = payments.id AND a.state = 'declined')")
	k.page = k.choose(t, "Card")
	k.pay(t, "success")
	k.back(t)
}

// second lets two sessions of one checkout be paid; the second one is recorded.
func second(t *testing.T, k *take, kind shopify.PaymentKind) {
	first := *k
	first.accept(t, kind)
	first.page = first.choose(t, "Card")
	k.group = first.session.Group
	k.accept(t, kind)
	k.page = k.choose(t, "Card")
	first.pay(t, "success")
	first.back(t)
	k.pay(t, "success")
}

// wrongAmount: the provider takes other money than was asked, and a person decides.
func wrongAmount(t *testing.T, k *take, choice string) {
	k.accept(t, shopify.KindSale)
	k.page = k.choose(t, "Card")
	k.stripe(t, faults.Rule{Call: "hosted.pay", Kind: faults.WrongAmount, Match: k.page[strings.LastIndex(k.page, "/")+1:]})
	// The message names the page's amount; what was really taken stands at the payment.
	k.stripe(t, faults.Rule{Call: "*", Kind: faults.WebhookDrop, Times: -1})
	k.pay(t, "success")
	k.awaitOperator(t)
	k.press(t, "resolve", "-choice", choice, "-reason", "seen at the provider")
}

// nameOf is the name that a workflow is registered under.
func nameOf(w any) string {
	full := runtime.FuncForPC(reflect.ValueOf(w).Pointer()).Name()
	return full[strings.LastIndex(full, ".")+1:]
}
