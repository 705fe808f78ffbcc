package flow

import (
	"time"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// Timing holds every duration of a workflow. It travels in the input, so a
// running workflow never changes its mind and tests can shorten it.
type Timing struct {
	Resolution    time.Duration   // the shop has its answer this long after receipt
	DecideAhead   time.Duration   // our decision falls this long before
	SendTimeout   time.Duration   // one call to a provider, start to close
	SendWindow    time.Duration   // retries of one call before the workflow looks around
	RetryFirst    time.Duration   // first pause between two tries; doubles
	RetryMax      time.Duration   // longest pause between two tries of a call
	FirstLook     time.Duration   // first unasked look at an open checkout
	LookMax       time.Duration   // longest pause between two unasked looks
	TellSteps     []time.Duration // pauses between tries of a mutation at the shop
	TellSlow      time.Duration   // pause after the last step, for ever
	ShowAfter     time.Duration   // telling the shop longer than this shows in searches
	TellOverdue   time.Duration   // a person is told when the shop has not answered this long
	OperatorRetry time.Duration   // while a person is awaited, try again this often
}

// DefaultTiming is what production runs with. TellSteps is the schedule that
// Shopify's requirements name for a payments app: 17 tries in 24 hours.
func DefaultTiming() Timing {
	s, m, h := time.Second, time.Minute, time.Hour
	return Timing{
		Resolution: 48 * h, DecideAhead: h,
		SendTimeout: 30 * s, SendWindow: 90 * s, RetryFirst: s, RetryMax: m,
		FirstLook: 10 * m, LookMax: 30 * m,
		TellSteps: []time.Duration{5 * s, 10 * s, 30 * s, 45 * s, m, 2 * m, 5 * m, 12 * m, 38 * m, h, 2 * h, 4 * h, 4 * h, 4 * h, 4 * h, 4 * h},
		TellSlow:  4 * h, ShowAfter: 5 * s,
		TellOverdue: 24 * h, OperatorRetry: 30 * m,
	}
}

// ChargeInput starts Charge. Everything else is read from the row.
type ChargeInput struct {
	PaymentID  string
	Source     string
	Shop       string
	ExternalID string
	Kind       payment.Kind
	Amount     money.Amount
	ReceivedAt time.Time
	Timing     Timing
}

// ChargeResult is how a charge ended.
type ChargeResult struct {
	State  payment.State
	Final  payment.Final
	Reason payment.DeclineReason
}

// MoveInput starts a capture, void, refund or reversal. Everything else is read
// from the rows.
type MoveInput struct {
	OperationID string // the session's id too
	PaymentID   string // empty: the session is not looked up yet, or names no payment of ours
	Operation   payment.Operation
	Shop        string
	Provider    string       // empty until the session is looked up
	Amount      money.Amount // zero for a void
	Timing      Timing
}

// MoveResult is how a move ended. A refund that the provider gave up after it
// had accepted it is resolved and not done.
type MoveResult struct {
	Done    bool
	Final   payment.Final   // what the shop was told; empty for a reversal
	Refusal payment.Refusal // why, when Final is reject
}

// Names of messages. They stand in histories: never rename one.
const (
	// SignalEvent: a provider's message was stored; payload EventSignal.
	SignalEvent = "psp-event"
	// SignalChoice: the buyer chose a way to pay or asked to leave; no payload, the row says.
	SignalChoice = "buyer-chose"
	// SignalReturned: the buyer came back from the provider; no payload.
	SignalReturned = "buyer-returned"
	// UpdateResolve, UpdateRetry, UpdateExpire, UpdateNote: a person's action; payload ActionUpdate.
	UpdateResolve = "operator-resolve"
	UpdateRetry   = "retry-now"
	UpdateExpire  = "expire"
	UpdateNote    = "add-note"
	// QueryState answers a StateAnswer.
	QueryState = "state"
)

// EventSignal names a stored provider event.
type EventSignal struct {
	EventID   int64
	AttemptID string
}

// ActionUpdate names a row in actions.
type ActionUpdate struct{ ActionID string }

// ActionResult is what the workflow did with an action.
type ActionResult struct {
	State    payment.State
	Operator payment.OperatorReason
}

// StateAnswer is what the state query shows: View of a charge, Move of a move.
type StateAnswer struct {
	View payment.View
	Move *payment.MoveView `json:",omitempty"`
	Note string
}
