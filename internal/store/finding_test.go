package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

func TestCharge(t *testing.T) {
	t.Parallel()
	t.Run("a sale is booked, resolved and told", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		v := b.view(s)
		require.Equal(t, payment.Created, v.State)
		require.Equal(t, 1, v.Wanted, "the only option is chosen")
		send := b.begin(s)
		require.Equal(t, "tf:"+s.ID+":charge:1", send.Key)
		require.Equal(t, b.clock.Now().Add(47*time.Hour), send.DecideAt)
		require.Equal(t, payment.Sent, send.Attempt.State)
		require.Zero(t, b.view(s).Wanted)
		v = b.find(send, payment.Open)
		require.Equal(t, payment.AwaitingBuyer, v.State)
		require.Len(t, v.Unfinished, 1)
		require.Equal(t, "psp", v.Provider)
		v = b.find(send, payment.Done, func(f *payment.Finding) { f.Fee, f.Amount = eur(43), eur(1230) })
		require.Equal(t, payment.Captured, v.State)
		require.Equal(t, payment.Resolve, v.Final)
		require.Empty(t, v.Unfinished)
		require.False(t, v.Closed)
		require.Equal(t, map[string]int64{
			"live/provider:" + b.live + " EUR": 1187, "live/fees:" + b.live + " EUR": 43, "live/merchant:" + shop + " EUR": -1230,
		}, b.balances())
		v, err := b.RecordTold(t.Context(), payment.Told{PaymentID: s.ID, NextURL: "https://shop/thanks", RequestID: "r1"})
		require.NoError(t, err)
		require.True(t, v.Told)
		require.True(t, v.Closed)
		require.Equal(t, v, b.view(s), "what was answered is what is read")
		require.Equal(t, []string{
			"accepted >created", "begun >sent", "attempt sent>open", "state created>awaiting_buyer",
			"attempt open>done", "booked >charge", "state awaiting_buyer>captured", "final >resolve", "booked >fee", "told >resolve", "closed >",
		}, b.what(s))
	})
	t.Run("an authorization is held, and a capture made elsewhere is booked", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(authorization)
		send := b.opened(s)
		until := b.clock.Now().Add(7 * 24 * time.Hour)
		v := b.find(send, payment.Held, func(f *payment.Finding) { f.ExpiresAt = until })
		require.Equal(t, payment.Authorized, v.State)
		require.Equal(t, payment.Resolve, v.Final)
		telling, err := b.LoadTelling(t.Context(), s.ID)
		require.NoError(t, err)
		require.Equal(t, payment.Telling{
			Shop: shop, GID: s.GID, Final: payment.Resolve, HoldUntil: until, Deadline: s.DeadlineAt, Kind: payment.Authorization,
		}, telling)
		require.Equal(t, map[string]int64{
			"live/authorized:" + b.live + " EUR": 1230, "live/authorized-contra:" + b.live + " EUR": -1230,
		}, b.balances())
		v = b.find(send, payment.Done)
		require.Equal(t, payment.Captured, v.State)
		require.Equal(t, map[string]int64{
			"live/provider:" + b.live + " EUR": 1230, "live/merchant:" + shop + " EUR": -1230,
		}, b.balances())
	})
	t.Run("a hold of which nobody says how long lasts as long as the provider's terms say", func(t *testing.T) {
		t.Parallel()
		b := setup(t).on(payment.HoldTerms{Limit: 5 * 24 * time.Hour})
		s := b.accept(authorization)
		send := b.opened(s)
		b.clock.Add(time.Minute)
		b.find(send, payment.Held, func(f *payment.Finding) { f.Evidence, f.EvidenceRef = payment.ByPerson, "" })
		telling, err := b.LoadTelling(t.Context(), s.ID)
		require.NoError(t, err)
		require.Equal(t, b.clock.Now().Add(5*24*time.Hour-time.Minute), telling.HoldUntil, "counted from the request")
		b.find(send, payment.Held)
		again, err := b.LoadTelling(t.Context(), s.ID)
		require.NoError(t, err)
		require.Equal(t, telling, again)
	})
	t.Run("the end of the checkout is not the end of the hold", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(authorization)
		b.paid(s)
		telling, err := b.LoadTelling(t.Context(), s.ID)
		require.NoError(t, err)
		require.True(t, telling.HoldUntil.IsZero())
	})
}

func TestChargeElsewhere(t *testing.T) {
	t.Parallel()
	t.Run("a test session books in test accounts only", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		sandbox := b.account("psp", false, "Card")
		s := b.accept(func(s *payment.Session) { s.Test = true })
		b.paid(s)
		require.Equal(t, map[string]int64{"test/provider:" + sandbox + " EUR": 1230, "test/merchant:" + shop + " EUR": -1230}, b.balances())
	})
	t.Run("a source without a shop is told with the decision", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(api)
		_, v := b.paid(s)
		require.True(t, v.Told)
		require.True(t, v.Closed)
		page, err := b.Page(t.Context(), s.Token)
		require.NoError(t, err)
		require.Equal(t, "https://merchant/thanks", page.NextURL)
	})
}

