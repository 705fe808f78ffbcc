package chaoskill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options say what to run.
type Options struct {
	// Batches is how many seeds are run, one after the other.
	Batches int
	// First is the first seed.
	First uint64
}

// ErrViolated says that at least one batch broke a rule; what it did was printed.
var ErrViolated = errors.New("money or answers went wrong")

// Run runs batches and writes one line CHAOS {json}. A batch that breaks a rule is printed, and its folder with all
// logs and books is kept. Errors beside ErrViolated mean that a batch could not be run: there is no verdict on it.
func Run(ctx context.Context, out io.Writer, o Options) error {
	if o.Batches < 1 {
		return fmt.Errorf("BATCHES is %d: at least one is needed", o.Batches)
	}
	r := newReport()
	began := time.Now()
	for n := range o.Batches {
		seed := o.First + uint64(n)
		b, err := run(ctx, seed, out)
		if err != nil {
			return fmt.Errorf("batch of seed %d: %w", seed, err)
		}
		r.add(b)
		fmt.Fprintln(out, b.summary())
	}
	if list := r.thin(); len(list) > 0 {
		fmt.Fprintf(out, "struck fewer than %d times: %s\n", enough, strings.Join(list, "; "))
	}
	r.Seconds = float64(int64(time.Since(began).Seconds()*10)) / 10
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "CHAOS %s\n", line)
	if r.SmallestFailingSeed != nil {
		return ErrViolated
	}
	return nil
}

// batch is one seed's run.
type batch struct {
	plan  Plan
	world *world
	began time.Time
	took  time.Duration

	mu       sync.Mutex
	faults   map[string]int
	hits     table
	sessions map[string]int // by type and answer
	story    []string
	found    []Violation
}

// run runs one seed in a world of its own. The folder is removed when nothing was wrong.
func run(ctx context.Context, seed uint64, out io.Writer) (b *batch, err error) {
	dir, err := os.MkdirTemp("", "tillflow-kill-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // PostgreSQL runs as another user below it
		return nil, err
	}
	b = &batch{plan: NewPlan(seed), began: time.Now(), faults: map[string]int{}, hits: table{}, sessions: map[string]int{}}
	err = b.play(ctx, dir)
	b.took = time.Since(b.began)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w\n%s", err, b.text()), fmt.Errorf("everything is kept in %s", dir))
	}
	if len(b.found) == 0 {
		return b, os.RemoveAll(dir)
	}
	fmt.Fprintf(out, "%s\neverything is kept in %s\n", b.text(), dir)
	return b, os.WriteFile(filepath.Join(dir, "story.txt"), []byte(b.text()), 0o600)
}

// play runs the plan and judges what came of it.
func (b *batch) play(ctx context.Context, dir string) error {
	w, err := open(ctx, dir)
	if err != nil {
		return err
	}
	b.world, b.began = w, time.Now()
	return errors.Join(b.act(ctx), w.close())
}

func (b *batch) act(ctx context.Context) error {
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error { return b.strikes(gctx) })
	group.Go(func() error { return b.load(gctx) })
	if err := group.Wait(); err != nil {
		return err
	}
	b.tell("all faults are lifted and all people have gone")
	if err := b.world.await(ctx); err != nil {
		return err
	}
	open, err := b.rest(ctx)
	if err != nil {
		return err
	}
	return b.judge(ctx, open)
}

// tell notes what happened.
func (b *batch) tell(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.story = append(b.story, fmt.Sprintf("%7.2fs  ", time.Since(b.began).Seconds())+fmt.Sprintf(format, args...))
}

// text is the whole story for a reader.
func (b *batch) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var s strings.Builder
	s.WriteString(b.plan.String())
	s.WriteString("What happened\n")
	for _, line := range b.story {
		s.WriteString("  " + line + "\n")
	}
	for _, v := range b.found {
		fmt.Fprintf(&s, "VIOLATION %s: %s\n", v.Kind, v.Text)
	}
	return s.String()
}

// summary is one line about a batch.
func (b *batch) summary() string {
	strikes, sessions := 0, 0
	for _, n := range b.faults {
		strikes += n
	}
	for _, n := range b.sessions {
		sessions += n
	}
	verdict := "nothing wrong"
	if len(b.found) > 0 {
		verdict = fmt.Sprintf("%d VIOLATIONS", len(b.found))
	}
	return fmt.Sprintf("seed %d: %d sessions under %d faults in %.0f s, %s", b.plan.Seed, sessions, strikes, b.took.Seconds(), verdict)
}
