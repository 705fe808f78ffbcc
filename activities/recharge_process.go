package activities

import (
	"context"
	"errors"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/recharge"
)

const (
	// processAtOnce bounds the charges that one visit processes.
	processAtOnce = 20
	// lookAgain is the first pause before a processing that is not decided is looked at again; it doubles up to lookSeldom.
	lookAgain, lookSeldom = time.Minute, 6 * time.Hour
	// refusedRest is how long a store rests where Recharge does not let us process charges.
	refusedRest = 24 * time.Hour
)

// ProcessStoreResult counts charges that were asked to be charged again, by what is known of them.
type ProcessStoreResult struct{ Paid, Declined, Open, Refused int }

// ProcessStore follows a shop's policy: it asks Recharge to charge again what the policy names, each failure once. The row stands
// before the request is written, so a repeat finds it and looks what became of the charge; it never sends again.
func (r *Recharge) ProcessStore(ctx context.Context, in StoreInput) (ProcessStoreResult, error) {
	var done ProcessStoreResult
	due, err := r.Records.DueProcessings(ctx, in.Shop, processAtOnce)
	if err != nil || len(due) == 0 {
		return done, plainErr(err)
	}
	store, _, err := r.Stores.Open(ctx, in.Shop)
	if err != nil {
		return done, plainErr(err)
	}
	for _, id := range due {
		alive(ctx)
		p, is, err := r.Records.BeginProcessing(ctx, in.Shop, id)
		if err != nil {
			return done, plainErr(err)
		}
		if !is {
			continue
		}
		stop, err := r.process(ctx, store, &p)
		if err != nil {
			return done, plainErr(err)
		}
		done.count(p.Outcome)
		if stop {
			break
		}
	}
	return done, nil
}

// process sends what was never sent, or looks at what may have been, and records what is known then. stop: nothing more is to be
// sent to this store now.
func (r *Recharge) process(ctx context.Context, store RechargeStore, p *recharge.Processing) (stop bool, err error) {
	var got recharge.Processed
	var callErr error
	if p.Again {
		got, callErr = store.InquireCharge(ctx, p.Mark)
	} else {
		got, callErr = store.ProcessCharge(ctx, p.Mark)
	}
	if ctx.Err() != nil && callErr != nil {
		return true, ctx.Err() // the row stands: the next visit looks
	}
	if callErr == nil {
		p.Outcome, p.Elsewhere, p.Code = recharge.Outcome(got.Verdict), !got.Sent && !p.Again, got.Charge.ErrorType
		if got.Verdict == recharge.Pending {
			p.NextAt = r.Now().Add(r.pause(*p))
		}
		// What the charge shows is kept first: were it lost, the next walk would bring it.
		if err := r.Records.KeepCharge(ctx, p.Shop, got.Charge, false); err != nil {
			return false, err
		}
		return false, r.Records.PutProcessing(ctx, *p)
	}
	stop = r.failed(p, callErr)
	if err := r.Records.PutProcessing(ctx, *p); err != nil {
		return stop, err
	}
	if e, ok := errors.AsType[*payment.Error](callErr); ok && e.Class == payment.Unauthorized {
		return true, r.Records.RestProcessing(ctx, p.Shop, r.Now().Add(refusedRest))
	}
	return stop, nil
}

// failed reads what a failed call means for the money. What was begun before is in doubt whatever a look-up says.
func (r *Recharge) failed(p *recharge.Processing, err error) (stop bool) {
	p.Code = troubleOf(err)
	p.NextAt = r.Now().Add(r.pause(*p))
	r.Log.Warn().Err(err).Str("shop", p.Shop).Int64("charge", p.ChargeID).Bool("look_up", p.Again).Msg("charge not processed")
	class := payment.ClassOf(err, payment.Unknown)
	if p.Again {
		p.Outcome = recharge.OutcomeInDoubt
		return class == payment.RateLimited
	}
	switch class {
	case payment.RateLimited, payment.Unavailable, payment.Unauthorized:
		p.Outcome = recharge.OutcomeNotSent
		if e, ok := errors.AsType[*payment.Error](err); ok && e.RetryAfter > 0 {
			p.NextAt = r.Now().Add(e.RetryAfter)
		}
		return true
	case payment.Invalid, payment.NotFound, payment.Conflict, payment.Unsupported:
		p.Outcome = recharge.OutcomeRefused
	case payment.Unknown, payment.StillPending, payment.Bug:
		p.Outcome = recharge.OutcomeInDoubt
	default:
		p.Outcome = recharge.OutcomeInDoubt
	}
	return false
}

func (r *Recharge) pause(p recharge.Processing) time.Duration {
	return min(lookAgain<<min(max(p.Tries-1, 0), 20), lookSeldom)
}

func (r *ProcessStoreResult) count(o recharge.Outcome) {
	switch o {
	case recharge.Outcome(recharge.Paid):
		r.Paid++
	case recharge.Outcome(recharge.Refused):
		r.Declined++
	case recharge.OutcomeRefused:
		r.Refused++
	case recharge.OutcomeSent, recharge.OutcomeInDoubt, recharge.OutcomeNotSent,
		recharge.Outcome(recharge.Pending), recharge.Outcome(recharge.Skipped), recharge.Outcome(recharge.Unclear):
		r.Open++
	default:
		r.Open++
	}
}
