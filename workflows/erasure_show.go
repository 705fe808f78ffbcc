package workflows

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/privacy"
)

// eraser is nil: it only names methods.
var eraser *activities.Erasure

// requestCall is a step that answers how the request stands.
type requestCall = func(context.Context, activities.RequestInput) (privacy.View, error)

// longWork is for steps that read much: they tell that they are alive, and after
// a quarter of an hour in vain a person is called while they are tried on.
func longWork(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout:    6 * time.Hour,
		ScheduleToCloseTimeout: 7 * time.Hour,
		HeartbeatTimeout:       2 * time.Minute,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, MaximumAttempts: 20},
		Summary:                summary,
	})
}

// requestWatch waits on our own rows for what others decide.
func requestWatch(ctx workflow.Context, t flow.ErasureTiming, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 30 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: t.LookFirst, BackoffCoefficient: 2, MaximumInterval: t.LookMax},
		Summary:             summary,
	})
}

// patientMail is for mails that nobody waits for.
func patientMail(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 30 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 10 * time.Second, BackoffCoefficient: 2, MaximumInterval: time.Hour},
		Summary:             "warn the operator",
	})
}

func clockName(before time.Duration) string {
	if before == 0 {
		return "the law's last moment"
	}
	return fmt.Sprintf("warn %s before the law's last moment", before)
}

// shownRequest is what searches say of a run.
type shownRequest struct {
	state   privacy.State
	trouble privacy.Trouble
}

// progress shows what happened, what is awaited until when, and what to press.
func (e *erasure) progress(ctx workflow.Context) {
	lines := []string{
		"**" + strings.ReplaceAll(string(e.in.Kind), "_", " ") + "** of " + e.in.Shop + ", request `" + e.in.RequestID + "`", "",
		fmt.Sprintf("Received %s, to be served before %s.", stamp(e.in.ReceivedAt), stamp(e.in.DueAt)), "", e.waitsFor(),
	}
	if text := troubleText(e.view.Trouble); text != "" {
		lines = append(lines, "", text)
	}
	e.note = strings.Join(append(lines, "", "`tillflow privacy show "+e.in.RequestID+"`, and `tillflow privacy retry` to look again now."), "\n")
	workflow.SetCurrentDetails(ctx, e.note)
	now := shownRequest{e.view.State, e.view.Trouble}
	if now == e.shown {
		return
	}
	e.shown = now
	err := workflow.UpsertTypedSearchAttributes(ctx, flow.PayStatus.ValueSet(string(now.state)),
		flow.PayNeedsOperator.ValueSet(now.trouble != privacy.NoTrouble), flow.PayReason.ValueSet(string(now.trouble)))
	if err != nil {
		workflow.GetLogger(ctx).Error("search attributes not set", "error", err)
	}
}

func (e *erasure) waitsFor() string {
	switch {
	case e.view.State == privacy.Done && e.in.Kind == privacy.DataRequest:
		return "The export was mailed to the merchant."
	case e.view.State == privacy.Done:
		return fmt.Sprintf("Erased and certified: %d keys destroyed, %d payments cleared.", e.view.Subjects, e.view.Payments)
	case e.rests:
		return "Waiting before the next try."
	case e.view.State == privacy.Received:
		return "Finding out whom it is about."
	case e.in.Kind == privacy.DataRequest:
		return "Gathering the export and mailing it to the merchant."
	case e.view.State == privacy.Waiting && e.view.Open > 0:
		return fmt.Sprintf("Waiting until %d open payments are over; the sweep wakes this run.", e.view.Open)
	case e.view.State == privacy.Waiting:
		return "Destroying the keys."
	case e.view.State == privacy.Erased:
		return "The keys are destroyed. Looking for the person everywhere."
	}
	return "In no known state."
}

// troubleText says what happened, what it means and what to press.
func troubleText(why privacy.Trouble) string {
	switch why {
	case privacy.NoTrouble:
		return ""
	case privacy.OpenPayments:
		return "**A person is needed: the law's time is over and a payment of the person is still open.** Nothing is erased while money is open. " +
			"Bring the payment to its end: `tillflow payment list -operator`."
	case privacy.Residue:
		return "**A person is needed: the person was found outside the vault.** The keys are destroyed; some text was left behind. " +
			"`tillflow privacy show` says where. Remove it there, then `tillflow privacy retry`."
	case privacy.NoAddress:
		return "**A person is needed: the merchant cannot be mailed.** Set an address with `tillflow shop -mail`, then `tillflow privacy retry`; " +
			"or hand over what `tillflow privacy export` writes."
	case privacy.Overdue:
		return "**A person is needed: a step fails again and again.** The failed activity says why. It is tried again by itself."
	}
	return fmt.Sprintf("**A person is needed: %s.**", why)
}
