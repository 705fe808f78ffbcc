package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
)

// act writes an action and applies it.
func (b *bundle) act(s payment.Session, action string, choice payment.Decision, attempt string) (payment.View, error) {
	b.t.Helper()
	id, err := b.InsertAction(b.t.Context(), payment.Action{
		PaymentID: s.ID, Actor: "staff:grace", Action: action, Choice: choice, AttemptID: attempt, Text: "seen in the dashboard",
	})
	require.NoError(b.t, err)
	return b.ApplyAction(b.t.Context(), s.ID, id)
}

func TestResolveByPerson(t *testing.T) {
	t.Parallel()
	t.Run("paid: the money is there", func(t *testing.T) {
		t.Parallel()
		for kind, want := range map[payment.Kind]payment.State{payment.Sale: payment.Captured, payment.Authorization: payment.Authorized} {
			b := setup(t)
			s := b.accept(func(s *payment.Session) { s.Kind = kind })
			send := b.begin(s)
			require.NoError(t, b.Doubt(t.Context(), send.Attempt.ID, "Unknown"))
			_, err := b.CallOperator(t.Context(), s.ID, payment.InDoubt)
			require.NoError(t, err)
			v, err := b.act(s, "resolve", payment.DecidePaid, send.Attempt.ID)
			require.NoError(t, err)
			require.Equal(t, want, v.State)
			require.Equal(t, payment.Resolve, v.Final)
			require.Equal(t, payment.NobodyNeeded, v.Operator)
			require.Equal(t, 1, b.count(`SELECT count(*) FROM evidence e JOIN actions a ON a.id::text = e.ref WHERE e.kind = 'person'`))
		}
	})
	t.Run("money that a person saw is moved once the provider has named it", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept(hundred, authorization)
		charge := b.begin(s)
		require.NoError(t, b.Doubt(t.Context(), charge.Attempt.ID, "Unknown"))
		_, err := b.act(s, "resolve", payment.DecidePaid, charge.Attempt.ID)
		require.NoError(t, err)
		m := b.capture(s, 10000)
		b.claimed(m)
		send, err := b.BeginMove(t.Context(), m.ID)
		require.NoError(t, err)
		require.True(t, send.Nothing, "no provider knows money without a name")
		require.Equal(t, charge.Attempt.ID, send.Unnamed)
		require.Empty(t, b.stands(m).Unfinished)
		b.find(charge, payment.Held)
		require.Equal(t, "pi_"+charge.Attempt.ID, b.sent(m).Attempt.PaymentRef)
	})
	t.Run("paid on a reversal that is stuck ends it", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send := b.opened(s)
		b.find(send, payment.Closed)
		b.reject(s)
		v := b.find(send, payment.Done)
		move, err := b.BeginMove(t.Context(), v.Reversals[0].OperationID)
		require.NoError(t, err)
		require.Equal(t, payment.ReversalStuck, b.find(move, payment.Declined).Operator)
		v, err = b.act(s, "resolve", payment.DecidePaid, "")
		require.NoError(t, err)
		require.Equal(t, payment.Reversed, v.State)
		require.Equal(t, payment.NobodyNeeded, v.Operator)
		require.Empty(t, v.Reversals)
		require.Empty(t, b.balances())
	})
	t.Run("paid accepts a wrong amount", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		b.find(b.opened(s), payment.Done, amount(eur(1200)))
		v, err := b.act(s, "resolve", payment.DecidePaid, "")
		require.NoError(t, err)
		require.Equal(t, payment.Captured, v.State)
		require.Equal(t, payment.Resolve, v.Final)
		require.Equal(t, payment.NobodyNeeded, v.Operator)
		require.Equal(t, int64(1200), b.balances()["live/provider:"+b.live+" EUR"])
	})
}

func TestResolveOtherwise(t *testing.T) {
	t.Parallel()
	t.Run("not paid: the choice is open again", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		send := b.begin(s)
		require.NoError(t, b.Doubt(t.Context(), send.Attempt.ID, "Unknown"))
		v, err := b.act(s, "resolve", payment.DecideNotPaid, "")
		require.NoError(t, err)
		require.Empty(t, v.Unfinished)
		require.Equal(t, 1, v.Wanted)
	})
	t.Run("not paid: a page whose end is past cannot be paid any more", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		b.opened(s)
		_, err := b.act(s, "resolve", payment.DecideNotPaid, "")
		requireClass(t, payment.Conflict, "open", err)
		b.clock.Add(time.Hour + time.Second)
		v, err := b.act(s, "resolve", payment.DecideNotPaid, "")
		require.NoError(t, err)
		require.Empty(t, v.Unfinished)
	})
	t.Run("give back returns a wrong amount", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		b.find(b.opened(s), payment.Done, amount(eur(1200)))
		v, err := b.act(s, "resolve", payment.DecideGiveBack, "")
		require.NoError(t, err)
		require.Len(t, v.Reversals, 1)
	})
	t.Run("keep ends a payment whose answer the shop refused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		b.paid(s)
		b.told(payment.Told{PaymentID: s.ID, Refused: "NO"})
		v, err := b.act(s, "resolve", payment.DecideKeep, "")
		require.NoError(t, err)
		require.True(t, v.Closed)
		require.True(t, v.Told)
		require.Equal(t, payment.Captured, v.State)
		require.Equal(t, payment.NobodyNeeded, v.Operator)
	})
	t.Run("keep takes a wrong amount as settled by hand", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.accept()
		b.find(b.opened(s), payment.Done, amount(eur(1200)))
		v, err := b.act(s, "resolve", payment.DecideKeep, "")
		require.NoError(t, err)
		require.True(t, v.Closed)
		require.Equal(t, payment.Resolve, v.Final)
	})
}

func TestActionRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	paid, other := b.accept(), b.accept()
	send, _ := b.paid(paid)
	open := b.opened(other)
	for rule, c := range map[string]struct {
		session payment.Session
		choice  payment.Decision
		attempt string
		class   payment.Class
	}{
		"paid twice":                       {paid, payment.DecidePaid, send.Attempt.ID, payment.Conflict},
		"not paid after the proof":         {paid, payment.DecideNotPaid, send.Attempt.ID, payment.Conflict},
		"not paid while the page is open":  {other, payment.DecideNotPaid, open.Attempt.ID, payment.Conflict},
		"give back without money":          {other, payment.DecideGiveBack, "", payment.Conflict},
		"keep without money":               {other, payment.DecideKeep, "", payment.Conflict},
		"paid without a possible attempt":  {b.accept(), payment.DecidePaid, "", payment.Invalid},
		"not paid without anything at all": {b.accept(), payment.DecideNotPaid, "", payment.Invalid},
	} {
		_, err := b.act(c.session, "resolve", c.choice, c.attempt)
		requireClass(t, c.class, "", err)
		_ = rule
	}
	require.Equal(t, 5, b.count(`SELECT count(*) FROM actions WHERE result = 'refused' AND applied_at IS NULL`))

	t.Run("an action of another payment is refused", func(t *testing.T) {
		t.Parallel()
		id, err := b.InsertAction(t.Context(), payment.Action{PaymentID: paid.ID, Actor: "a", Action: "expire"})
		require.NoError(t, err)
		_, err = b.ApplyAction(t.Context(), other.ID, id)
		requireClass(t, payment.Invalid, "foreign_action", err)
		_, err = b.ApplyAction(t.Context(), other.ID, "x")
		requireClass(t, payment.NotFound, "", err)
		_, err = b.ApplyAction(t.Context(), other.ID, b.live)
		requireClass(t, payment.NotFound, "", err)
	})
	for rule, a := range map[string]payment.Action{
		"without an actor":            {PaymentID: paid.ID, Action: "note"},
		"that nobody knows":           {PaymentID: paid.ID, Actor: "a", Action: "refund"},
		"with a choice nobody knows":  {PaymentID: paid.ID, Actor: "a", Action: "resolve", Choice: "maybe"},
		"with a choice out of place":  {PaymentID: paid.ID, Actor: "a", Action: "note", Choice: payment.DecidePaid},
		"about another's attempt":     {PaymentID: paid.ID, Actor: "a", Action: "resolve", Choice: payment.DecidePaid, AttemptID: open.Attempt.ID},
		"about a malformed attempt":   {PaymentID: paid.ID, Actor: "a", Action: "resolve", Choice: payment.DecidePaid, AttemptID: "x"},
		"with a malformed id":         {ID: "x", PaymentID: paid.ID, Actor: "a", Action: "note"},
		"whose actor is given no act": {PaymentID: paid.ID, Actor: "a"},
	} {
		t.Run("an action "+rule+" is not written", func(t *testing.T) {
			t.Parallel()
			_, err := b.InsertAction(t.Context(), a)
			requireClass(t, payment.Invalid, "", err)
		})
	}
}

func TestApplyActionOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.accept()
	id, err := b.InsertAction(t.Context(), payment.Action{PaymentID: s.ID, Actor: "api:key", Action: "expire"})
	require.NoError(t, err)
	_, err = b.InsertAction(t.Context(), payment.Action{ID: id, PaymentID: s.ID, Actor: "api:key", Action: "expire"})
	requireClass(t, payment.Conflict, "", err)
	atOnce(t, 10, func(ctx context.Context, _ int) error {
		v, err := b.ApplyAction(ctx, s.ID, id)
		if err == nil && v.Shut != payment.Cancelled {
			t.Error("the door is open")
		}
		return err
	})
	require.Equal(t, 1, b.count(`SELECT count(*) FROM timeline WHERE what = 'action'`))
	for _, action := range []string{"retry", "note"} {
		before := b.view(s)
		after, err := b.act(s, action, "", "")
		require.NoError(t, err)
		require.Equal(t, before, after)
	}
}

func TestActionTexts(t *testing.T) {
	t.Parallel()
	texts := func(t *testing.T, b *bundle, s payment.Session, open bool) []string {
		t.Helper()
		d, err := b.ShowPayment(t.Context(), s.ID, open)
		require.NoError(t, err)
		var list []string
		for _, a := range d.Actions {
			require.Equal(t, "staff:grace", a.Actor)
			list = append(list, a.Text)
		}
		return list
	}
	for rule, buyer := range map[string][]func(*payment.Session){"a known buyer": {withBuyer("ada@example.com")}, "nobody": nil} {
		t.Run("texts about "+rule+" are opened on request only, and die with the key", func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			s := b.accept(buyer...)
			_, err := b.act(s, "note", "", "")
			require.NoError(t, err)
			require.Equal(t, []string{""}, texts(t, b, s, false))
			require.Equal(t, []string{"seen in the dashboard"}, texts(t, b, s, true))
			require.Equal(t, 1, b.count(`SELECT count(*) FROM subjects`))
			_, err = b.pool.Exec(t.Context(), `UPDATE subjects SET wrapped_key = NULL, erased_at = now()`)
			require.NoError(t, err)
			require.Equal(t, []string{""}, texts(t, b, s, true))
			_, err = b.act(s, "note", "", "")
			require.NoError(t, err, "one may still write about an erased person's payment")
			require.Equal(t, []string{"", "seen in the dashboard"}, texts(t, b, s, true))
		})
	}
}
