package psptest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/standin/faults"
)

// patience is how long a call may take in the rules about a provider that does
// not answer; the stand-in keeps its answer back for ever.
const patience = 300 * time.Millisecond

func runFaults(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "a refused connection is Unavailable, for sending and for looking", func(t *testing.T, s *story) {
		c := s.checkout(payment.Sale, eur(1230))
		_, err := s.Unreachable.(psp.Redirector).OpenCheckout(t.Context(), s.Account, c)
		requireClass(t, payment.Unavailable, err)
		_, err = s.Unreachable.Inquire(t.Context(), s.Account, s.chargeRef(c, ""))
		requireClass(t, payment.Unavailable, err)
	})
	rule(t, fresh, "a call that was cancelled before is Unavailable", func(t *testing.T, s *story) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.open(ctx, s.checkout(payment.Sale, eur(1230)))
		requireClass(t, payment.Unavailable, err)
		require.Empty(t, s.Books(t))
	})
	rule(t, fresh, "too many requests is RateLimited with a time, and the same key works later", func(t *testing.T, s *story) {
		s.Arm(t, CallOpen, faults.Rule{Kind: faults.TooManyRequests, DelayMS: 3000})
		c := s.checkout(payment.Sale, eur(1230))
		_, err := s.open(t.Context(), c)
		requireClass(t, payment.RateLimited, err)
		var failed *payment.Error
		require.ErrorAs(t, err, &failed)
		require.Equal(t, 3*time.Second, failed.RetryAfter)
		s.opened(t, c)
		require.Equal(t, 1, s.entry(t, c).Checkouts)
	})
	for _, kind := range []faults.Kind{faults.LoseRequest, faults.LoseReply, faults.HoldReply} {
		rule(t, fresh, string(kind)+": opening is Unknown and the same key opens one page", func(t *testing.T, s *story) {
			s.Arm(t, CallOpen, stubborn(kind))
			c := s.checkout(payment.Sale, eur(1230))
			openUnknown(t, s, c)
			require.Eventually(t, func() bool {
				out, err := s.open(t.Context(), c)
				return err == nil && out.Status == psp.Open
			}, 10*time.Second, 10*time.Millisecond)
			require.Equal(t, 1, s.entry(t, c).Checkouts)
		})
	}
	rule(t, fresh, "a page whose reply was lost is found by our reference", func(t *testing.T, s *story) {
		s.Arm(t, CallOpen, stubborn(faults.LoseReply))
		c := s.checkout(payment.Sale, eur(1230))
		openUnknown(t, s, c)
		out, err := s.look(t, c, "")
		require.NoError(t, err)
		require.Equal(t, psp.Open, out.Status)
		s.Pay(t, out, Approve)
		out, err = s.look(t, c, out.Ref)
		require.NoError(t, err)
		require.Equal(t, psp.Succeeded, out.Status)
		require.Equal(t, 1, s.entry(t, c).Captures)
	})
	rule(t, fresh, "a look that gets no answer is Unavailable", func(t *testing.T, s *story) {
		c := s.checkout(payment.Sale, eur(1230))
		open := s.opened(t, c)
		s.Arm(t, CallLook, faults.Rule{Kind: faults.HoldReply})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err := s.Connector.Inquire(ctx, s.Account, s.chargeRef(c, open.Ref))
		requireClass(t, payment.Unavailable, err)
		s.Arm(t, CallLook, faults.Rule{Kind: faults.ErrorBefore})
		_, err = s.look(t, c, open.Ref)
		requireClass(t, payment.Unavailable, err)
	})
	runServerErrors(t, fresh)
}

func runServerErrors(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "a server error after the work is Unknown, and a look finds the page", func(t *testing.T, s *story) {
		s.Arm(t, CallOpen, faults.Rule{Kind: faults.ErrorAfter})
		c := s.checkout(payment.Sale, eur(1230))
		openUnknown(t, s, c)
		out, err := s.open(t.Context(), c)
		if err != nil { // a provider may replay its error for ever
			requireClass(t, payment.Unknown, err)
			out, err = s.look(t, c, "")
		}
		require.NoError(t, err)
		require.Equal(t, psp.Open, out.Status)
		require.Equal(t, 1, s.entry(t, c).Checkouts)
	})
	rule(t, fresh, "a server error without work is Unknown, and a look finds nothing", func(t *testing.T, s *story) {
		s.Arm(t, CallOpen, faults.Rule{Kind: faults.ErrorBefore})
		c := s.checkout(payment.Sale, eur(1230))
		openUnknown(t, s, c)
		require.Zero(t, s.entry(t, c).Checkouts)
		_, err := s.look(t, c, "")
		requireClass(t, payment.NotFound, err)
		next := s.checkout(payment.Sale, eur(1230))
		s.opened(t, next)
	})
}

// stubborn is a fault that also hits the repetition which net/http itself sends,
// on a fresh connection, for a request with an idempotency key.
func stubborn(kind faults.Kind) faults.Rule {
	rule := faults.Rule{Kind: kind}
	if kind == faults.LoseRequest || kind == faults.LoseReply {
		rule.Times = 2
	}
	return rule
}

