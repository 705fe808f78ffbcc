package cli

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tillflow/internal/flow"
	"tillflow/internal/payment"
)

// act writes what a person wants as a row, then tells the run its id.
func act(ctx context.Context, e env, verb, update string, args []string) error {
	f := flags(e, "payment "+verb)
	reason := f.String("reason", "", "why; kept in the vault and shown in the timeline's people")
	choice := f.String("choice", "", "resolve: paid, not_paid, give_back or keep")
	attempt := f.String("attempt", "", "resolve paid or not_paid: the attempt that was looked up; the unfinished one if left out")
	actor := f.String("actor", loginName(), "who decides")
	if err := parse(f, args, "reason", "actor"); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return paymentVerbs().wrong(e)
	}
	c, log, err := load(e)
	if err != nil {
		return err
	}
	s, err := New(ctx, c, Options{Log: log})
	if err != nil {
		return err
	}
	defer s.Close()
	d, err := s.Store.ShowPayment(ctx, f.Arg(0), false)
	if err != nil {
		return err
	}
	if update == flow.UpdateExpire && !d.ClosedAt.IsZero() {
		return fmt.Errorf("payment %s has its answer, %s: there is nothing to expire, and a capture, void or refund cannot be", d.Run.PaymentID, answerOf(d.Summary))
	}
	action := payment.Action{
		PaymentID: d.Run.PaymentID, Actor: commandActor(*actor).Name, Action: verb, Choice: payment.Decision(*choice), AttemptID: *attempt, Text: *reason, At: s.now(),
	}
	if action.AttemptID == "" && (action.Choice == payment.DecidePaid || action.Choice == payment.DecideNotPaid) {
		if action.AttemptID, err = doubtful(d); err != nil {
			return err
		}
	}
	return s.act(ctx, e, update, action, d)
}

func (s *Service) act(ctx context.Context, e env, update string, action payment.Action, d payment.Details) error {
	id, err := s.Store.InsertAction(ctx, action)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, actWithin)
	defer cancel()
	if err := s.deliver(ctx, update, id, d); err != nil {
		return fmt.Errorf("the action is written as %s and was not applied: %w", id, err)
	}
	after, err := s.Store.ShowPayment(ctx, d.Run.PaymentID, false)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "done: payment %s is %s, answer %s\n", d.Run.PaymentID, after.State, answerOf(after.Summary))
	return err
}

// actWithin bounds the wait for the runs to apply an action.
const actWithin = 30 * time.Second

// deliver hands an action to every run that looks after the payment's money: the
// charge's, unless that has ended, and those of its open moves. The row is
// applied once, by the first of them, and each looks again at once. Where nothing
// runs any more the row itself takes it: a note, or a person's word that a matter
// is settled. Only a charge can be expired.
func (s *Service) deliver(ctx context.Context, update, actionID string, d payment.Details) error {
	runs, err := s.runsOf(ctx, update, d)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var failed []error
	applied := false
	var all errgroup.Group
	all.SetLimit(16)
	for _, run := range runs {
		all.Go(func() error {
			_, err := s.Runs.Act(ctx, run, update, actionID)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				applied = true
			case payment.ClassOf(err, payment.Unavailable) != payment.NotFound: // else it has ended meanwhile
				failed = append(failed, err)
			}
			return nil
		})
	}
	_ = all.Wait() // its functions return no errors
	if applied || len(failed) > 0 {
		return errors.Join(failed...)
	}
	_, err = s.Store.ApplyAction(ctx, d.Run.PaymentID, actionID)
	return err
}

// runsOf makes sure of the runs that an action is for and names them.
func (s *Service) runsOf(ctx context.Context, update string, d payment.Details) ([]string, error) {
	var runs []string
	if d.ClosedAt.IsZero() {
		if err := s.Runs.StartCharge(ctx, d.Run); err != nil {
			return nil, err
		}
		runs = append(runs, flow.ChargeID(d.Run.Source, d.Run.Shop, d.Run.ExternalID))
	}
	if update == flow.UpdateExpire {
		return runs, nil
	}
	moves, err := s.Store.OpenMoves(ctx, d.Run.PaymentID)
	if err != nil {
		return nil, err
	}
	for _, move := range moves {
		if err := s.Runs.StartMove(ctx, move); err != nil {
			return nil, err
		}
		runs = append(runs, flow.MoveID(move))
	}
	return runs, nil
}

// doubtful finds the one attempt that a person can have looked up. Where none is
// unfinished the decision is about money that is here, and the row knows which.
func doubtful(d payment.Details) (string, error) {
	var found []string
	for _, a := range d.Attempts {
		if !a.State.Decided() {
			found = append(found, a.ID)
		}
	}
	if len(found) == 0 {
		return "", nil
	}
	if len(found) > 1 {
		return "", fmt.Errorf("%d attempts are unfinished; name the one you looked up with -attempt", len(found))
	}
	return found[0], nil
}

func loginName() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}
