package console_test

import (
	"context"

	"tillflow/api/console"
	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
)

// lost is an audit that takes nothing.
type lost struct{ console.Trail }

// unwritten is a record that takes neither action nor entry.
type unwritten struct{}

func (unwritten) InsertAuditedAction(context.Context, payment.Action, audit.Entry) error {
	return payment.Errorf(payment.Unavailable, "the disk is full")
}

func (lost) AppendAudit(context.Context, audit.Entry) error {
	return payment.Errorf(payment.Unavailable, "the audit is away")
}
