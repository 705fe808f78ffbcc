package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
)

// TestSums plays random programs of captures, voids, refunds, refunds elsewhere
// and disputes on one payment, against a provider that keeps books of its own
// and allows what those allow. After every step our rows must claim no money
// twice, and in the end our ledger must say what the provider's books say.
func TestSums(t *testing.T) {
	t.Parallel()
	for seed := range uint64(16) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			play(t, seed)
		})
	}
}

// world is one payment, and its provider's own books of it.
type world struct {
	*bundle
	*rand.Rand
	s      payment.Session
	charge payment.Send
	moves  []payment.MoveSession
	sends  map[string]payment.Send

	held, taken, refunded, pending, disputed, lost int64
	after                                          map[string]payment.AttemptState // of our attempts, at the provider
	away                                           []payment.Elsewhere
}

func play(t *testing.T, seed uint64) {
	t.Helper()
	w := &world{
		bundle: setup(t), Rand: rand.New(rand.NewPCG(seed, 1)),
		sends: map[string]payment.Send{}, after: map[string]payment.AttemptState{},
	}
	if w.IntN(2) == 0 {
		w.s, w.charge = w.sale()
		w.taken = 10000
	} else {
		w.s, w.charge = w.hold()
		w.held = 10000
	}
	steps := []func(){w.ask, w.ask, w.claimOne, w.claimOne, w.send, w.send, w.find, w.find, w.failLater, w.moveAway, w.moveAway, w.tellAway}
	for range 60 {
		steps[w.IntN(len(steps))]()
		w.check(t)
	}
	for range 80 {
		w.claimOne()
		w.check(t)
		w.send()
		w.find()
	}
	w.settle(t)
}

// ask brings one more session.
func (w *world) ask() {
	kind := []payment.Operation{payment.OpRefund, payment.OpRefund, payment.OpRefund, payment.OpCapture, payment.OpCapture, payment.OpVoid}[w.IntN(6)]
	minor := int64(w.IntN(9000))
	if kind == payment.OpVoid {
		if w.IntN(4) == 0 {
			w.moves = append(w.moves, w.void(w.s))
		}
		return
	}
	w.moves = append(w.moves, w.asked(w.s, kind, eur(minor)))
}

func (w *world) any() (payment.MoveSession, bool) {
	if len(w.moves) == 0 {
		return payment.MoveSession{}, false
	}
	return w.moves[w.IntN(len(w.moves))], true
}

func (w *world) claimOne() {
	if m, ok := w.any(); ok {
		w.claim(m)
	}
}

// send sends a claimed move; the provider decides as its books allow, or loses it.
func (w *world) send() {
	m, ok := w.any()
	if !ok || !w.stands(m).Claimed {
		return
	}
	send, err := w.BeginMove(w.t.Context(), m.ID)
	require.NoError(w.t, err)
	if send.Nothing || send.Again {
		return
	}
	w.sends[m.ID] = send
	w.after[send.Attempt.ID] = w.decide(send)
}

func (w *world) decide(send payment.Send) payment.AttemptState {
	minor := send.Amount.Minor
	switch {
	case w.IntN(5) == 0:
		return payment.NotDone // it got lost
	case send.Attempt.Operation == payment.OpCapture && minor <= w.held:
		w.held, w.taken = w.held-minor, w.taken+minor
	case send.Attempt.Operation == payment.OpVoid && w.held > 0:
		w.held = 0
	case send.Attempt.Operation == payment.OpRefund && minor <= w.free():
		if w.IntN(2) == 0 {
			w.pending += minor
			return payment.Working
		}
		w.refunded += minor
	default:
		return payment.Declined
	}
	return payment.Done
}

// free is what the provider would still give back.
func (w *world) free() int64 { return w.taken - w.refunded - w.pending - w.disputed - w.lost }

// find tells us what the provider says of one attempt, which may have settled.
func (w *world) find() {
	m, ok := w.any()
	send, sent := w.sends[m.ID]
	if !ok || !sent {
		return
	}
	state := w.after[send.Attempt.ID]
	w.bundle.find(send, state, named(send), func(f *payment.Finding) { f.Evidence = payment.ByLookup })
	if state == payment.Working && w.IntN(2) == 0 {
		w.pending -= send.Amount.Minor
		w.after[send.Attempt.ID] = payment.Declined
		if w.IntN(2) == 0 {
			w.refunded += send.Amount.Minor
			w.after[send.Attempt.ID] = payment.Done
		}
	}
}

// failLater makes a refund fail that we know as done.
func (w *world) failLater() {
	m, ok := w.any()
	send, sent := w.sends[m.ID]
	if !ok || !sent || m.Kind != payment.OpRefund || w.after[send.Attempt.ID] != payment.Done || w.IntN(3) != 0 {
		return
	}
	w.bundle.find(send, payment.Done, named(send))
	w.refunded -= send.Amount.Minor
	w.after[send.Attempt.ID] = payment.Declined
}

