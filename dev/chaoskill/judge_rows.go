package chaoskill

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// ledger is what our books say about a shop's account at Stripe, in minor units.
type ledger struct {
	There int64 // at the provider, its fees not taken off, less what is on its way to buyers
	Held  int64
	Owed  int64 // to the merchant, with what disputes withdrew for now
	Trial int64 // all accounts together
}

const selectLedger = `
	SELECT coalesce(sum(l.amount_minor) FILTER (WHERE l.account LIKE 'test/provider:%' OR l.account LIKE 'test/fees:%'
	                                               OR l.account LIKE 'test/refunds:%'), 0)::bigint,
	       coalesce(sum(l.amount_minor) FILTER (WHERE l.account LIKE 'test/authorized:%'), 0)::bigint,
	       coalesce(-sum(l.amount_minor) FILTER (WHERE l.account LIKE 'test/merchant:%' OR l.account LIKE 'test/disputes:%'), 0)::bigint,
	       coalesce(sum(l.amount_minor), 0)::bigint
	FROM ledger_postings l JOIN ledger_entries e ON e.id = l.entry_id JOIN payments p ON p.id = e.payment_id
	WHERE p.shop = $1 AND l.currency = 'EUR'`

// answerRow is what our row says about a session.
type answerRow struct {
	GID, Final string
	Told       bool
	Operator   string
}

const selectAnswers = `
	SELECT gid, final, told_at IS NOT NULL, operator FROM payments WHERE shop = $1
	UNION ALL
	SELECT gid, final, told_at IS NOT NULL, operator FROM move_sessions WHERE shop = $1`

// selectUnproven finds changes of attempts that say more than "we sent it" or "we do not know", and name no evidence of
// the very state; and attempts whose state no line of the timeline tells.
const selectUnproven = `
	SELECT t.attempt_id::text || ': ' || t.before || ' → ' || t.after
	FROM timeline t JOIN payments p ON p.id = t.payment_id
	LEFT JOIN evidence e ON e.id = t.evidence_id AND e.attempt_id = t.attempt_id
	WHERE p.shop = $1 AND t.what = 'attempt' AND t.after NOT IN ('allocated', 'sent', 'in_doubt') AND e.state IS DISTINCT FROM t.after
	UNION ALL
	SELECT a.id::text || ' is ' || a.state || ', untold'
	FROM attempts a JOIN payments p ON p.id = a.payment_id
	WHERE p.shop = $1 AND a.state <> 'sent'
	  AND NOT EXISTS (SELECT FROM timeline t WHERE t.attempt_id = a.id AND t.after = a.state)`

// books judges our rows about one shop by the books of the witnesses.
func (b *batch) books(ctx context.Context, shop string, sessions []shopify.Session, account stripe.AccountBooks) error {
	ledgers, err := rowsOf[ledger](ctx, b, selectLedger, shop)
	if err != nil {
		return err
	}
	theirs := account.Totals["eur"]
	net := theirs.Captured - theirs.Refunded - theirs.Disputed
	if want := (ledger{There: net, Held: theirs.Held, Owed: net}); ledgers[0] != want {
		b.find(booksDiffer, "%s: ours say %+v, by Stripe's they are %+v", shop, ledgers[0], want)
	}
	answers, err := rowsOf[answerRow](ctx, b, selectAnswers, shop)
	if err != nil {
		return err
	}
	b.answerRows(shop, sessions, answers)
	unproven, err := rowsOf[struct{ Text string }](ctx, b, selectUnproven, shop)
	for _, u := range unproven {
		b.find(noEvidence, "%s: attempt %s", shop, u.Text)
	}
	return err
}

func (b *batch) answerRows(shop string, sessions []shopify.Session, rows []answerRow) {
	byGID := make(map[string]answerRow, len(rows))
	for _, row := range rows {
		byGID[row.GID] = row
		if row.Operator != "" {
			b.find(personCalled, "%s: %s because of %s", shop, row.GID, row.Operator)
		}
	}
	if len(byGID) != len(rows) {
		b.find(rowsDiffer, "%s: %d rows for %d sessions", shop, len(rows), len(byGID))
	}
	for _, s := range sessions {
		want := answerRow{GID: s.GID, Final: map[shopify.State]string{shopify.StateResolved: "resolve", shopify.StateRejected: "reject"}[s.State], Told: true}
		got, here := byGID[s.GID]
		got.Operator = ""
		if !here || got != want {
			b.find(rowsDiffer, "%s: %s is %s, our row says %q, told %v", shop, s.GID, s.State, got.Final, got.Told)
		}
	}
}

func rowsOf[T any](ctx context.Context, b *batch, sql, shop string) ([]T, error) {
	rows, err := b.world.pool.Query(ctx, sql, shop)
	if err != nil {
		return nil, fmt.Errorf("read the record of %s: %w", shop, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		return nil, fmt.Errorf("read the record of %s: %w", shop, err)
	}
	return list, nil
}