func TestFindingRepeated(t *testing.T) {
	t.Parallel()
	t.Run("what tells nothing new writes nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send, before := b.paid(s)
		rows := b.count(`SELECT (SELECT count(*) FROM evidence) + (SELECT count(*) FROM timeline) + (SELECT count(*) FROM ledger_entries)`)
		updated := b.count(`SELECT xmin::text::bigint FROM payments`)
		require.Equal(t, before, b.find(send, payment.Done))
		require.Equal(t, before, b.find(send, payment.Open))
		require.Equal(t, before, b.find(send, payment.Declined))
		require.Equal(t, rows, b.count(`SELECT (SELECT count(*) FROM evidence) + (SELECT count(*) FROM timeline) + (SELECT count(*) FROM ledger_entries)`))
		require.Equal(t, updated, b.count(`SELECT xmin::text::bigint FROM payments`))
	})
	t.Run("a new reference or fee is evidence of its own", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send := b.begin(s)
		b.find(send, payment.Done, func(f *payment.Finding) { f.Ref, f.PaymentRef = "", "" })
		b.find(send, payment.Done, func(f *payment.Finding) { f.Ref, f.PaymentRef, f.Fee = "cs_1", "pi_1", eur(30) })
		b.find(send, payment.Done, func(f *payment.Finding) { f.Fee = eur(31) })
		require.Equal(t, 2, b.count(`SELECT count(*) FROM evidence`))
		again, err := b.LoadAttempt(t.Context(), send.Attempt.ID)
		require.NoError(t, err)
		require.Equal(t, "cs_1", again.Attempt.Ref)
		require.Equal(t, "pi_1", again.Attempt.PaymentRef)
		require.Equal(t, int64(30), b.balances()["live/fees:"+b.live+" EUR"], "the first fee stands")
	})
	t.Run("a later figure that contradicts the booked one calls a person, once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		send, _ := b.paid(b.accept())
		require.Equal(t, payment.NobodyNeeded, b.find(send, payment.Done, amount(eur(1230))).Operator)
		require.NotNil(t, b.store(b.event("evt_1", send, payment.Done, func(e *payment.IncomingEvent) { e.Amount = eur(1) })).Signal)
		for range 2 {
			require.Equal(t, payment.WrongAmount, b.find(send, payment.Done, amount(eur(1))).Operator)
		}
		require.Equal(t, 1, b.count(`SELECT count(*) FROM evidence WHERE amount_minor = 1`))
	})
	t.Run("a refusal inside an open checkout is kept for the buyer, wakes waiting pages and stands in the timeline", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send := b.opened(s)
		before, err := b.Revision(t.Context(), s.Token)
		require.NoError(t, err)
		for range 2 {
			v := b.find(send, payment.Open, func(f *payment.Finding) { f.Decline = payment.InsufficientFunds })
			require.Equal(t, payment.AwaitingBuyer, v.State)
		}
		after, err := b.Revision(t.Context(), s.Token)
		require.NoError(t, err)
		require.Greater(t, after, before)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM timeline WHERE what = 'refused' AND evidence_id IS NOT NULL`))
		page, err := b.Page(t.Context(), s.Token)
		require.NoError(t, err)
		require.Equal(t, payment.InsufficientFunds, page.LastNo)
	})
}

func TestFindingRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	send := b.begin(b.accept())
	for rule, change := range map[string]func(*payment.Finding){
		"no state":                      func(f *payment.Finding) { f.State = "" },
		"a state that is no knowledge":  func(f *payment.Finding) { f.State = payment.Doubtful },
		"no evidence":                   func(f *payment.Finding) { f.Evidence = "" },
		"a timeout as evidence":         func(f *payment.Finding) { f.Evidence = "timeout" },
		"absence that proves a refusal": func(f *payment.Finding) { f.Evidence, f.State = payment.ByAbsence, payment.Declined },
		"a negative amount":             amount(eur(-1)),
	} {
		_, err := b.RecordFinding(t.Context(), b.finding(send, payment.Done, change))
		requireClass(t, payment.Bug, "", err)
		require.Zero(t, b.count(`SELECT count(*) FROM evidence`), rule)
	}
	_, err := b.RecordFinding(t.Context(), payment.Finding{AttemptID: "nonsense", Evidence: payment.ByLookup, State: payment.Done})
	requireClass(t, payment.NotFound, "", err)
	_, err = b.RecordFinding(t.Context(), payment.Finding{AttemptID: b.live, Evidence: payment.ByLookup, State: payment.Done})
	requireClass(t, payment.NotFound, "", err)
}

func TestCheckoutStates(t *testing.T) {
	t.Parallel()
	t.Run("processing is shown, and a refusal leads back to the buyer", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send := b.opened(s)
		require.Equal(t, payment.Processing, b.find(send, payment.Working).State)
		require.Equal(t, payment.Processing, b.find(send, payment.Open).State, "processing is never nothing")
		v := b.find(send, payment.Declined, func(f *payment.Finding) { f.Decline = payment.Fraud })
		require.Equal(t, payment.AwaitingBuyer, v.State)
		require.Empty(t, v.Shut)
	})
	t.Run("the cap against card testing shuts the door", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		for i := range 3 {
			require.Empty(t, b.view(s).Shut, i)
			if i > 0 {
				_, err := b.Choose(t.Context(), s.Token, b.live)
				require.NoError(t, err)
			}
			b.find(b.opened(s), payment.Declined)
		}
		v := b.view(s)
		require.Equal(t, payment.TooManyAttempts, v.Shut)
		_, err := b.Choose(t.Context(), s.Token, b.live)
		requireClass(t, payment.Conflict, "shut", err)
	})
	t.Run("decided not done opens the same choice again with a new key", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		first := b.begin(s)
		v := b.find(first, payment.NotDone, func(f *payment.Finding) { f.Evidence = payment.ByAbsence })
		require.Equal(t, 1, v.Wanted)
		second := b.begin(s)
		require.Equal(t, "tf:"+s.ID+":charge:2", second.Key)
		require.NotEqual(t, first.Attempt.ID, second.Attempt.ID)
		// The first one succeeds after all: the newest truth wins, the other goes back.
		require.Equal(t, payment.Resolve, b.find(first, payment.Done).Final)
		v = b.find(second, payment.Done)
		require.Len(t, v.Reversals, 1)
	})
}

func TestHeldSale(t *testing.T) {
	t.Parallel()
	t.Run("a sale that is only held is still processing while somebody waits", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send := b.opened(s)
		v := b.find(send, payment.Held)
		require.Equal(t, payment.Processing, v.State)
		require.Equal(t, payment.Undecided, v.Final)
		require.Equal(t, payment.Working, v.Unfinished[0].State)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM evidence WHERE state = 'authorized'`), "evidence is kept as it was shown")
		require.Equal(t, payment.Captured, b.find(send, payment.Done).State)
	})
	t.Run("a sale that is only held when the door is shut is voided", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send := b.opened(s)
		b.find(send, payment.Held)
		_, err := b.ShutDoor(t.Context(), s.ID, payment.TimedOut)
		require.NoError(t, err)
		v := b.find(send, payment.Held)
		require.Equal(t, payment.Undecided, v.Final)
		require.Len(t, v.Reversals, 1)
		v, err = b.DecideReject(t.Context(), s.ID, payment.TimedOut)
		require.NoError(t, err)
		require.Equal(t, payment.Rejected, v.State)
		require.Equal(t, "void", b.giveBack(v.Reversals[0].OperationID))
		require.Equal(t, payment.Reversed, b.view(s).State)
		require.Empty(t, b.balances())
	})
}

