package flow

import (
	"context"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"tillflow/internal/privacy"
)

const (
	typeErasure = "Erasure"
	typePurge   = "Purge"
)

// opErasure is PayOp of the runs that serve privacy requests.
const opErasure = "erasure"

// ErasureID is the workflow id of a privacy request: one request, one run.
func ErasureID(shop, requestID string) string { return join(opErasure, "shopify", shop, requestID) }

// ErasureTiming holds the durations of Erasure. It travels in the input.
type ErasureTiming struct {
	WarnAhead []time.Duration // a mail this long before the law's last moment, each
	LookFirst time.Duration   // first pause between two looks at open payments; doubles
	LookMax   time.Duration   // longest pause between two looks
	Retry     time.Duration   // while a person is awaited, try again this often
}

// DefaultErasureTiming is what production runs with.
func DefaultErasureTiming() ErasureTiming {
	const day = 24 * time.Hour
	return ErasureTiming{
		WarnAhead: []time.Duration{10 * day, 3 * day, day},
		LookFirst: 10 * time.Second, LookMax: time.Hour, Retry: 12 * time.Hour,
	}
}

// ErasureInput starts Erasure. Everything else is read from the row.
type ErasureInput struct {
	RequestID  string
	Shop       string
	Kind       privacy.Kind
	ReceivedAt time.Time
	DueAt      time.Time
	Timing     ErasureTiming
}

// ErasureResult is how a request ended.
type ErasureResult struct {
	State    privacy.State
	Subjects int
	Payments int
}

// SignalLook asks an erasure to look now at what it waits for; no payload. The
// name stands in histories: never rename it.
const SignalLook = "look-again"

// ErasureAnswer is what the state query of an erasure shows.
type ErasureAnswer struct {
	View privacy.View
	Note string
}

// PurgeInput starts Purge.
type PurgeInput struct{}

// PurgeID is the workflow id, and schedule id, of the purge.
const PurgeID = "purge"

// StartErasure makes sure that a run of the request exists, unless it has completed.
func (r *Runs) StartErasure(ctx context.Context, ref privacy.Ref) error {
	_, err := r.client.ExecuteWorkflow(ctx, erasureOptions(ref), typeErasure, r.erasureInput(ref))
	return started("start erasure", err)
}

// WakeErasure lets the run of a request look at what it waits for, and starts it
// when there is none.
func (r *Runs) WakeErasure(ctx context.Context, ref privacy.Ref) error {
	return r.signal(ctx, SignalLook, nil, target{erasureOptions(ref), typeErasure, r.erasureInput(ref)})
}

// WithErasures gives a Runs whose erasures start with other durations.
func (r *Runs) WithErasures(t ErasureTiming) *Runs {
	other := *r
	other.erasures = t
	return &other
}

func (r *Runs) erasureInput(ref privacy.Ref) ErasureInput {
	return ErasureInput{
		RequestID: ref.ID, Shop: ref.Shop, Kind: ref.Kind, ReceivedAt: ref.ReceivedAt, DueAt: ref.DueAt, Timing: r.erasures,
	}
}

func erasureOptions(ref privacy.Ref) client.StartWorkflowOptions {
	o := options(ErasureID(ref.Shop, ref.ID), ref.Shop)
	o.StaticSummary = "privacy request: " + string(ref.Kind)
	o.TypedSearchAttributes = temporal.NewSearchAttributes(
		PayShop.ValueSet(ref.Shop), PayOp.ValueSet(opErasure), PayRef.ValueSet(ref.ID),
		PayStatus.ValueSet(string(privacy.Received)), PayDeadline.ValueSet(ref.DueAt), PayNeedsOperator.ValueSet(false),
		PayClockName.ValueSet("law"), PayNextClock.ValueSet(ref.DueAt),
	)
	return o
}

// EnsurePurge makes sure that the purge runs on its schedule.
func (r *Runs) EnsurePurge(ctx context.Context, every time.Duration) error {
	_, err := r.ensureSchedule(ctx, PurgeID, every, &client.ScheduleWorkflowAction{
		ID: PurgeID, Workflow: typePurge, TaskQueue: Queue, Args: []any{PurgeInput{}}, WorkflowRunTimeout: 6 * time.Hour,
	})
	return wrap("create purge schedule", err)
}
