// Package worker builds the process that runs workflows and activities: queue,
// concurrency, registration and the SDK's logger.
package worker

import (
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/client"
	tlog "go.temporal.io/sdk/log"
	sdkworker "go.temporal.io/sdk/worker"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/workflows"
)

// Activities is everything that workflows may call, one struct per neighbour.
type Activities struct {
	Gateway *activities.Gateway
	Shopify *activities.Shopify
	Rows    *activities.Rows
	Sweep   *activities.Sweep
	Guard   *activities.Guard
	Members *activities.Members
	Erasure *activities.Erasure
	Purge   *activities.Purge

	Recharge *activities.Recharge
}

// Options size a worker.
type Options struct {
	// StopTimeout is how long running activities may finish at shutdown.
	StopTimeout time.Duration
}

// New builds a worker on the payment queue. The caller starts and stops it.
func New(c client.Client, a Activities, o Options) sdkworker.Worker {
	w := sdkworker.New(c, flow.Queue, sdkworker.Options{
		// The default of zero would cancel running calls to providers at once.
		WorkerStopTimeout:                  o.StopTimeout,
		WorkflowTaskPollerBehavior:         sdkworker.NewPollerBehaviorAutoscaling(sdkworker.PollerBehaviorAutoscalingOptions{}),
		ActivityTaskPollerBehavior:         sdkworker.NewPollerBehaviorAutoscaling(sdkworker.PollerBehaviorAutoscalingOptions{}),
		MaxConcurrentActivityExecutionSize: activities.Slots,
	})
	workflows.Register(w)
	w.RegisterActivity(a.Gateway)
	w.RegisterActivity(a.Shopify)
	w.RegisterActivity(a.Rows)
	w.RegisterActivity(a.Sweep)
	w.RegisterActivity(a.Guard)
	w.RegisterActivity(a.Members)
	w.RegisterActivity(a.Erasure)
	w.RegisterActivity(a.Purge)
	w.RegisterActivity(a.Recharge)
	return w
}

// SetCache sets how many workflows this process keeps in memory. Call it once,
// before the first worker starts.
func SetCache(size int) { sdkworker.SetStickyWorkflowCacheSize(size) }

// Log lets the SDK write to zerolog.
func Log(l zerolog.Logger) tlog.Logger { return logger{l} }

type logger struct{ l zerolog.Logger }

func (z logger) Debug(m string, kv ...any) { z.l.Debug().Fields(kv).Msg(m) }
func (z logger) Info(m string, kv ...any)  { z.l.Info().Fields(kv).Msg(m) }
func (z logger) Warn(m string, kv ...any)  { z.l.Warn().Fields(kv).Msg(m) }
func (z logger) Error(m string, kv ...any) { z.l.Error().Fields(kv).Msg(m) }

// With implements the SDK's WithLogger.
func (z logger) With(kv ...any) tlog.Logger { return logger{z.l.With().Fields(kv).Logger()} }
