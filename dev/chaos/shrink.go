package chaos

import (
	"context"
	"slices"
	"sync"
)

// Cutting a story down plays at most so many candidates, so many at a time, each at most so often: a failure that
// depends on timing shows in one of a few plays.
const (
	shrinkPlays = 120
	shrinkAt    = 8
	tries       = 2
)

// Shrink looks for the smallest part of a failing story that still breaks a rule of the same kind. Candidates lose a
// part of the steps or faults, the largest parts first; what is left is made plainer at the end.
func (w *World) Shrink(ctx context.Context, failed Verdict) Verdict {
	kinds := map[string]bool{}
	for _, v := range failed.Violations {
		kinds[v.Kind] = true
	}
	best, left := failed, shrinkPlays
	for left > 0 && ctx.Err() == nil {
		smaller, used := w.smaller(ctx, candidates(best.Story), kinds, left)
		left -= used
		if smaller == nil {
			return best
		}
		best = *smaller
	}
	return best
}

// smaller plays candidates in their order, some at a time, and answers the first that still fails.
func (w *World) smaller(ctx context.Context, stories []Story, kinds map[string]bool, left int) (found *Verdict, used int) {
	for batch := range slices.Chunk(stories, shrinkAt) {
		verdicts := make([]*Verdict, len(batch))
		var plays sync.WaitGroup
		for i, story := range batch {
			plays.Go(func() {
				for range tries {
					if v := w.Play(ctx, story); v.Has(kinds) {
						verdicts[i] = &v
						return
					}
				}
			})
		}
		plays.Wait()
		used += len(batch)
		for _, v := range verdicts {
			if v != nil {
				return v, used
			}
		}
		if used >= left || ctx.Err() != nil {
			break
		}
	}
	return nil, used
}

// candidates are the stories that are a little smaller, the smallest first.
func candidates(s Story) []Story {
	var all []Story
	for part := len(s.Steps) / 2; part >= 1; part /= 2 {
		for at := 0; at+part <= len(s.Steps); at += part {
			all = append(all, s.with(slices.Delete(slices.Clone(s.Steps), at, at+part), s.Faults))
		}
	}
	for part := len(s.Faults); part >= 1; part /= 2 {
		for at := 0; at+part <= len(s.Faults); at += part {
			all = append(all, s.with(s.Steps, slices.Delete(slices.Clone(s.Faults), at, at+part)))
		}
	}
	return append(all, plainer(s)...)
}

func (s Story) with(steps []Step, faults []Fault) Story {
	s.Steps, s.Faults = steps, faults
	return s
}

// plainer are stories of the same length that are easier to read.
func plainer(s Story) []Story {
	var all []Story
	for i, step := range s.Steps {
		if step.Wait > 0 || step.Along {
			steps := slices.Clone(s.Steps)
			steps[i].Wait, steps[i].Along = 0, false
			all = append(all, s.with(steps, s.Faults))
		}
	}
	for i, f := range s.Faults {
		if f.Nth > 1 || f.Times > 1 || f.Times < 0 {
			faults := slices.Clone(s.Faults)
			faults[i].Nth, faults[i].Times = 1, 1
			all = append(all, s.with(s.Steps, faults))
		}
	}
	if s.StaleToken {
		fresh := s
		fresh.StaleToken = false
		all = append(all, fresh)
	}
	return all
}
