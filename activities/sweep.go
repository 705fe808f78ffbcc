package activities

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"tillflow/internal/payment"
)

// Sweep does the clock's chores: whatever is committed and has no run, is
// stored and not acted on, or is owed and not sent, is picked up here.
type Sweep struct {
	Due     Due
	Runs    Runs
	Gateway *Gateway
	Mail    Mailer
	// Members are the subscriptions to look after; nil: there are none.
	Members *MemberSweep
	// Erasures are the privacy requests to look after; nil: there are none.
	Erasures *ErasureSweep
	// News are the letters about subscriptions; nil: there are none.
	News *NewsSweep
	Log  zerolog.Logger
}

// batch bounds one sweep; the next one follows within seconds.
const batch = 200

// SweepResult counts what a sweep picked up.
type SweepResult struct {
	Charges, Moves, HeldBack, Events, Watches, Notices, Erasures, Members, News, Failed int
}

// SweepRows starts runs that are missing (never started, terminated, failed or
// lost with Temporal's database), wakes runs for stored events and when a pause
// is over, and looks for late successes. One row that fails does not stop the
// others: its sweep time has moved on, so it comes again.
func (s *Sweep) SweepRows(ctx context.Context) (SweepResult, error) {
	var res SweepResult
	s.noticeEnded(ctx)
	charges, err := s.Due.DueCharges(ctx, batch)
	if err != nil {
		return res, plainErr(err)
	}
	for _, c := range charges {
		res.count(&res.Charges, s.log("start charge", c.PaymentID, s.Runs.StartCharge(ctx, c)))
	}
	moves, err := s.Due.DueMoves(ctx, batch)
	if err != nil {
		return res, plainErr(err)
	}
	for _, m := range moves {
		res.count(&res.Moves, s.log("start "+string(m.Kind), m.OperationID, s.Runs.StartMove(ctx, m)))
	}
	if err := s.heldBack(ctx, &res); err != nil {
		return res, plainErr(err)
	}
	if err := s.members(ctx, &res); err != nil {
		return res, plainErr(err)
	}
	if err := s.events(ctx, &res); err != nil {
		return res, plainErr(err)
	}
	watches, err := s.Due.DueWatches(ctx, batch)
	if err != nil {
		return res, plainErr(err)
	}
	for i, err := range atOnce(watches, func(w payment.EventRef) error { return s.lookLate(ctx, w) }) {
		res.count(&res.Watches, s.log("look for late success", watches[i].AttemptID, err))
	}
	return res, plainErr(s.erasures(ctx, &res))
}

// heldBackAtOnce bounds how many charges one sweep wakes when a provider is back:
// few enough that those do not crowd out the ones who come meanwhile.
const heldBackAtOnce = 50

// heldBack wakes the charges that rest because of a pause that is over. They
// would come by themselves, one after the other or after growing pauses, and
// their buyers wait.
func (s *Sweep) heldBack(ctx context.Context, res *SweepResult) error {
	charges, err := s.Due.HeldBack(ctx, heldBackAtOnce)
	if err != nil {
		return err
	}
	for _, c := range charges {
		res.count(&res.HeldBack, s.log("wake held back charge", c.PaymentID, s.Runs.SignalChoice(ctx, c)))
	}
	return nil
}

// lookLate looks for money that came to a given-up attempt, and wakes the charge
// if it has not ended: it may have to start a reversal.
func (s *Sweep) lookLate(ctx context.Context, w payment.EventRef) error {
	found, err := s.Gateway.lookLate(ctx, w.AttemptID)
	if found && !w.Closed {
		err = errors.Join(err, s.Runs.SignalEvent(ctx, w))
	}
	return err
}

// looksAtOnce bounds the looks of one sweep that are under way together: a
// provider that hangs costs its own looks their time and no other's.
const looksAtOnce = 16

// atOnce calls look for every row, some at a time, and answers in the rows' order.
func atOnce[T any](rows []T, look func(T) error) []error {
	errs, places := make([]error, len(rows)), make(chan struct{}, looksAtOnce)
	var all sync.WaitGroup
	for i, row := range rows {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			errs[i] = look(row)
		})
	}
	all.Wait()
	return errs
}

// endedWithin is how far back each sweep looks for ended runs; looking at one
// twice does no harm.
const endedWithin = 5 * time.Minute

// noticeEnded makes what somebody terminated due at once. Without it the row's
// own sweep time would find it, later.
func (s *Sweep) noticeEnded(ctx context.Context) {
	ended, err := s.Runs.Ended(ctx, endedWithin)
	if err == nil && len(ended) > 0 {
		err = s.Due.Hasten(ctx, ended)
	}
	if err != nil && ctx.Err() == nil {
		s.Log.Warn().Err(err).Msg("ended runs not noticed now")
	}
}

// events dispatches stored messages again: to the run of the charge or move that
// waits, or, when that has ended, by settling the attempt here, which claims a
// reversal if money came late and books back what failed late.
func (s *Sweep) events(ctx context.Context, res *SweepResult) error {
	events, err := s.Due.DueEvents(ctx, batch)
	if err != nil {
		return err
	}
	dispatch := func(e payment.EventRef) error {
		if e.Closed {
			_, err := s.Gateway.SettleAttempt(ctx, AttemptInput{AttemptID: e.AttemptID})
			return err
		}
		return s.Runs.SignalEvent(ctx, e)
	}
	for i, err := range atOnce(events, dispatch) {
		res.count(&res.Events, s.log("dispatch event", events[i].AttemptID, err))
	}
	return nil
}

// SendNotices mails what a person must know. A mail may go out twice when the
// worker dies between sending and noting it; it moves nothing.
func (s *Sweep) SendNotices(ctx context.Context) (SweepResult, error) {
	var res SweepResult
	notices, err := s.Due.DueNotices(ctx, batch)
	if err != nil {
		return res, plainErr(err)
	}
	for _, n := range notices {
		err := s.Mail.SendNotice(ctx, n)
		if err == nil {
			err = s.Due.NoticeSent(ctx, n.ID)
		}
		res.count(&res.Notices, s.log("send notice", n.PaymentID, err))
	}
	return res, plainErr(s.news(ctx, &res))
}

func (r *SweepResult) count(kind *int, err error) {
	if err != nil {
		r.Failed++
		return
	}
	*kind++
}

// log notes a row that failed and gives the error back; a shutdown is no failure of the row.
func (s *Sweep) log(what, id string, err error) error {
	if err != nil && !errors.Is(err, context.Canceled) {
		s.Log.Warn().Err(err).Str("row", id).Msg("sweep could not " + what)
	}
	return err
}
