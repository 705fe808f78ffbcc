package chaos

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Options say what to play.
type Options struct {
	// Seeds are played from First on, Lanes of them at a time.
	Seeds, Lanes int
	First        uint64
	// Shrink cuts down so many of the failing stories.
	Shrink int
	// Stop ends the run at the first story that fails: enough to know that a safety is missed.
	Stop bool
	// Keep is the folder for stories that failed; empty keeps none.
	Keep string
	// Out is told what fails, and in the end everything.
	Out io.Writer
	// Now is the clock on the wall; nil is the real one.
	Now func() time.Time
}

// ErrViolated says that stories broke rules. The report names them.
var ErrViolated = errors.New("stories broke rules")

// Run plays stories in a world, prints those that fail in their smallest form, and ends with a table of what was struck
// and one line CHAOS {json}.
func Run(ctx context.Context, w *World, o Options) (*Report, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	began, report, long := o.Now(), newReport(), o.Seeds >= len(Cells())
	failed := w.playAll(ctx, o, inOrder(o), report)
	for round := 1; round <= topUps && long && !o.enough(failed) && ctx.Err() == nil; round++ {
		if more := missed(o, round, report); len(more) > 0 {
			failed = append(failed, w.playAll(ctx, o, more, report)...)
		}
	}
	report.finish(Cells(), long, o.Now().Sub(began))
	if err := ctx.Err(); err != nil {
		return report, err
	}
	for i, v := range failed {
		if i < o.Shrink {
			fmt.Fprintf(o.Out, "cutting seed %d down …\n", v.Story.Seed)
			v = w.Shrink(ctx, v)
		}
		if err := tell(o, v); err != nil {
			return report, err
		}
	}
	report.table(o.Out, Cells())
	if err := report.line(o.Out); err != nil {
		return report, err
	}
	if len(failed) > 0 {
		return report, ErrViolated
	}
	return report, nil
}

// playAll plays stories and answers those that failed, the smallest seed first.
func (w *World) playAll(ctx context.Context, o Options, list []Story, report *Report) []Verdict {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	stories, verdicts := make(chan Story), make(chan Verdict)
	var lanes sync.WaitGroup
	for range max(o.Lanes, 1) {
		lanes.Go(func() {
			for story := range stories {
				verdicts <- w.Play(ctx, story)
			}
		})
	}
	go func() {
		defer close(verdicts)
		for _, story := range list {
			select {
			case stories <- story:
			case <-ctx.Done():
			}
		}
		close(stories)
		lanes.Wait()
	}()
	var failed []Verdict
	for v := range verdicts {
		if ctx.Err() != nil {
			continue // cut off: no verdict
		}
		report.add(v)
		if v.Failed() {
			failed = append(failed, v)
			fmt.Fprintf(o.Out, "seed %d: %s: %s\n", v.Story.Seed, v.Violations[0].Kind, v.Violations[0].Text)
		}
		if o.enough(failed) {
			stop()
		}
		if report.Runs%50 == 0 {
			fmt.Fprintf(o.Out, "%d stories played, violations so far: %v\n", report.Runs, report.Violations)
		}
	}
	slices.SortFunc(failed, func(a, b Verdict) int { return cmp.Compare(a.Story.Seed, b.Story.Seed) })
	return failed
}

func (o Options) enough(failed []Verdict) bool { return o.Stop && len(failed) > 0 }

// topUps is how often a run long enough to meet every cell goes on with seeds whose cells were struck too seldom.
const topUps = 4

// missed draws the next stories that lead with those cells: each round a fresh stretch of seeds, once through all cells.
func missed(o Options, round int, r *Report) []Story {
	all := Cells()
	first := o.First + uint64(o.Seeds) + uint64((round-1)*len(all)) //nolint:gosec // small and positive
	var list []Story
	for seed := first; seed < first+uint64(len(all)); seed++ {
		if r.hits[leading(seed)] < enough {
			list = append(list, Draw(seed))
		}
	}
	return list
}

// inOrder draws all stories. Those that move the clock come last: each waits until it is alone, and the others would
// wait for it.
func inOrder(o Options) []Story {
	var together, alone []Story
	for n := range uint64(max(o.Seeds, 0)) {
		if story := Draw(o.First + n); story.solo() {
			alone = append(alone, story)
		} else {
			together = append(together, story)
		}
	}
	return append(together, alone...)
}

// tell prints a failed story and keeps it.
func tell(o Options, v Verdict) error {
	fmt.Fprintf(o.Out, "\n%s", v.Story)
	for _, line := range v.Told {
		fmt.Fprintf(o.Out, "    %s\n", line)
	}
	for _, found := range v.Violations {
		fmt.Fprintf(o.Out, "  VIOLATION %s: %s\n", found.Kind, found.Text)
	}
	fmt.Fprintf(o.Out, "  again: make chaos SEED=%d\n", v.Story.Seed)
	if o.Keep == "" {
		return nil
	}
	text, err := json.MarshalIndent(v.Story, "", "\t")
	if err != nil {
		return err
	}
	path := filepath.Join(o.Keep, fmt.Sprintf("story-%d.json", v.Story.Seed))
	if err := errors.Join(os.MkdirAll(o.Keep, 0o750), os.WriteFile(path, append(text, '\n'), 0o600)); err != nil {
		return fmt.Errorf("keep the story: %w", err)
	}
	fmt.Fprintf(o.Out, "  the smallest form alone: make chaos STORY=%s; copied to dev/chaos/testdata it is a test\n", path)
	return nil
}

// ReadStory reads a story that was kept.
func ReadStory(path string) (Story, error) {
	var s Story
	text, err := os.ReadFile(path) //nolint:gosec // the person who runs it names the file
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return s, fmt.Errorf("read story: %w", err)
	}
	return s, nil
}

// Tell plays one story alone and prints everything about it.
func Tell(ctx context.Context, w *World, story Story, out io.Writer) error {
	v := w.Play(ctx, story)
	if err := tell(Options{Out: out}, v); err != nil {
		return err
	}
	if v.Failed() {
		return ErrViolated
	}
	for cell, n := range v.Hits {
		fmt.Fprintf(out, "  struck %d times: %s\n", n, cell)
	}
	fmt.Fprintln(out, "  every rule held")
	return nil
}