// moveAway moves money at the provider without us, or ends such a movement.
func (w *world) moveAway() {
	if len(w.away) > 0 && w.IntN(2) == 0 {
		w.endAway(&w.away[w.IntN(len(w.away))])
		return
	}
	minor := int64(w.IntN(3000)) + 1
	if minor > w.free() {
		return
	}
	ref := fmt.Sprintf("x_%d", len(w.away))
	if w.IntN(3) == 0 {
		w.disputed += minor
		w.away = append(w.away, dispute(ref, payment.Working, minor))
		return
	}
	w.refunded += minor
	w.away = append(w.away, awayRefund(ref, payment.Done, minor))
}

func (w *world) endAway(e *payment.Elsewhere) {
	minor := e.Amount.Minor
	switch {
	case e.State == payment.Closed, e.State == payment.Done && w.IntN(3) > 0:
	case e.Kind == payment.ElsewhereRefund:
		w.refunded -= minor
		e.State = payment.Closed
	case e.State == payment.Done:
		w.lost -= minor
		e.State = payment.Closed
	case w.IntN(2) == 0:
		w.disputed -= minor
		e.State = payment.Closed
	default:
		w.disputed, w.lost = w.disputed-minor, w.lost+minor
		e.State = payment.Done
	}
}

// tellAway sends the messages about some of it, in any order and repeated.
func (w *world) tellAway() {
	for _, i := range w.Perm(len(w.away)) {
		if w.IntN(3) > 0 {
			w.elsewhere(fmt.Sprintf("evt_%d", w.Uint64()), w.charge, w.away[i])
		}
	}
}

// check proves the rules that hold at every moment.
func (w *world) check(t *testing.T) {
	t.Helper()
	require.NoError(t, w.TrialBalance(t.Context()))
	var taken, gone, authorized, capturing int64
	var id string
	require.NoError(t, w.pool.QueryRow(t.Context(), sums).Scan(&id, &taken, &gone, &authorized, &capturing))
	require.LessOrEqual(t, capturing, authorized)
	if w.view(w.s).Operator != payment.Overdrawn {
		require.LessOrEqual(t, gone, taken, "more is claimed back than was taken, and nobody is told")
	}
}

// settle lets everything become known and compares the books.
func (w *world) settle(t *testing.T) {
	t.Helper()
	for range 6 {
		for _, m := range w.moves {
			v := w.claim(m)
			w.check(t)
			if v.Claimed && v.Final == payment.Undecided {
				send, err := w.BeginMove(t.Context(), m.ID)
				require.NoError(t, err)
				if !send.Nothing && !send.Again {
					w.sends[m.ID] = send
					w.after[send.Attempt.ID] = w.decide(send)
				}
			}
			if send, sent := w.sends[m.ID]; sent {
				if w.after[send.Attempt.ID] == payment.Working {
					w.pending, w.refunded = w.pending-send.Amount.Minor, w.refunded+send.Amount.Minor
					w.after[send.Attempt.ID] = payment.Done
				}
				w.bundle.find(send, w.after[send.Attempt.ID], named(send), func(f *payment.Finding) { f.Evidence = payment.ByLookup })
			}
		}
	}
	for i, e := range w.away {
		w.elsewhere(fmt.Sprintf("evt_last_%d", i), w.charge, e)
	}
	w.check(t)
	requireSums(t, t.Context(), w.pool)
	for _, m := range w.moves {
		require.NotEqual(t, payment.Undecided, w.stands(m).Final, "a session without an answer")
	}
	books := w.books()
	require.Equal(t, w.taken-w.refunded-w.disputed-w.lost, books["provider"])
	require.Equal(t, w.disputed, books["disputes"])
	require.Equal(t, -(w.taken - w.refunded - w.lost), books["merchant"])
	require.Zero(t, books["transit"])
	require.Equal(t, w.held, books["held"])
	w.stateFits(t)
}

func (w *world) stateFits(t *testing.T) {
	t.Helper()
	want := []payment.State{payment.Authorized, payment.Voided}
	switch {
	case w.taken > 0 && w.refunded == 0:
		want = []payment.State{payment.Captured}
	case w.taken > 0 && w.refunded < w.taken:
		want = []payment.State{payment.PartiallyRefunded}
	case w.taken > 0:
		want = []payment.State{payment.Refunded}
	case w.held == 0:
		want = want[1:]
	default:
		want = want[:1]
	}
	require.True(t, slices.Contains(want, w.view(w.s).State), "%s with %d taken and %d refunded", w.view(w.s).State, w.taken, w.refunded)
	w.clock.Add(time.Second)
}
