package activities

import (
	"context"
	"errors"

	"go.temporal.io/sdk/temporal"

	"tillflow/internal/payment"
)

// moneyErr turns the error of a call that may have moved money into an
// application error whose type is its class. What carries no class may have
// been accepted, and what may have been accepted says so in words: people read
// it at the pending activity in Temporal.
func moneyErr(err error) error {
	e, ok := asPaymentError(err)
	if !ok {
		e = &payment.Error{Class: payment.Unknown, Message: message(err)}
	}
	if e.Class == payment.Unknown {
		e = &payment.Error{Class: e.Class, Code: e.Code, Message: "in doubt: " + e.Message, RetryAfter: e.RetryAfter}
	}
	return applicationError(e, e.Class)
}

// plainErr does the same for a call that moves nothing: what carries no class
// can be repeated.
func plainErr(err error) error { return applicationError(err, payment.Unavailable) }

func applicationError(err error, fallback payment.Class) error {
	if err == nil {
		return nil
	}
	if _, is := errors.AsType[*temporal.ApplicationError](err); is {
		return err
	}
	e, ok := errors.AsType[*payment.Error](err)
	if !ok {
		e = &payment.Error{Class: fallback, Message: message(err)}
	}
	// What is paused goes back to the workflow, which rests as long as it is told and hears people meanwhile: a buyer may
	// choose another way to pay.
	o := temporal.ApplicationErrorOptions{NonRetryable: final(e.Class) || e.Code == payment.CodePaused, NextRetryDelay: e.RetryAfter}
	if e.Class == payment.RateLimited || e.Class == payment.StillPending {
		o.Category = temporal.ApplicationErrorCategoryBenign
	}
	return temporal.NewApplicationErrorWithOptions(e.Error(), string(e.Class), o)
}

// message keeps foreign error texts out of histories: they may quote what a
// person typed. The log of the activity has them.
func message(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	if errors.Is(err, context.Canceled) {
		return "cancelled"
	}
	return "unclassified failure, see the log"
}

// final says which classes a retry of the same activity cannot mend.
func final(c payment.Class) bool {
	switch c {
	case payment.Invalid, payment.Unauthorized, payment.NotFound, payment.Conflict, payment.Unsupported, payment.Bug:
		return true
	case payment.RateLimited, payment.Unavailable, payment.Unknown, payment.StillPending:
		return false
	}
	return true
}
