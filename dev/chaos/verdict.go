package chaos

import (
	"context"
	"errors"
	"maps"
	"time"
)

// playLimit bounds one play, whatever hangs in it; its looks are over long before.
const playLimit = 5 * time.Minute

// Verdict is what became of one play.
type Verdict struct {
	Story      Story
	Violations []Violation
	Hits       map[Cell]int
	Told       []string // what happened, line by line
}

// Failed says whether a rule was broken.
func (v Verdict) Failed() bool { return len(v.Violations) > 0 }

// Has says whether one of the kinds was found.
func (v Verdict) Has(kinds map[string]bool) bool {
	for _, found := range v.Violations {
		if kinds[found.Kind] {
			return true
		}
	}
	return false
}

// Play plays one story and judges it. Several may be played at once, except those that move the clock: they wait until
// they are alone.
func (w *World) Play(ctx context.Context, story Story) Verdict {
	if story.solo() {
		w.alone.Lock()
		defer w.alone.Unlock()
		if err := w.renewed(ctx); err != nil { // only now: the one before has moved the clock
			return broken(story, err)
		}
	} else {
		if err := w.renew(ctx); err != nil {
			return broken(story, err)
		}
		w.alone.RLock()
		defer w.alone.RUnlock()
	}
	ctx, cancel := context.WithTimeout(ctx, playLimit)
	defer cancel()
	v := Verdict{Story: story, Hits: map[Cell]int{}}
	s, err := w.raise(ctx, story)
	if err == nil {
		v.Violations, err = s.perform(ctx)
		maps.Copy(v.Hits, s.hits)
		v.Told = s.told
		err = errors.Join(err, s.strike())
	}
	if err != nil {
		v.Violations = append(v.Violations, Violation{Kind: brokenPlay, Text: err.Error()})
	}
	return v
}

// broken is the verdict on a story that could not be played.
func broken(story Story, err error) Verdict {
	return Verdict{Story: story, Violations: []Violation{{Kind: brokenPlay, Text: err.Error()}}}
}

// perform plays, waits for rest and judges.
func (s *scene) perform(ctx context.Context) ([]Violation, error) {
	if err := s.play(ctx); err != nil {
		return nil, err
	}
	open, err := s.rest(ctx)
	if err != nil {
		return nil, err
	}
	return s.judge(ctx, open)
}
