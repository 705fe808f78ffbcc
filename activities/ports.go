package activities

import (
	"context"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/shopify/app"
)

// Records is the part of the record that charges and moves need. Every method
// is one transaction; a repeated call with the same input changes nothing and
// answers the same.
type Records interface {
	// LoadCharge reads a payment. It writes nothing.
	LoadCharge(ctx context.Context, paymentID string) (payment.View, error)
	// BeginCheckout claims the buyer's open choice for a new attempt and writes
	// its send log row, or answers the unfinished attempt that exists (Again).
	// Nothing is set when the door is shut, the answer is decided, the group is
	// won by another session or there is no choice to serve.
	BeginCheckout(ctx context.Context, paymentID string) (payment.Send, error)
	// BeginMove does the same for an operation on money that exists.
	BeginMove(ctx context.Context, operationID string) (payment.Send, error)
	// MarkSent notes one more send of a begun attempt and answers how many there
	// are. Whoever knows of fewer sends than there are is late: payment.Conflict.
	MarkSent(ctx context.Context, attemptID string, sends int) (int, error)
	// LoadAttempt reads an attempt as a Send.
	LoadAttempt(ctx context.Context, attemptID string) (payment.Send, error)
	// NotSent notes that the last of that many sends certainly never reached the
	// provider, nor did any before it: sent goes back to allocated. Any other state
	// is left alone, and so is a send that followed.
	NotSent(ctx context.Context, attemptID string, sends int, code string) error
	// Doubt notes that a call about the attempt ended without an answer.
	Doubt(ctx context.Context, attemptID, code string) error
	// RecordFinding records evidence and everything that follows from it: state,
	// winner or loser of the group, final answer, ledger entry, reversal, timeline.
	RecordFinding(ctx context.Context, f payment.Finding) (payment.View, error)
	// RecordElsewhere books what the provider did without us with the money that
	// an attempt is about. What is known already changes nothing.
	RecordElsewhere(ctx context.Context, attemptID string, found []payment.Elsewhere) (payment.View, error)
	// PendingEvents reads the undispatched events of an attempt.
	PendingEvents(ctx context.Context, attemptID string) ([]payment.EventRow, error)
	// DispatchEvents marks events as acted on that told nothing new.
	DispatchEvents(ctx context.Context, ids []int64, note string) error
	// ShutDoor forbids new checkouts, for a reason.
	ShutDoor(ctx context.Context, paymentID string, why payment.DeclineReason) (payment.View, error)
	// DecideReject sets the final answer to reject if none is set, no attempt is
	// unfinished and no money is held; else it changes nothing.
	DecideReject(ctx context.Context, paymentID string, why payment.DeclineReason) (payment.View, error)
	// CallOperator notes why a person is needed and queues the shop's mail;
	// NobodyNeeded takes it back.
	CallOperator(ctx context.Context, paymentID string, why payment.OperatorReason) (payment.View, error)
	// GiveBack claims a reversal of the payment's winner.
	GiveBack(ctx context.Context, paymentID, reason string) (payment.View, error)
	// ApplyAction carries out what a person wrote, once.
	ApplyAction(ctx context.Context, paymentID, actionID string) (payment.View, error)
	// LoadTelling reads what the shop must be told; RecordTold records its answer.
	LoadTelling(ctx context.Context, paymentID string) (payment.Telling, error)
	RecordTold(ctx context.Context, t payment.Told) (payment.View, error)
	// LoadMove reads how a move stands, by the id that its session and its
	// operation share. It writes nothing.
	LoadMove(ctx context.Context, operationID string) (payment.MoveView, error)
	// ClaimMove claims the amount of a move session in one guarded statement, or
	// decides that it is refused, or answers Waits while the payment's own money
	// is not decided.
	ClaimMove(ctx context.Context, operationID string) (payment.MoveView, error)
	// LoadMoveTelling reads what the shop must be told of a move; RecordMoveTold
	// records its answer.
	LoadMoveTelling(ctx context.Context, operationID string) (payment.MoveTelling, error)
	RecordMoveTold(ctx context.Context, t payment.MoveTold) (payment.MoveView, error)
	// CallOperatorMove notes on the move why a person is needed and queues the
	// shop's mail; NobodyNeeded takes it back.
	CallOperatorMove(ctx context.Context, operationID string, why payment.OperatorReason) (payment.MoveView, error)
}

// Accounts opens provider accounts.
type Accounts interface {
	// Account gives an account with its credentials in clear.
	Account(ctx context.Context, id string) (provider string, credentials map[string]string, live bool, err error)
}

