package activities

import (
	"context"

	"tillflow/internal/subscription"
)

// DueMembers is the part of the record that the sweep of subscriptions needs.
type DueMembers interface {
	// DueSubscriptions claims subscriptions with something to do that nobody has
	// done, by moving their next sweep time.
	DueSubscriptions(ctx context.Context, limit int) ([]subscription.Ref, error)
}

// MemberRuns wakes the runs of subscriptions.
type MemberRuns interface {
	// WakeSubscription lets a run look at the rows, and starts it when there is none.
	WakeSubscription(ctx context.Context, ref subscription.Ref) error
}

// MemberSweep looks after subscriptions.
type MemberSweep struct {
	Due  DueMembers
	Runs MemberRuns
}

// members makes sure that every subscription with something to do has a run that
// does it.
func (s *Sweep) members(ctx context.Context, res *SweepResult) error {
	if s.Members == nil {
		return nil
	}
	list, err := s.Members.Due.DueSubscriptions(ctx, batch)
	if err != nil {
		return err
	}
	for _, ref := range list {
		res.count(&res.Members, s.log("wake subscription", ref.ID, s.Members.Runs.WakeSubscription(ctx, ref)))
	}
	return nil
}
