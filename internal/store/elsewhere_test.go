package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

func TestRefundElsewhere(t *testing.T) {
	t.Parallel()
	t.Run("it is booked, counted, shown to finance, and done once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, charge := b.sale()
		require.Equal(t, payment.Stored{Note: "booked"}, b.elsewhere("evt_1", charge, awayRefund("re_1", payment.Done, 4000)))
		require.True(t, b.elsewhere("evt_1", charge, awayRefund("re_1", payment.Done, 4000)).Duplicate)
		b.elsewhere("evt_2", charge, awayRefund("re_1", payment.Done, 4000))
		b.elsewhere("evt_3", charge, awayRefund("re_1", payment.Working, 4000))
		require.Equal(t, map[string]int64{"provider": 6000, "merchant": -6000}, b.books())
		v := b.view(s)
		require.Equal(t, payment.PartiallyRefunded, v.State)
		require.Equal(t, payment.RefundElsewhere, v.Operator)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM notices WHERE reason = 'refund_elsewhere'`))
		require.Equal(t, 1, b.count(`SELECT count(*) FROM attempts WHERE key = $1`, "elsewhere:"+b.live+":refund:re_1"))
		require.Equal(t, 1, b.count(`SELECT count(*) FROM evidence e JOIN attempts a ON a.id = e.attempt_id WHERE a.key LIKE 'elsewhere:%' AND e.kind = 'webhook'`))
		require.Zero(t, b.count(`SELECT count(*) FROM provider_events WHERE dispatched_at IS NULL`))
		b.refusedFor(b.refund(s, 6001), payment.RefusedTooLarge)
		b.through(b.refund(s, 6000))
		require.Equal(t, payment.Refunded, b.view(s).State)
		_, err := b.act(s, "resolve", payment.DecideKeep, "")
		require.NoError(t, err)
		require.Equal(t, payment.NobodyNeeded, b.view(s).Operator, "finance has seen it")
	})
	t.Run("one on its way is in transit, and one that fails comes back", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, charge := b.sale()
		b.elsewhere("evt_1", charge, awayRefund("re_1", payment.Working, 4000))
		require.Equal(t, map[string]int64{"provider": 10000, "merchant": -6000, "transit": -4000}, b.books())
		b.refusedFor(b.refund(s, 6001), payment.RefusedTooLarge)
		b.elsewhere("evt_2", charge, awayRefund("re_1", payment.Closed, 4000))
		require.Equal(t, map[string]int64{"provider": 10000, "merchant": -10000}, b.books())
		require.Equal(t, payment.Captured, b.view(s).State)
		require.Equal(t, payment.NobodyNeeded, b.view(s).Operator)
		b.elsewhere("evt_3", charge, awayRefund("re_1", payment.Done, 4000))
		require.Equal(t, payment.Captured, b.view(s).State, "a message that was overtaken")
		b.through(b.refund(s, 10000))
	})
	t.Run("twenty equal messages at once are booked once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, charge := b.sale()
		atOnce(t, 20, func(ctx context.Context, i int) error {
			_, err := b.StoreEvent(ctx, b.awayEvent("evt_"+string(rune('a'+i)), charge, awayRefund("re_1", payment.Done, 4000)))
			return err
		})
		require.Equal(t, map[string]int64{"provider": 6000, "merchant": -6000}, b.books())
	})
	t.Run("more than was taken is booked all the same, and called out", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, charge := b.sale()
		b.through(b.refund(s, 8000))
		b.elsewhere("evt_1", charge, awayRefund("re_1", payment.Done, 4000))
		require.Equal(t, map[string]int64{"provider": -2000, "merchant": 2000}, b.books())
		require.Equal(t, payment.Overdrawn, b.view(s).Operator)
		b.elsewhere("evt_2", charge, awayRefund("re_1", payment.Closed, 4000))
		require.NotEqual(t, payment.Overdrawn, b.view(s).Operator)
	})
	t.Run("what a look at the provider lists is booked the same way", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, charge := b.sale()
		found := []payment.Elsewhere{awayRefund("re_1", payment.Done, 4000), dispute("dp_1", payment.Working, 1000)}
		for range 2 {
			v, err := b.RecordElsewhere(t.Context(), charge.Attempt.ID, found)
			require.NoError(t, err)
			require.Equal(t, payment.PartiallyRefunded, v.State)
		}
		b.elsewhere("evt_1", charge, awayRefund("re_1", payment.Done, 4000))
		require.Equal(t, map[string]int64{"provider": 5000, "merchant": -6000, "disputes": 1000}, b.books())
		require.Equal(t, 2, b.count(`SELECT count(*) FROM evidence e JOIN attempts a ON a.id = e.attempt_id WHERE a.key LIKE 'elsewhere:%'`))
	})
	t.Run("other money cannot be counted, so a person is called", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, charge := b.sale()
		b.elsewhere("evt_1", charge, payment.Elsewhere{Kind: payment.ElsewhereRefund, Ref: "re_1", State: payment.Done, Amount: money.New(500, "USD")})
		require.Equal(t, payment.WrongAmount, b.view(s).Operator)
		require.Equal(t, int64(-500), b.balances()["live/provider:"+b.live+" USD"])
		_, err := b.act(s, "resolve", payment.DecideKeep, "")
		require.NoError(t, err)
		require.Equal(t, payment.NobodyNeeded, b.view(s).Operator)
	})
}

func TestRefundElsewhereEarly(t *testing.T) {
	t.Parallel()
	t.Run("one that comes before we know the money is taken up before anything is claimed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(hundred)
		charge := b.begin(s)
		require.Equal(t, payment.Stored{Note: "unknown reference"}, b.elsewhere("evt_1", charge, awayRefund("re_1", payment.Done, 4000)))
		b.find(charge, payment.Done)
		b.told(payment.Told{PaymentID: s.ID})
		require.Equal(t, payment.Captured, b.view(s).State)
		b.refusedFor(b.refund(s, 6001), payment.RefusedTooLarge)
		require.Equal(t, map[string]int64{"provider": 6000, "merchant": -6000}, b.books())
	})
	t.Run("the sweep books it too", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(hundred)
		charge := b.begin(s)
		b.elsewhere("evt_1", charge, dispute("dp_1", payment.Working, 4000))
		b.find(charge, payment.Done)
		require.Empty(t, b.pending(charge), "it proves nothing about our attempt")
		due, err := b.DueEvents(t.Context(), 10)
		require.NoError(t, err)
		require.Empty(t, due)
		require.Equal(t, map[string]int64{"provider": 6000, "merchant": -10000, "disputes": 4000}, b.books())
		require.Equal(t, payment.Disputed, b.view(s).Operator)
	})
	t.Run("a refund that is known before the capture is counted when that is known", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, charge := b.hold()
		b.elsewhere("evt_1", charge, awayRefund("re_1", payment.Done, 10000))
		require.Equal(t, payment.Overdrawn, b.view(s).Operator)
		require.Equal(t, payment.Authorized, b.view(s).State)
		v := b.find(charge, payment.Done)
		require.Equal(t, payment.Refunded, v.State)
		require.NotEqual(t, payment.Overdrawn, v.Operator)
		require.Empty(t, b.books())
	})
	t.Run("a refund of ours whose message came first is not counted twice", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, charge := b.sale()
		m := b.refund(s, 4000)
		b.claimed(m)
		send := b.sent(m)
		b.elsewhere("evt_1", charge, awayRefund("re_ours", payment.Done, 4000)) // without our reference in it
		require.Equal(t, map[string]int64{"provider": 6000, "merchant": -6000}, b.books())
		b.find(send, payment.Done, func(f *payment.Finding) { f.Ref = "re_ours" })
		require.Equal(t, map[string]int64{"provider": 6000, "merchant": -6000}, b.books())
		require.Equal(t, payment.NobodyNeeded, b.view(s).Operator)
		b.through(b.refund(s, 6000))
	})
	t.Run("a message that names a refund of ours by its id is about ours", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, charge := b.sale()
		m := b.refund(s, 4000)
		send := b.through(m)
		b.moveTold(m, "")
		require.Equal(t, "left to the sweep", b.elsewhere("evt_1", charge, awayRefund("re_"+send.Attempt.ID, payment.Done, 4000)).Note)
		require.Equal(t, "recorded", b.elsewhere("evt_2", charge, awayRefund("re_"+send.Attempt.ID, payment.Closed, 4000)).Note)
		require.True(t, b.stands(m).Refused)
		require.Equal(t, map[string]int64{"provider": 10000, "merchant": -10000}, b.books())
		require.Zero(t, b.count(`SELECT count(*) FROM operations WHERE origin = 'elsewhere'`))
	})
}

func TestDispute(t *testing.T) {
	t.Parallel()
	t.Run("an open one takes its money off what may be refunded, a won one gives it back", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, charge := b.sale()
		b.elsewhere("evt_1", charge, dispute("dp_1", payment.Working, 10000))
		require.Equal(t, map[string]int64{"merchant": -10000, "disputes": 10000}, b.books())
		require.Equal(t, payment.Disputed, b.view(s).Operator)
		require.Equal(t, payment.Captured, b.view(s).State)
		b.refusedFor(b.refund(s, 1), payment.RefusedTooLarge)
		b.elsewhere("evt_2", charge, dispute("dp_1", payment.Closed, 10000))
		require.Equal(t, map[string]int64{"provider": 10000, "merchant": -10000}, b.books())
		require.Equal(t, payment.NobodyNeeded, b.view(s).Operator)
		b.through(b.refund(s, 10000))
	})
	t.Run("a lost one is the merchant's loss", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, charge := b.sale()
		b.elsewhere("evt_1", charge, dispute("dp_1", payment.Working, 4000))
		b.elsewhere("evt_2", charge, dispute("dp_1", payment.Done, 4000))
		require.Equal(t, map[string]int64{"provider": 6000, "merchant": -6000}, b.books())
		require.Equal(t, payment.DisputeLost, b.view(s).Operator)
		b.refusedFor(b.refund(s, 6001), payment.RefusedTooLarge)
		b.elsewhere("evt_3", charge, dispute("dp_1", payment.Closed, 4000))
		require.Equal(t, map[string]int64{"provider": 10000, "merchant": -10000}, b.books())
		b.through(b.refund(s, 10000))
	})
	t.Run("one that is lost when we first hear of it is booked whole", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, charge := b.sale()
		b.elsewhere("evt_1", charge, dispute("dp_1", payment.Done, 4000))
		b.elsewhere("evt_2", charge, dispute("dp_1", payment.Working, 4000))
		require.Equal(t, map[string]int64{"provider": 6000, "merchant": -6000}, b.books())
		require.Equal(t, payment.DisputeLost, b.view(s).Operator)
	})
	t.Run("one that is won when we first hear of it books nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, charge := b.sale()
		b.elsewhere("evt_1", charge, dispute("dp_1", payment.Closed, 4000))
		b.elsewhere("evt_2", charge, dispute("dp_1", payment.Working, 4000))
		require.Equal(t, map[string]int64{"provider": 10000, "merchant": -10000}, b.books())
		require.Equal(t, payment.NobodyNeeded, b.view(s).Operator)
	})
	t.Run("a person decides nothing about it here", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s, charge := b.sale()
		b.elsewhere("evt_1", charge, dispute("dp_1", payment.Working, 4000))
		d, err := b.ShowPayment(t.Context(), s.ID, false)
		require.NoError(t, err)
		away := d.Attempts[1]
		require.True(t, away.Elsewhere)
		for _, choice := range []payment.Decision{payment.DecidePaid, payment.DecideNotPaid} {
			_, err := b.act(s, "resolve", choice, away.ID)
			requireClass(t, payment.Conflict, "elsewhere", err)
		}
		_, err = b.BeginMove(t.Context(), b.operation(away.ID))
		requireClass(t, payment.Bug, "elsewhere", err)
	})
}

// operation is the operation of an attempt.
func (b *bundle) operation(attempt string) string {
	b.t.Helper()
	var id string
	require.NoError(b.t, b.pool.QueryRow(b.t.Context(), `SELECT operation_id::text FROM attempts WHERE id = $1`, attempt).Scan(&id))
	return id
}

func TestElsewhereIsNoMoveOfOurs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s, charge := b.sale()
	b.elsewhere("evt_1", charge, awayRefund("re_1", payment.Working, 1000))
	b.elsewhere("evt_2", charge, dispute("dp_1", payment.Working, 1000))
	b.clock.Add(time.Hour)
	due, err := b.DueMoves(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, due)
	open, err := b.OpenMoves(t.Context(), s.ID)
	require.NoError(t, err)
	require.Empty(t, open)
	_, err = b.SweepSoon(t.Context())
	require.NoError(t, err)
	due, err = b.DueMoves(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, due)
	m := b.refund(s, 1000)
	b.claimed(m)
	require.Equal(t, "tf:"+s.ID+":refund:1", b.sent(m).Key)
	list, err := b.ListMoves(t.Context(), s.ID)
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.True(t, list[0].Elsewhere)
	require.Equal(t, payment.OpDispute, list[1].Ref.Kind)
	require.Equal(t, "dp_1", list[1].Ref.ExternalRef)
	require.False(t, list[2].Elsewhere)
}

func TestElsewhereMalformed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, charge := b.sale()
	for rule, e := range map[string]payment.Elsewhere{
		"no kind":          {Ref: "x", State: payment.Done, Amount: eur(1)},
		"no id":            {Kind: payment.ElsewhereRefund, State: payment.Done, Amount: eur(1)},
		"no state":         {Kind: payment.ElsewhereRefund, Ref: "x", Amount: eur(1)},
		"a strange state":  {Kind: payment.ElsewhereRefund, Ref: "x", State: payment.Held, Amount: eur(1)},
		"no amount":        {Kind: payment.ElsewhereDispute, Ref: "x", State: payment.Done},
		"an amount of all": {Kind: payment.ElsewhereDispute, Ref: "x", State: payment.Done, Amount: eur(-1)},
	} {
		_, err := b.StoreEvent(t.Context(), b.awayEvent("evt_"+rule, charge, e))
		requireClass(t, payment.Invalid, "elsewhere", err)
		_, err = b.RecordElsewhere(t.Context(), charge.Attempt.ID, []payment.Elsewhere{e})
		requireClass(t, payment.Invalid, "elsewhere", err)
	}
	other := b.account("psp", true, "Other card")
	e := b.awayEvent("evt_foreign", charge, awayRefund("re_1", payment.Done, 1))
	e.AccountID = other
	require.Equal(t, "unknown reference", b.store(e).Note, "references are looked for within the account")
	require.Zero(t, b.count(`SELECT count(*) FROM operations WHERE origin = 'elsewhere'`))
}
