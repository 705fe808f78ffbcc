package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
)

// InsertAuditedAction is [Store.InsertAction] and its entry in the audit, in one
// transaction: what a person wants is never written without being noted, also
// when the process dies in between. The entry names the action by its ID, so the
// caller makes it; free text belongs into the action, never into the entry.
func (s *Store) InsertAuditedAction(ctx context.Context, action payment.Action, entry audit.Entry) error {
	const doing = "insert action"
	if action.ID == "" {
		return failure(doing, bug("action_id", "an audited action without an id"))
	}
	if err := checkAction(&action); err != nil {
		return failure(doing, err)
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		r, err := s.lock(ctx, tx, byPayment, action.PaymentID)
		if err != nil {
			return err
		}
		if action.AttemptID != "" {
			if _, err := r.attempt(action.AttemptID); err != nil {
				return err
			}
		}
		if err := r.writeAction(ctx, tx, action); err != nil {
			return err
		}
		return s.AppendAuditIn(ctx, tx, entry)
	})
	return failure(doing, err)
}
