package chaos

import (
	"context"
	"errors"

	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/standin/stripe"
)

// operate writes what an operator wants and tells the runs, as the command line does.
func (s *scene) operate(ctx context.Context, x *sale, verb Verb) error {
	d, err := s.service.Store.ShowPayment(ctx, x.id, false)
	if err != nil {
		return err
	}
	action := payment.Action{PaymentID: d.Run.PaymentID, Actor: "clerk", Action: string(verb), Text: "chaos", At: s.stack.Clock.Now()}
	if verb != Decide {
		return s.act(ctx, d, updateOf(verb), action)
	}
	for _, a := range d.Attempts {
		choice, known := s.dashboard(a, false)
		if known {
			action.Action, action.AttemptID, action.Choice = "resolve", a.ID, choice
			return s.act(ctx, d, flow.UpdateResolve, action)
		}
	}
	return errMissing
}

func updateOf(verb Verb) string {
	switch verb {
	case Note:
		return flow.UpdateNote
	case Expire:
		return flow.UpdateExpire
	}
	return flow.UpdateRetry
}

// clerk decides what only a person can: attempts in doubt that no look-up can settle, such as a refund whose first
// answer was an error that the provider repeats for ever. All faults are lifted and nothing is on its way, so the
// dashboard tells the truth about what happened and what did not.
func (s *scene) clerk(ctx context.Context) {
	for _, x := range s.sales {
		d, err := s.service.Store.ShowPayment(ctx, x.id, false)
		if err != nil || !s.doubted(ctx, d.Run.PaymentID) {
			continue // never accepted, or nobody is called
		}
		for _, a := range d.Attempts {
			choice, known := s.dashboard(a, true)
			if !known {
				continue
			}
			action := payment.Action{
				PaymentID: d.Run.PaymentID, Actor: "clerk", Action: "resolve", AttemptID: a.ID, Choice: choice,
				Text: "as the dashboard shows it", At: s.stack.Clock.Now(),
			}
			ctx, cancel := context.WithTimeout(ctx, stepLimit)
			err := s.act(ctx, d, flow.UpdateResolve, action)
			cancel()
			s.say("a person decided %s of attempt %s (%s): %v", choice, a.ID, a.Operation, err)
			s.mu.Lock()
			s.hits[Cell{Side: OfPerson, On: string(a.Operation), Fault: string(choice)}]++
			s.mu.Unlock()
		}
	}
}

// doubted says whether a person is called because money of a payment is in doubt.
func (s *scene) doubted(ctx context.Context, paymentID string) bool {
	var called bool
	err := s.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM payments WHERE id = $1 AND operator = 'in_doubt')
		OR EXISTS (SELECT FROM operations WHERE payment_id = $1 AND operator = 'in_doubt')
		OR EXISTS (SELECT FROM move_sessions WHERE payment_id = $1 AND operator = 'in_doubt')`, paymentID).Scan(&called)
	return err == nil && called
}

// act inserts an action and hands it to every run that it may concern; where none is left the row takes it.
func (s *scene) act(ctx context.Context, d payment.Details, update string, action payment.Action) error {
	id, err := s.service.Store.InsertAction(ctx, action)
	if err != nil {
		return err
	}
	var runs []string
	if d.ClosedAt.IsZero() {
		if err := s.service.Runs.StartCharge(ctx, d.Run); err != nil {
			return err
		}
		runs = append(runs, flow.ChargeID(d.Run.Source, d.Run.Shop, d.Run.ExternalID))
	}
	moves, err := s.service.Store.OpenMoves(ctx, d.Run.PaymentID)
	if err != nil {
		return err
	}
	for _, move := range moves {
		if err := s.service.Runs.StartMove(ctx, move); err != nil {
			return err
		}
		runs = append(runs, flow.MoveID(move))
	}
	if len(runs) == 0 {
		_, err := s.service.Store.ApplyAction(ctx, d.Run.PaymentID, id)
		return err
	}
	var failed error
	for _, run := range runs {
		_, err := s.service.Runs.Act(ctx, run, update, id)
		failed = errors.Join(failed, err)
	}
	return failed
}

// dashboard is what an honest operator reads at the provider about an unfinished attempt. Only when all is quiet does
// it tell that something did not happen: a request may still be on its way.
func (s *scene) dashboard(a payment.AttemptDetails, quiet bool) (choice payment.Decision, known bool) {
	if a.State.Decided() {
		return "", false
	}
	for _, books := range s.stripe.Books("").Accounts {
		switch a.Operation {
		case payment.OpCharge:
			if choice, known := ofCharge(books, a); known {
				return choice, true
			}
		default:
			if ofMove(books, a) {
				return payment.DecidePaid, true
			}
		}
	}
	return payment.DecideNotPaid, quiet && a.Operation != payment.OpCharge && !s.pendingRefund(a)
}

func ofCharge(books stripe.AccountBooks, a payment.AttemptDetails) (payment.Decision, bool) {
	for _, pi := range books.Intents {
		if pi.Reference == a.ID && (pi.Captured > 0 || pi.Held > 0) {
			return payment.DecidePaid, true
		}
	}
	for _, cs := range books.Checkouts {
		if cs.Reference == a.ID && cs.Status == "expired" {
			return payment.DecideNotPaid, true
		}
	}
	return "", false
}

// ofMove says whether the books show a capture, void or refund of ours as done.
func ofMove(books stripe.AccountBooks, a payment.AttemptDetails) bool {
	for _, re := range books.Refunds {
		if re.Metadata[attemptTag] == a.ID && re.Status == "succeeded" {
			return true
		}
	}
	for _, pi := range books.Intents {
		captured := a.Operation == payment.OpCapture && pi.CaptureKey == a.Key
		voided := a.PaymentRef == pi.ID && pi.Status == "canceled" && (a.Operation == payment.OpVoid || a.Leg == string(payment.OpVoid))
		if captured || voided {
			return true
		}
	}
	return false
}

// pendingRefund says whether the provider works on the refund that an attempt asked for.
func (s *scene) pendingRefund(a payment.AttemptDetails) bool {
	for _, books := range s.stripe.Books("").Accounts {
		for _, re := range books.Refunds {
			if re.Metadata[attemptTag] == a.ID {
				return true
			}
		}
	}
	return false
}
