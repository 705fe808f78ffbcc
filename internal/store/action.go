package store

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access/audit"
	"tillflow/internal/crypt"
	"tillflow/internal/payment"
)

// What a person may write about a payment.
const (
	actionResolve = "resolve"
	actionRetry   = "retry"
	actionExpire  = "expire"
	actionNote    = "note"
)

// textUse names the hash of a person's free text, kept where the text is not.
const textUse = "action text 1"

// InsertAction writes what somebody wants, notes it in the audit under the
// action's actor, both or none, and answers the row's id. It moves nothing;
// [Store.ApplyAction] does, once. Free text goes to the vault under the buyer's
// key, so that erasing the buyer erases it. An empty ID is made here; a repeated
// one is payment.Conflict.
func (s *Store) InsertAction(ctx context.Context, action payment.Action) (string, error) {
	if err := checkAction(&action); err != nil {
		return "", failure("insert action", err)
	}
	entry := audit.Entry{
		Actor: audit.Actor{Name: action.Actor}, Action: "payment." + action.Action, Subject: "payment " + action.PaymentID,
		Detail: audit.Detail("action", action.ID, "choice", string(action.Choice), "attempt", action.AttemptID),
	}
	return action.ID, s.InsertAuditedAction(ctx, action, entry)
}

func checkAction(action *payment.Action) error {
	switch action.Action {
	case actionResolve:
		switch action.Choice {
		case payment.DecidePaid, payment.DecideNotPaid, payment.DecideGiveBack, payment.DecideKeep:
		default:
			return invalid("choice", "unknown choice")
		}
	case actionRetry, actionExpire, actionNote:
		if action.Choice != "" {
			return invalid("choice", "only resolve has a choice")
		}
	default:
		return invalid("action", "unknown action")
	}
	if action.Actor == "" {
		return invalid("actor", "an action without an actor")
	}
	if action.ID == "" {
		id, err := newID()
		if err != nil {
			return err
		}
		action.ID = id
	}
	if known("action", action.ID) != nil {
		return invalid("action_id", "malformed action id")
	}
	if action.AttemptID != "" && known("attempt", action.AttemptID) != nil {
		return invalid("attempt_id", "malformed attempt id")
	}
	return known("payment", action.PaymentID)
}

const insertAction = `
	INSERT INTO actions (id, payment_id, actor, action, choice, attempt_id, text_id, text_hash, at)
	VALUES (@id, @payment, @actor, @action, @choice, nullif(@attempt, '')::uuid, nullif(@text_id, '')::uuid, nullif(@hash, ''), @at)`

func (r *record) writeAction(ctx context.Context, tx pgx.Tx, action payment.Action) error {
	textID, hash := "", ""
	if action.Text != "" {
		key, err := r.subjectKey(ctx, tx)
		if err != nil {
			return err
		}
		if textID, err = r.sealText(key, action.Text); err != nil {
			return err
		}
		if hash, err = r.s.vault.HashUnder(key, textUse, action.Text); err != nil {
			return bug("vault", "the text cannot be hashed")
		}
	}
	at := r.now
	if !action.At.IsZero() {
		at = stored(action.At)
	}
	r.batch.Queue(insertAction, pgx.NamedArgs{
		"id": action.ID, "payment": action.PaymentID, "actor": action.Actor, "action": action.Action, "choice": action.Choice,
		"attempt": action.AttemptID, "text_id": textID, "hash": hash, "at": at,
	})
	return r.save(ctx, tx)
}

// subjectKey gives the key of the payment's subject, or makes a subject for a
// payment without one, or whose person was erased.
func (r *record) subjectKey(ctx context.Context, tx pgx.Tx) (crypt.DataKey, error) {
	const find = `
		SELECT s.id::text, s.wrapped_key FROM payments p JOIN subjects s ON s.id = p.subject_id
		WHERE p.id = @id AND s.erased_at IS NULL`
	const insert = `INSERT INTO subjects (id, shop, lookup, wrapped_key, created_at) VALUES (@id, @shop, @lookup, @key, @now)`
	const attach = `UPDATE payments SET subject_id = @subject WHERE id = @id AND subject_id IS NULL`
	var key crypt.DataKey
	err := tx.QueryRow(ctx, find, pgx.NamedArgs{"id": r.p.ID}).Scan(&key.Owner, &key.Wrapped)
	if !none(err) {
		return key, err
	}
	if key, err = r.s.newSubject(); err != nil {
		return key, err
	}
	r.batch.Queue(insert, pgx.NamedArgs{
		"id": key.Owner, "shop": r.p.Shop, "lookup": "none:" + key.Owner, "key": key.Wrapped, "now": r.now,
	})
	r.batch.Queue(attach, pgx.NamedArgs{"subject": key.Owner, "id": r.p.ID})
	return key, nil
}