// openUnknown opens a page under a fault that leaves it in doubt.
func openUnknown(t *testing.T, s *story, c psp.Checkout) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := s.open(ctx, c)
	requireClass(t, payment.Unknown, err)
}

// runMoveFaults is what holds for every operation on money: capture, void,
// refund. begin makes the payment it acts on, once says how often it was done.
func runMoveFaults(t *testing.T, fresh func(*testing.T) Target, op payment.Operation, call Call, m moveCase) {
	name := string(op)
	rule(t, fresh, name+" under the same key is done once", func(t *testing.T, s *story) {
		c, move := m.begin(t, s)
		for range 3 {
			out, err := m.send(s)(t.Context(), s.Account, move)
			require.NoError(t, err)
			require.Equal(t, psp.Succeeded, out.Status)
			require.Equal(t, move.Amount, out.Amount)
		}
		m.once(t, s.entry(t, c))
	})
	if op != payment.OpVoid { // which has no amount
		rule(t, fresh, name+" under the same key with another amount is a Conflict and done once", func(t *testing.T, s *story) {
			c, move := m.begin(t, s)
			_, err := m.send(s)(t.Context(), s.Account, move)
			require.NoError(t, err)
			move.Amount.Minor--
			_, err = m.send(s)(t.Context(), s.Account, move)
			requireClass(t, payment.Conflict, err)
			m.once(t, s.entry(t, c))
		})
	}
	rule(t, fresh, name+" that was not asked for is NotFound", func(t *testing.T, s *story) {
		_, move := m.begin(t, s)
		_, err := s.lookAtMove(t, op, move)
		requireClass(t, payment.NotFound, err)
	})
	for _, kind := range []faults.Kind{faults.LoseReply, faults.HoldReply, faults.ErrorAfter} {
		rule(t, fresh, name+" with "+string(kind)+" is Unknown, found by a look and done once", func(t *testing.T, s *story) {
			c, move := m.begin(t, s)
			s.Arm(t, call, stubborn(kind))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err := m.send(s)(ctx, s.Account, move)
			requireClass(t, payment.Unknown, err)
			out, err := s.lookAtMove(t, op, move)
			require.NoError(t, err)
			require.Equal(t, psp.Succeeded, out.Status)
			require.Equal(t, move.Amount, out.Amount)
			m.once(t, s.entry(t, c))
		})
	}
	runMovesNotDone(t, fresh, op, call, m)
	rule(t, fresh, name+" with wrong credentials is Unauthorized and not done", func(t *testing.T, s *story) {
		_, move := m.begin(t, s)
		_, err := m.send(s)(t.Context(), s.wrongAccount(), move)
		requireClass(t, payment.Unauthorized, err)
		_, err = s.lookAtMove(t, op, move)
		requireClass(t, payment.NotFound, err)
	})
	rule(t, fresh, name+" against a refused connection is Unavailable", func(t *testing.T, s *story) {
		_, move := m.begin(t, s)
		unreachable := *s
		unreachable.Connector = s.Unreachable
		_, err := m.send(&unreachable)(t.Context(), s.Account, move)
		requireClass(t, payment.Unavailable, err)
	})
	rule(t, fresh, name+" that met too many requests works later", func(t *testing.T, s *story) {
		c, move := m.begin(t, s)
		s.Arm(t, call, faults.Rule{Kind: faults.TooManyRequests})
		_, err := m.send(s)(t.Context(), s.Account, move)
		requireClass(t, payment.RateLimited, err)
		_, err = m.send(s)(t.Context(), s.Account, move)
		require.NoError(t, err)
		m.once(t, s.entry(t, c))
	})
}

// runMovesNotDone is about sends that failed before anything was done.
func runMovesNotDone(t *testing.T, fresh func(*testing.T) Target, op payment.Operation, call Call, m moveCase) {
	name := string(op)
	for _, kind := range []faults.Kind{faults.LoseRequest, faults.ErrorBefore} {
		rule(t, fresh, name+" with "+string(kind)+" is Unknown, not found by a look, and done once by the next", func(t *testing.T, s *story) {
			c, move := m.begin(t, s)
			s.Arm(t, call, stubborn(kind))
			_, err := m.send(s)(t.Context(), s.Account, move)
			requireClass(t, payment.Unknown, err)
			_, err = s.lookAtMove(t, op, move)
			requireClass(t, payment.NotFound, err)
			next := move
			next.AttemptID, next.Key = s.attempt(op)
			require.Eventually(t, func() bool {
				out, err := m.send(s)(t.Context(), s.Account, next)
				return err == nil && out.Status == psp.Succeeded
			}, 10*time.Second, 10*time.Millisecond)
			m.once(t, s.entry(t, c))
		})
	}
}

// moveCase is one operation on money for runMoveFaults.
type moveCase struct {
	begin func(t *testing.T, s *story) (psp.Checkout, psp.Move)
	send  func(s *story) send
	once  func(t *testing.T, e Entry)
}
