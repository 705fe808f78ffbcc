package flow

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

const (
	typeSubscription = "Subscription"
	typeRenewal      = "Renewal"
)

// PayOp of the runs of subscriptions.
const (
	opSubscription = "subscription"
	opRenewal      = "renewal"
)

// UpdateCommand carries out a command on a subscription; payload CommandUpdate,
// answer CommandResult. The name stands in histories: never rename it.
const UpdateCommand = "command"

// SubscriptionInput starts Subscription. Everything else is read from the row.
type SubscriptionInput struct {
	SubscriptionID string
	Shop           string
	Timing         Timing
}

// SubscriptionResult is how a subscription ended.
type SubscriptionResult struct{ State subscription.State }

// CommandUpdate names a row in subscription_commands.
type CommandUpdate struct{ CommandID string }

// CommandResult is what became of a command; the row has the same, for ever.
type CommandResult struct{ Answer subscription.Answer }

// SubscriptionAnswer is what the state query of a subscription shows.
type SubscriptionAnswer struct {
	View subscription.View
	Note string
}

// StartSubscription makes sure that a run of the subscription exists, unless it
// is over.
func (r *Runs) StartSubscription(ctx context.Context, ref subscription.Ref) error {
	to := r.subscriptionTarget(ref)
	_, err := r.client.ExecuteWorkflow(ctx, to.options, to.workflow, to.input)
	return started("start subscription", err)
}

// WakeSubscription lets the run of a subscription look at the rows, and starts it
// when there is none.
func (r *Runs) WakeSubscription(ctx context.Context, ref subscription.Ref) error {
	return r.signal(ctx, SignalLook, nil, r.subscriptionTarget(ref))
}

// Command hands a command's row to the run of its subscription, which is started
// when there is none, and waits for what becomes of it. The row must exist. The
// command's id is the update's, so that a repeat has the same answer. Where the
// run is over, or does not answer in the caller's time, the row is as good: the
// command is carried out by the next step, once.
func (r *Runs) Command(ctx context.Context, ref subscription.Ref, commandID string) (CommandResult, error) {
	to := r.subscriptionTarget(ref)
	to.options.EnableEagerStart = false // not allowed together with an update
	h, err := r.client.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: r.client.NewWithStartWorkflowOperation(to.options, to.workflow, to.input),
		UpdateOptions: client.UpdateWorkflowOptions{
			UpdateID: commandID, UpdateName: UpdateCommand, Args: []any{CommandUpdate{CommandID: commandID}},
			WaitForStage: client.WorkflowUpdateStageCompleted,
		},
	})
	if err != nil {
		if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
			return CommandResult{}, &payment.Error{Class: payment.NotFound, Message: UpdateCommand + ": the subscription is over", Err: err}
		}
		return CommandResult{}, refused(UpdateCommand, err)
	}
	var result CommandResult
	return result, refused(UpdateCommand, h.Get(ctx, &result))
}

func (r *Runs) subscriptionTarget(ref subscription.Ref) target {
	o := options(SubscriptionID(ref.Shop, ref.ID), ref.Shop)
	o.EnableEagerStart = r.eager
	o.StaticSummary = "subscription"
	o.TypedSearchAttributes = temporal.NewSearchAttributes(
		PayShop.ValueSet(ref.Shop), PayOp.ValueSet(opSubscription), PayRef.ValueSet(ref.ID),
		PayStatus.ValueSet(string(subscription.Pending)), PayNeedsOperator.ValueSet(false),
	)
	return target{o, typeSubscription, SubscriptionInput{SubscriptionID: ref.ID, Shop: ref.Shop, Timing: r.timing}}
}

// renewalAttributes is what a run of a renewal starts with.
func renewalAttributes(ref payment.RunRef) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(
		PayShop.ValueSet(ref.Shop), PayOp.ValueSet(opRenewal), PayRef.ValueSet(ref.ExternalID),
		PayStatus.ValueSet(string(payment.Created)), PayNeedsOperator.ValueSet(false), PayAmountMinor.ValueSet(ref.Amount.Minor),
	)
}

// renewalSummary is the one line that names a run of a renewal.
func renewalSummary(ref payment.RunRef) string {
	_, key, _ := payment.SplitChargeRef(ref.ExternalID)
	return fmt.Sprintf("renewal %s, %s", key, ref.Amount)
}