// Pauses is where people see which accounts' sends are paused.
type Pauses interface {
	// NotePause notes a pause of sends in this process, a longer one, or with a
	// zero Since its end. A repeat changes nothing.
	NotePause(ctx context.Context, p payment.Pause) error
}

// Shop is what the shop's platform is told.
type Shop interface {
	ResolvePayment(ctx context.Context, shop, gid string, holdUntil time.Time) (payment.Told, error)
	RejectPayment(ctx context.Context, shop, gid string, why payment.DeclineReason) (payment.Told, error)
	PendPayment(ctx context.Context, shop, gid string, until time.Time) (payment.Told, error)
	// ResolveMove and RejectMove answer a capture, void or refund session.
	ResolveMove(ctx context.Context, t payment.MoveTelling) (payment.MoveTold, error)
	RejectMove(ctx context.Context, t payment.MoveTelling) (payment.MoveTold, error)
}

// Due is the part of the record that the sweep needs. Each method claims what
// it returns by moving its next sweep time, so that two sweeps share the work.
type Due interface {
	DueCharges(ctx context.Context, limit int) ([]payment.RunRef, error)
	DueMoves(ctx context.Context, limit int) ([]payment.MoveRef, error)
	// HeldBack reads charges that wait because of a pause that is over.
	HeldBack(ctx context.Context, limit int) ([]payment.RunRef, error)
	DueEvents(ctx context.Context, limit int) ([]payment.EventRef, error)
	DueWatches(ctx context.Context, limit int) ([]payment.EventRef, error)
	DueNotices(ctx context.Context, limit int) ([]payment.Notice, error)
	NoticeSent(ctx context.Context, id int64) error
	// Hasten makes the rows of ended runs due at once.
	Hasten(ctx context.Context, ended []payment.EndedRun) error
}

// Runs starts and wakes workflows.
type Runs interface {
	StartCharge(ctx context.Context, ref payment.RunRef) error
	// StartMove makes sure that the workflow of a capture, void, refund or reversal exists.
	StartMove(ctx context.Context, ref payment.MoveRef) error
	SignalEvent(ctx context.Context, ref payment.EventRef) error
	// SignalChoice lets a charge read its row again and act on it at once.
	SignalChoice(ctx context.Context, ref payment.RunRef) error
	// Ended lists runs that ended unfinished within the last while.
	Ended(ctx context.Context, within time.Duration) ([]payment.EndedRun, error)
}

// Mailer sends operator mails.
type Mailer interface {
	SendNotice(ctx context.Context, n payment.Notice) error
}

// GuardRecords is the part of the record that the guardian of Shopify's messages needs.
type GuardRecords interface {
	// DueGuards claims shops to look at; PutCheckup ends the claim.
	DueGuards(ctx context.Context, limit int) ([]app.Guarded, error)
	PutCheckup(ctx context.Context, c app.Checkup) error
	// PutGuardUntil notes how far a look has come.
	PutGuardUntil(ctx context.Context, shop string, until time.Time) error
	// BackfillDelivery stores what no webhook has told; false for what is known.
	BackfillDelivery(ctx context.Context, d app.Delivery) (bool, error)
	// TakeTurn gives a chore to one caller in a while; ReturnTurn makes it due again.
	TakeTurn(ctx context.Context, what string, every time.Duration) (bool, error)
	ReturnTurn(ctx context.Context, what string, pause time.Duration) error
	// RaiseWarning keeps a warning; true if it is new. EndWarning forgets one.
	RaiseWarning(ctx context.Context, w app.Warning) (bool, error)
	EndWarning(ctx context.Context, key string) error
	DueWarnings(ctx context.Context, limit int) ([]app.Warning, error)
	WarningSent(ctx context.Context, key string) error
}

// Deliveries is what the second app can do at a shop for the webhooks it should get.
type Deliveries interface {
	// Restore makes the subscriptions that are missing. What it had done before an
	// error is answered with it.
	Restore(ctx context.Context, shop string) (made, refused []app.Topic, err error)
	// Changes gives take the orders that changed between two moments, page by page,
	// the oldest first, as webhooks would have told them.
	Changes(ctx context.Context, shop string, since, until time.Time, take func([]app.Delivery) error) error
}

// Versions is what Shopify says of the versions of one of its APIs.
type Versions interface {
	// Warning is what to tell an operator; empty while all is well, and while there
	// is no shop to ask at.
	Warning(ctx context.Context) (string, error)
}

// WarningMailer tells whoever runs the service, in one mail.
type WarningMailer interface {
	SendWarnings(ctx context.Context, kind app.WarningKind, all []app.Warning) error
}

// Connectors finds a connector by provider.
type Connectors interface {
	Connector(name string) (psp.Connector, error)
}