func (r *record) sealText(key crypt.DataKey, text string) (string, error) {
	const insert = `
		INSERT INTO vault (id, subject_id, kind, sealed, created_at) VALUES (@id, @subject, 'note', @sealed, @now)`
	id, err := newID()
	if err != nil {
		return "", err
	}
	sealed, err := r.s.vault.Seal(key, id, []byte(text))
	if err != nil {
		return "", bug("vault", "the text cannot be sealed")
	}
	r.batch.Queue(insert, pgx.NamedArgs{"id": id, "subject": key.Owner, "sealed": sealed, "now": r.now})
	return id, nil
}

// ApplyAction carries out what a person wrote, once, and notes the outcome in the
// audit; a repeat changes nothing. An action of another payment is
// payment.Invalid, one that does not fit the payment's state payment.Conflict,
// noted in its row and the audit and not applied.
func (s *Store) ApplyAction(ctx context.Context, paymentID, actionID string) (payment.View, error) {
	const doing = "apply action"
	if err := known("action", actionID); err != nil {
		return payment.View{}, failure(doing, err)
	}
	view, err := s.change(ctx, byPayment, paymentID, func(tx pgx.Tx, r *record) error {
		action, applied, err := loadAction(ctx, tx, actionID)
		switch {
		case err != nil:
			return err
		case action.PaymentID != r.p.ID:
			return invalid("foreign_action", "the action is one of another payment")
		case applied:
			return nil
		}
		if err := r.apply(ctx, tx, action); err != nil {
			return err
		}
		const done = `UPDATE actions SET applied_at = @now, result = 'applied' WHERE id = @id AND applied_at IS NULL`
		r.batch.Queue(done, pgx.NamedArgs{"id": actionID, "now": r.now}).Exec(oneRow("action"))
		r.note("action", "", strings.TrimSpace(action.Action+" "+string(action.Choice)), action.Actor)
		r.noted = append(r.noted, outcomeOf(action, "payment.applied"))
		return nil
	})
	if err != nil && payment.ClassOf(err, payment.Unavailable) == payment.Conflict {
		s.noteRefusal(ctx, actionID)
	}
	return view, failure(doing, err)
}

// outcomeOf is what the audit says of an action once it is known what became of it.
func outcomeOf(action payment.Action, what string) audit.Entry {
	return audit.Entry{
		Actor: audit.Actor{Name: action.Actor}, Action: what, Subject: "payment " + action.PaymentID, Detail: audit.Detail("action", action.ID),
	}
}

// noteRefusal leaves a trace of an action that did not fit. Without it the
// action is refused all the same.
func (s *Store) noteRefusal(ctx context.Context, actionID string) {
	const refuse = `
		UPDATE actions SET result = 'refused' WHERE id = @id AND applied_at IS NULL AND result <> 'refused'
		RETURNING id::text, payment_id::text, actor`
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var a payment.Action
		err := tx.QueryRow(ctx, refuse, pgx.NamedArgs{"id": actionID}).Scan(&a.ID, &a.PaymentID, &a.Actor)
		if none(err) {
			return nil // noted before
		}
		if err != nil {
			return err
		}
		return s.AppendAuditIn(ctx, tx, outcomeOf(a, "payment.refused"))
	})
	if err != nil {
		s.log.Warn().Err(failure("note refusal", err)).Str("action_id", actionID).Msg("refused action not noted")
	}
}

func loadAction(ctx context.Context, tx pgx.Tx, id string) (payment.Action, bool, error) {
	const find = `
		SELECT id::text, payment_id::text, actor, action, choice, coalesce(attempt_id::text, ''), at, applied_at
		FROM actions WHERE id = @id FOR UPDATE`
	var a payment.Action
	var applied *time.Time
	err := tx.QueryRow(ctx, find, pgx.NamedArgs{"id": id}).
		Scan(&a.ID, &a.PaymentID, &a.Actor, &a.Action, &a.Choice, &a.AttemptID, &a.At, &applied)
	return a, applied != nil, err
}

func (r *record) apply(ctx context.Context, tx pgx.Tx, action payment.Action) error {
	switch action.Action {
	case actionResolve:
		return r.resolveBy(ctx, tx, action)
	case actionExpire:
		return r.expire(action)
	case actionRetry, actionNote:
		return nil
	}
	return bug("action", "unknown action in a row")
}

// expire shuts the door of a charge. A move has no door.
func (r *record) expire(action payment.Action) error {
	if action.AttemptID != "" {
		a, err := r.attempt(action.AttemptID)
		if err != nil {
			return err
		}
		if a.Operation != payment.OpCharge {
			return conflict("not_a_charge", "only a charge can be expired")
		}
	}
	r.shut(payment.Cancelled)
	return nil
}