func TestWrongAmount(t *testing.T) {
	t.Parallel()
	for rule, took := range map[string]money.Amount{"less": eur(1), "more": eur(9999), "another currency": money.New(1230, "USD")} {
		t.Run(rule+" than asked waits for a person and is booked as it is", func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			s := b.accept()
			send := b.opened(s)
			v := b.find(send, payment.Done, amount(took))
			require.Equal(t, payment.Undecided, v.Final)
			require.Equal(t, payment.WrongAmount, v.Operator)
			require.Equal(t, took.Minor, b.balances()["live/provider:"+b.live+" "+string(took.Currency)])
			_, err := b.Choose(t.Context(), s.Token, b.live)
			requireClass(t, payment.Conflict, "processing", err)
			v, err = b.DecideReject(t.Context(), s.ID, payment.TimedOut)
			require.NoError(t, err)
			require.Equal(t, payment.Undecided, v.Final, "money is here: no is not the answer")
			v, err = b.GiveBack(t.Context(), s.ID, "wrong_amount")
			require.NoError(t, err)
			require.Equal(t, payment.WrongAmount, v.Operator, "until the money is back")
			require.Equal(t, "refund", b.giveBack(v.Reversals[0].OperationID))
			require.Empty(t, b.balances())
			v = b.view(s)
			require.Equal(t, payment.NobodyNeeded, v.Operator)
			_, err = b.Choose(t.Context(), s.Token, b.live)
			require.NoError(t, err, "the buyer may try again")
		})
	}
	t.Run("a partial capture elsewhere releases the rest and calls a person", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(authorization)
		send, _ := b.paid(s)
		v := b.find(send, payment.Done, amount(eur(400)))
		require.Equal(t, payment.Captured, v.State)
		require.Equal(t, payment.WrongAmount, v.Operator)
		require.Equal(t, map[string]int64{"live/provider:" + b.live + " EUR": 400, "live/merchant:" + shop + " EUR": -400}, b.balances())
	})
	t.Run("a capture elsewhere beyond the hold is booked whole", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(authorization)
		send, _ := b.paid(s)
		b.find(send, payment.Done, amount(eur(1300)))
		require.Equal(t, map[string]int64{"live/provider:" + b.live + " EUR": 1300, "live/merchant:" + shop + " EUR": -1300}, b.balances())
	})
}
