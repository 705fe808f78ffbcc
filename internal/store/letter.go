package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access/audit"
	"tillflow/internal/letter"
	"tillflow/internal/payment"
)

// OwnLetter reads a shop's own text of a letter; payment.NotFound: it has none.
func (s *Store) OwnLetter(ctx context.Context, shop string, kind letter.Kind, language string) (letter.Template, error) {
	const query = `SELECT subject, button, body FROM letters WHERE shop = @shop AND kind = @kind AND language = @language`
	var t letter.Template
	err := s.pool.QueryRow(ctx, query, pgx.NamedArgs{"shop": shop, "kind": kind, "language": language}).Scan(&t.Subject, &t.Button, &t.Body)
	return t, failure("read letter", err)
}

// OwnLetters lists the kinds of which a shop has its own text in a language.
func (s *Store) OwnLetters(ctx context.Context, shop, language string) ([]letter.Kind, error) {
	const action = "list letters"
	rows, err := s.pool.Query(ctx, `SELECT kind FROM letters WHERE shop = @shop AND language = @language ORDER BY kind`,
		pgx.NamedArgs{"shop": shop, "language": language})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[letter.Kind])
	return list, failure(action, err)
}

// SaveLetter puts a shop's own text in place of ours and notes it in the audit.
// The text has passed the kind's check; a *letter.Fault otherwise.
// payment.NotFound for an unknown shop.
func (s *Store) SaveLetter(ctx context.Context, l letter.Own, by audit.Actor) error {
	const action = "save letter"
	if err := l.Check(); err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	const upsert = `
		INSERT INTO letters (shop, kind, language, subject, button, body, changed_at)
		VALUES (@shop, @kind, @language, @subject, @button, @body, @now)
		ON CONFLICT (shop, kind, language) DO UPDATE SET subject = @subject, button = @button, body = @body, changed_at = @now`
	args := pgx.NamedArgs{
		"shop": l.Shop, "kind": l.Kind, "language": l.Language, "subject": l.Subject, "button": l.Button, "body": l.Body, "now": s.now(),
	}
	return failure(action, s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, upsert, args); err != nil {
			return unknownShop(err, l.Shop)
		}
		return s.AppendAuditIn(ctx, tx, letterEntry("letter.change", l, by))
	}))
}

// DropLetter goes back to our text and notes it in the audit; payment.NotFound
// where the shop has none of its own.
func (s *Store) DropLetter(ctx context.Context, l letter.Own, by audit.Actor) error {
	return failure("drop letter", s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `DELETE FROM letters WHERE shop = @shop AND kind = @kind AND language = @language`,
			pgx.NamedArgs{"shop": l.Shop, "kind": l.Kind, "language": l.Language})
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return &payment.Error{Class: payment.NotFound, Code: "no_letter", Message: "the shop has no text of its own here"}
		}
		return s.AppendAuditIn(ctx, tx, letterEntry("letter.drop", l, by))
	}))
}

func letterEntry(what string, l letter.Own, by audit.Actor) audit.Entry {
	return audit.Entry{Actor: by, Action: what, Subject: "shop " + l.Shop, Detail: fmt.Sprintf("kind=%s language=%s", l.Kind, l.Language)}
}
