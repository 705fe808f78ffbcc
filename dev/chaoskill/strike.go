package chaoskill

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"tillflow/standin/shopify"
)

// outageLimit bounds the restart of a neighbour.
const outageLimit = time.Minute

// strikes runs the plan's faults at their times. Each makes good again what it broke, so when strikes answers the
// world is whole, apart from processes that are still on their way up.
func (b *batch) strikes(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range b.plan.Strikes {
		group.Go(func() error {
			wait(ctx, s.At)
			if ctx.Err() != nil {
				return nil //nolint:nilerr // another one has failed and says why
			}
			b.count(s)
			b.tell("%s", s)
			if err := b.world.strike(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
			b.tell("over: %s", s.Name())
			return nil
		})
	}
	return group.Wait()
}

// strike breaks something for a time.
func (w *world) strike(ctx context.Context, s Strike) error {
	switch s.Fault {
	case KillAPI:
		return w.kill(s, w.process[s.Process:s.Process+1])
	case KillWorker:
		return w.kill(s, w.process[apis+s.Process:apis+s.Process+1])
	case KillRole:
		return w.kill(s, w.process[apis:])
	case CrashPostgres:
		return w.crashPostgres(ctx, s.For)
	case RestartTemporal:
		return w.restartTemporal(ctx, s.For, false)
	case LoseTemporal:
		return w.restartTemporal(ctx, s.For, true)
	case Cut, Torn, Silent, Unheard, Slow:
		return w.failWires(ctx, s)
	}
	return fmt.Errorf("unknown fault %q", s.Fault)
}

// kill ends processes; their supervisors start others.
func (w *world) kill(s Strike, processes []*process) error {
	var err error
	for _, p := range processes {
		_, one := p.kill(s.For)
		err = errors.Join(err, one)
	}
	return err
}

func (w *world) crashPostgres(ctx context.Context, away time.Duration) error {
	w.postgres.Lock()
	defer w.postgres.Unlock()
	if err := w.stack.Postgres.Kill(ctx); err != nil {
		return err
	}
	wait(ctx, away)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outageLimit)
	defer cancel()
	return w.stack.Postgres.Restart(ctx)
}

// restartTemporal stops the server, which is part of this program and so cannot be killed, and starts it on the same
// database or, when that is lost, on an empty one.
func (w *world) restartTemporal(ctx context.Context, away time.Duration, lost bool) error {
	w.temporal.Lock()
	defer w.temporal.Unlock()
	if err := w.stack.Temporal.Stop(); err != nil {
		return err
	}
	wait(ctx, away)
	if lost {
		w.files++
	}
	file := w.stack.TemporalFile()
	if w.files > 0 {
		file = filepath.Join(w.dir, fmt.Sprintf("temporal-%d.db", w.files))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outageLimit)
	defer cancel()
	return w.stack.RunTemporal(ctx, file)
}

func (w *world) failWires(ctx context.Context, s Strike) error {
	hit := w.wires
	if s.Process >= 0 {
		hit = w.wires[s.Process : s.Process+1]
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, wires := range hit {
		group.Go(func() error { return wires[s.Wire].fail(ctx, s) })
	}
	return group.Wait()
}

// count notes a strike and what was under way when it fell.
func (b *batch) count(s Strike) {
	under := map[shopify.SessionType]int{}
	for _, shop := range b.world.stack.Shopify.Books("", false).Shops {
		for _, session := range shop.Sessions {
			if session.Final == nil {
				under[session.Type]++
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults[s.Name()]++
	for what, n := range under {
		if n > 0 {
			b.hits.add(s.Name(), string(what), 1)
		}
	}
}
