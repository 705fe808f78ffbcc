package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/ledger"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// bookSuccess books money that a provider holds or has taken.
func (r *record) bookSuccess(a *attemptRow) error {
	if a.State == payment.Held {
		return r.post(a, ledger.KindAuthorization, a.actual(), r.books(a).Authorization)
	}
	return r.post(a, ledger.KindCharge, a.actual(), r.books(a).Charge)
}

// bookCapture books held money as taken. Nothing more is expected of the
// attempt: the rest of the hold is released, and what was taken beyond the hold
// is booked as a charge.
func (r *record) bookCapture(a *attemptRow) error {
	took, books := a.actual(), r.books(a)
	if back := r.reversalOf(a); a.HoldEndedAt != nil || back != nil && back.State == operationDone {
		return r.post(a, ledger.KindCharge, took, books.Charge) // the hold is booked back already
	}
	if took.Currency != a.held.Currency {
		if err := r.post(a, ledger.KindRelease, a.held, books.ReleaseAuthorization); err != nil {
			return err
		}
		return r.post(a, ledger.KindCharge, took, books.Charge)
	}
	rest, err := a.held.Sub(took)
	if err != nil {
		return bug("amount", "the rest of a hold cannot be reckoned")
	}
	captured := took
	if rest.Minor < 0 {
		captured = a.held
	}
	if err := r.post(a, ledger.KindCapture, captured, books.CaptureAuthorized); err != nil || rest.IsZero() {
		return err
	}
	if rest.IsPositive() {
		return r.post(a, ledger.KindRelease, rest, books.ReleaseAuthorization)
	}
	beyond, err := rest.Neg()
	if err != nil {
		return bug("amount", "what was taken beyond a hold cannot be reckoned")
	}
	return r.post(a, ledger.KindCharge, beyond, books.Charge)
}

// bookReversal books the parent's money as given back by attempt a.
func (r *record) bookReversal(a, parent *attemptRow) error {
	if parent.State == payment.Held && a.Leg == string(payment.OpVoid) {
		return r.post(a, ledger.KindReversal, a.actual(), r.books(parent).ReverseAuthorization)
	}
	return r.post(a, ledger.KindReversal, a.actual(), r.books(parent).ReverseCharge)
}

// bookFee books what the provider kept of an attempt's money, the first time it
// says so. A later, different figure is settlement's to reconcile.
func (r *record) bookFee(a *attemptRow, fee money.Amount) error {
	return r.post(a, ledger.KindFee, fee, r.books(a).Fee)
}

// insertEntry writes an entry with its postings unless its key is there, and
// answers the hash that is there. The snapshot is older than the insert, so a
// new entry answers null.
const insertEntry = `
	WITH entry AS (
		INSERT INTO ledger_entries (id, key, hash, kind, payment_id, operation_id, attempt_id, at)
		VALUES (@id, @key, @hash, @kind, @payment, @operation, @attempt, @now)
		ON CONFLICT (key) DO NOTHING
		RETURNING id
	), postings AS (
		INSERT INTO ledger_postings (entry_id, account, amount_minor, currency)
		SELECT entry.id, p.account, p.minor, p.currency
		FROM entry, unnest(@accounts::text[], @minors::bigint[], @currencies::text[]) AS p (account, minor, currency)
	)
	SELECT (SELECT count(*) FROM entry), (SELECT hash FROM ledger_entries WHERE key = @key)`

// post books a flow once for an attempt and kind. The same key with other
// content is payment.Conflict: somebody books a second event as the first.
func (r *record) post(a *attemptRow, kind ledger.Kind, amount money.Amount, flow func(ledger.Ref, money.Amount) (ledger.Entry, error)) error {
	id, err := newID()
	if err != nil {
		return err
	}
	entry, err := flow(ledger.Ref{Key: a.ID + "/" + string(kind), PaymentID: r.p.ID, OperationID: a.OperationID}, amount)
	if err != nil {
		return &payment.Error{Class: payment.Bug, Code: "ledger", Message: err.Error(), Err: err}
	}
	n := len(entry.Postings)
	accounts, minors, currencies := make([]string, n), make([]int64, n), make([]string, n)
	for i, p := range entry.Postings {
		accounts[i], minors[i], currencies[i] = string(p.Account), p.Amount.Minor, string(p.Amount.Currency)
	}
	hash := entry.Hash()
	r.batch.Queue(insertEntry, pgx.NamedArgs{
		"id": id, "key": entry.Key, "hash": hash[:], "kind": entry.Kind, "payment": r.p.ID, "operation": a.OperationID,
		"attempt": a.ID, "now": r.now, "accounts": accounts, "minors": minors, "currencies": currencies,
	}).QueryRow(func(row pgx.Row) error {
		var inserted int
		var standing []byte
		if err := row.Scan(&inserted, &standing); err != nil {
			return err
		}
		if inserted == 0 && string(standing) != string(hash[:]) {
			return conflict("ledger_key", "ledger entry %s is booked with other content", entry.Key)
		}
		return nil
	})
	r.noteAttempt(a, "", line{what: "booked", after: string(kind), detail: amount.String()})
	return nil
}

// Balance is what an account of the ledger stands at; debits are positive.
type Balance struct {
	Account ledger.Account
	Amount  money.Amount
}

// LedgerBalances answers the balance of every account and currency, also those
// that stand at zero, in the order of their names.
func (s *Store) LedgerBalances(ctx context.Context) ([]Balance, error) {
	const action = "read ledger balances"
	rows, err := s.pool.Query(ctx, `
		SELECT account, currency, sum(amount_minor)::bigint
		FROM ledger_postings GROUP BY account, currency ORDER BY account, currency`)
	if err != nil {
		return nil, failure(action, err)
	}
	var list []Balance
	var account, currency string
	var minor int64
	_, err = pgx.ForEachRow(rows, []any{&account, &currency, &minor}, func() error {
		list = append(list, Balance{Account: ledger.Account(account), Amount: money.New(minor, money.Currency(currency))})
		return nil
	})
	return list, failure(action, err)
}

// ErrTrialBalance reports books that do not balance.
var ErrTrialBalance = errors.New("the books do not balance")

// TrialBalance proves the books: every entry has postings and sums to zero in
// each currency, live and test money never meet, and so all accounts together
// sum to zero. ErrTrialBalance names the first entry at fault, as a payment.Bug.
func (s *Store) TrialBalance(ctx context.Context) error {
	const faults = `
		SELECT e.key
		FROM ledger_entries e LEFT JOIN ledger_postings p ON p.entry_id = e.id
		GROUP BY e.id, e.key, p.currency
		HAVING count(p.id) < 2 OR sum(p.amount_minor) <> 0 OR count(DISTINCT split_part(p.account, '/', 1)) <> 1
		ORDER BY e.key LIMIT 1`
	var key string
	err := s.pool.QueryRow(ctx, faults).Scan(&key)
	if none(err) {
		return nil
	}
	if err != nil {
		return failure("trial balance", err)
	}
	return &payment.Error{Class: payment.Bug, Code: "trial_balance", Message: "ledger entry " + key + " is at fault", Err: ErrTrialBalance}
}
