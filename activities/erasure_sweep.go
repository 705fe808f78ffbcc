package activities

import (
	"context"

	"tillflow/internal/privacy"
)

// DueErasures is the part of the record that the sweep of privacy requests needs.
type DueErasures interface {
	// DueErasures claims requests that are not served, by moving their next sweep time.
	DueErasures(ctx context.Context, limit int) ([]privacy.DueRun, error)
}

// ErasureRuns starts and wakes the runs of privacy requests.
type ErasureRuns interface {
	StartErasure(ctx context.Context, ref privacy.Ref) error
	// WakeErasure lets a run look at what it waits for, and starts it when there is none.
	WakeErasure(ctx context.Context, ref privacy.Ref) error
}

// ErasureSweep looks after privacy requests.
type ErasureSweep struct {
	Due  DueErasures
	Runs ErasureRuns
}

// erasures makes sure that every privacy request has a run, and wakes those whose
// last open payment is over.
func (s *Sweep) erasures(ctx context.Context, res *SweepResult) error {
	if s.Erasures == nil {
		return nil
	}
	list, err := s.Erasures.Due.DueErasures(ctx, batch)
	if err != nil {
		return err
	}
	for _, d := range list {
		start := s.Erasures.Runs.StartErasure
		if d.Ready {
			start = s.Erasures.Runs.WakeErasure
		}
		res.count(&res.Erasures, s.log("start erasure", d.ID, start(ctx, d.Ref)))
	}
	return nil
}
