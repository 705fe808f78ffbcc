package control

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// leap is how far one press moves the time.
	leap = 48 * time.Hour
	// stride is how far the service's clock may be ahead of the runs. What a run does in the middle of a stride sees the
	// service's clock at the stride's end, so strides are short against the hours that the rules name.
	stride = 4 * time.Hour
	// followLimit bounds the wait for a run whose clock stands still, because work of it is in flight.
	followLimit = 30 * time.Second
	// followers is how many runs move at a time.
	followers = 8
)

// skip moves the service, the stand-ins and every open run through time, one leap at a time, in the background.
type skip struct {
	opts   Options
	note   func(string)
	ctx    context.Context // the life of the background work, ended by close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	running bool
	moved   time.Duration
	behind  []string // runs whose clock stood still
}

func newSkip(ctx context.Context, o Options, note func(string)) *skip {
	k := &skip{opts: o, note: note}
	k.ctx, k.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return k
}

func (k *skip) close() {
	k.cancel()
	k.wg.Wait()
}

// begin starts a leap; false when one is under way.
func (k *skip) begin() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.running || k.ctx.Err() != nil {
		return false
	}
	k.running, k.moved, k.behind = true, 0, nil
	k.wg.Add(1)
	go func() {
		defer k.wg.Done()
		err := k.run()
		k.mu.Lock()
		k.running = false
		moved, behind := k.moved, k.behind
		k.mu.Unlock()
		k.note(ended(moved, behind, err))
	}()
	return true
}

// progress says how far a leap is; running is false when none is under way.
func (k *skip) progress() (moved time.Duration, running bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.moved, k.running
}

// run brings everything that is late to the clock, then moves in strides: the clock first, the runs behind it.
func (k *skip) run() error {
	if err := k.follow(); err != nil {
		return err
	}
	for k.moved < leap {
		step := min(stride, leap-k.moved)
		if err := k.opts.Skip(step); err != nil {
			return fmt.Errorf("move the clock: %w", err)
		}
		k.mu.Lock()
		k.moved += step
		k.mu.Unlock()
		if err := k.follow(); err != nil {
			return err
		}
	}
	return nil
}

// follow brings every open run to the clock. One that stands still is left behind for the rest of the leap.
func (k *skip) follow() error {
	ids, err := k.opts.Runs.IDs(k.ctx)
	if err != nil {
		return fmt.Errorf("list the open runs: %w", err)
	}
	k.mu.Lock()
	behind := slices.Clone(k.behind)
	k.mu.Unlock()
	var g errgroup.Group
	g.SetLimit(followers)
	for _, id := range ids {
		if slices.Contains(behind, id) {
			continue
		}
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(k.ctx, followLimit)
			defer cancel()
			if err := k.opts.Runs.Follow(ctx, id, k.opts.Clock.Now); err != nil {
				k.opts.Log.Warn().Err(err).Str("workflow_id", id).Msg("run does not follow the clock")
				k.mu.Lock()
				k.behind = append(k.behind, id)
				k.mu.Unlock()
			}
			return k.ctx.Err()
		})
	}
	return g.Wait()
}

// ended is what the journal says of a leap.
func ended(moved time.Duration, behind []string, err error) string {
	text := fmt.Sprintf("Skipped %d hours.", int(moved.Hours()))
	if err != nil {
		text = fmt.Sprintf("The skip stopped after %d hours: %v. What was skipped stays skipped; press again to go on.", int(moved.Hours()), err)
	}
	if len(behind) > 0 {
		text += fmt.Sprintf(" %s stood still, because work was in flight (a held answer?), and comes along with the next skip: %s",
			count(len(behind), "run"), behind[0])
		if len(behind) > 1 {
			text += " and others"
		}
		text += "."
	}
	return text
}

// startSkip is the button.
func (s *Server) startSkip(*http.Request) (string, *problem) {
	if !s.skip.begin() {
		return "", &problem{http.StatusConflict, "A skip is already under way", "Wait for its end; the page shows how far it is."}
	}
	return "Skipping two days: the service, the stand-ins and all open runs.", nil
}
