package store

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
)

// within puts the scope into a statement.
func within(statement string, by scope) string {
	return strings.ReplaceAll(statement, "%s", string(by))
}

// line is one row of the timeline: codes and ids, never free text.
type line struct {
	what, before, after, detail string
	attempt, evidence           *string
}

func (r *record) note(what, before, after, detail string) {
	r.lines = append(r.lines, line{what: what, before: before, after: after, detail: detail})
}

// noteAttempt is a line about an attempt; evidence may be empty.
func (r *record) noteAttempt(a *attemptRow, evidence string, l line) {
	l.attempt = &a.ID
	if evidence != "" {
		l.evidence = &evidence
	}
	r.lines = append(r.lines, l)
}

// moveTo changes the payment's state by the table of legal moves. A repeated
// state is no move; an illegal one is a bug and rolls everything back.
func (r *record) moveTo(next payment.State) error {
	before := r.p.State
	if before == next {
		return nil
	}
	if !before.CanBecome(next) {
		return bug("illegal_transition", "a payment cannot become %s from %s", next, before)
	}
	r.p.State = next
	r.note("state", string(before), string(next), "")
	return nil
}

// moveIfLegal is for states that only describe: where the table has no such
// move the payment is already further.
func (r *record) moveIfLegal(next payment.State) {
	if r.p.Final == payment.Undecided && r.p.State.CanBecome(next) {
		r.note("state", string(r.p.State), string(next), "")
		r.p.State = next
	}
}

const updatePayment = `
	UPDATE payments SET
		state = @state, choice_seq = @choice_seq, choice_account = @choice_account, choice_method = @choice_method, left_seq = @left_seq, shut = @shut,
		winner_attempt = @winner_attempt, final = @final, final_reason = @final_reason, final_at = @final_at,
		pending_at = @pending_at, told_at = @told_at, tell_refused = @tell_refused, refused_at = @refused_at, next_url = @next_url,
		operator = @operator, operator_since = @operator_since, watch_until = @watch_until, watch_at = @watch_at,
		closed_at = @closed_at, updated_at = @now
	WHERE id = @id AND state = @was_state AND final = @was_final AND choice_seq = @was_choice_seq`

const insertTimeline = `
	INSERT INTO timeline (payment_id, attempt_id, evidence_id, what, before, after, detail, at)
	SELECT @id, l.attempt, l.evidence, l.what, l.before, l.after, l.detail, @now
	FROM unnest(@attempts::uuid[], @evidence::uuid[], @what::text[], @before::text[], @after::text[], @detail::text[])
	     WITH ORDINALITY AS l (attempt, evidence, what, before, after, detail, n)
	ORDER BY l.n`

// save sends what was queued, the payment's row if it changed, and the
// timeline. Nothing decided means nothing written.
func (r *record) save(ctx context.Context, tx pgx.Tx) error {
	if r.p.ID != "" {
		r.closeIfOver()
	}
	r.saveAsked()
	if p := r.p; p != r.was {
		r.batch.Queue(updatePayment, pgx.NamedArgs{
			"id": p.ID, "was_state": r.was.State, "was_final": r.was.Final, "was_choice_seq": r.was.ChoiceSeq, "now": r.now,
			"state": p.State, "choice_seq": p.ChoiceSeq, "choice_account": p.ChoiceAccount, "choice_method": p.ChoiceMethod, "left_seq": p.LeftSeq, "shut": p.Shut,
			"winner_attempt": p.WinnerAttempt, "final": p.Final, "final_reason": p.FinalReason, "final_at": p.FinalAt,
			"pending_at": p.PendingAt, "told_at": p.ToldAt, "tell_refused": p.TellRefused, "refused_at": p.RefusedAt, "next_url": p.NextURL,
			"operator": p.Operator, "operator_since": p.OperatorSince, "watch_until": p.WatchUntil, "watch_at": p.WatchAt,
			"closed_at": p.ClosedAt,
		}).Exec(oneRow("payment"))
	}
	// A session that names no payment has no timeline to stand in.
	if n := len(r.lines); n > 0 && r.p.ID != "" {
		attempts, evidence := make([]*string, n), make([]*string, n)
		what, before, after, detail := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		for i, l := range r.lines {
			attempts[i], evidence[i] = l.attempt, l.evidence
			what[i], before[i], after[i], detail[i] = l.what, l.before, l.after, l.detail
		}
		r.batch.Queue(insertTimeline, pgx.NamedArgs{
			"id": r.p.ID, "attempts": attempts, "evidence": evidence,
			"what": what, "before": before, "after": after, "detail": detail, "now": r.now,
		})
	}
	return r.flush(ctx, tx)
}

// flush sends what was queued so far, for a decision that needs its result.
func (r *record) flush(ctx context.Context, tx pgx.Tx) error {
	b := r.batch
	r.batch = &pgx.Batch{}
	return send(ctx, tx, b)
}

// change locks a payment, lets decide change its record, saves it and answers
// the view of what is then true.
func (s *Store) change(ctx context.Context, by scope, id string, decide func(tx pgx.Tx, r *record) error) (payment.View, error) {
	if by != byLink {
		if err := known("row", id); err != nil {
			return payment.View{}, err
		}
	}
	var view payment.View
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		r, err := s.lock(ctx, tx, by, id)
		if err != nil {
			return err
		}
		if err := decide(tx, r); err != nil {
			return err
		}
		if err := r.save(ctx, tx); err != nil {
			return err
		}
		for _, entry := range r.noted {
			if err := s.AppendAuditIn(ctx, tx, entry); err != nil {
				return err
			}
		}
		view = r.view()
		return nil
	})
	return view, err
}
