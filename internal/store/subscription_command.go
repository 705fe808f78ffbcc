package store

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access/audit"
	"tillflow/internal/money"
	"tillflow/internal/subscription"
)

// givable are the commands that somebody may give; the others are the clock's.
var givable = []subscription.Command{
	subscription.CmdPause, subscription.CmdResume, subscription.CmdChange, subscription.CmdSkip, subscription.CmdCancel,
	subscription.CmdCancelAtEnd, subscription.CmdWithdraw, subscription.CmdRetry, subscription.CmdMethod,
}

// commandRow is a command as it is kept.
type commandRow struct {
	ID, SubscriptionID, Shop string

	Command        subscription.Command
	Args           []byte
	Actor          string
	IdempotencyKey string
	RequestHash    []byte
	At             time.Time
	AppliedAt      *time.Time
	Answer         []byte
}

const commandColumns = `
	SELECT c.id::text, c.subscription_id::text, s.shop, c.command, c.args, c.actor, coalesce(c.idempotency_key, '') AS idempotency_key,
	       c.request_hash, c.at, c.applied_at, c.answer
	FROM subscription_commands c JOIN subscriptions s ON s.id = c.subscription_id `

func (c commandRow) line() (subscription.CommandLine, error) {
	l := subscription.CommandLine{
		Request: subscription.Request{
			ID: c.ID, SubscriptionID: c.SubscriptionID, Shop: c.Shop, Command: c.Command, By: c.Actor,
			IdempotencyKey: c.IdempotencyKey, RequestHash: c.RequestHash,
		},
		At: c.At, AppliedAt: instant(c.AppliedAt),
	}
	if err := json.Unmarshal(c.Args, &l.Args); err != nil {
		return l, bug("args", "a command that cannot be read")
	}
	if c.Answer != nil {
		if err := json.Unmarshal(c.Answer, &l.Answer); err != nil {
			return l, bug("answer", "an answer that cannot be read")
		}
	}
	return l, nil
}

// InsertCommand commits what somebody asks of a subscription; it is carried out
// by [Store.ApplyCommand], soon, or by the next step of the subscription. A repeat
// under the same IdempotencyKey is answered with the row that stands, with
// another RequestHash it is payment.Conflict "idempotency_key_reused". A
// subscription that the shop does not have is payment.NotFound.
func (s *Store) InsertCommand(ctx context.Context, r subscription.Request) (subscription.CommandLine, error) {
	const action = "insert command"
	if err := known("subscription", r.SubscriptionID); err != nil {
		return subscription.CommandLine{}, failure(action, err)
	}
	switch {
	case !slices.Contains(givable, r.Command):
		return subscription.CommandLine{}, refuse("command", subscription.NoRule, "is none that can be asked for")
	case r.By == "":
		return subscription.CommandLine{}, failure(action, bug("by", "a command without who gives it"))
	}
	if r.ID == "" {
		id, err := newID()
		if err != nil {
			return subscription.CommandLine{}, failure(action, err)
		}
		r.ID = id
	}
	args, err := json.Marshal(r.Args)
	if err != nil {
		return subscription.CommandLine{}, failure(action, bug("args", "a command that cannot be written"))
	}
	var out subscription.CommandLine
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		out, err = s.insertCommand(ctx, tx, r, args)
		return err
	})
	return out, subscriptionFailure(action, err)
}

func (s *Store) insertCommand(ctx context.Context, tx pgx.Tx, r subscription.Request, args []byte) (subscription.CommandLine, error) {
	const insert = `
		INSERT INTO subscription_commands (id, subscription_id, command, args, actor, idempotency_key, request_hash, at)
		SELECT @id, s.id, @command, @args, @actor, nullif(@key, ''), @hash, @now FROM subscriptions s WHERE s.id = @subscription AND s.shop = @shop
		ON CONFLICT DO NOTHING`
	named := pgx.NamedArgs{
		"id": r.ID, "subscription": r.SubscriptionID, "shop": r.Shop, "command": r.Command, "args": args, "actor": r.By,
		"key": r.IdempotencyKey, "hash": r.RequestHash, "now": s.now(), "soon": s.now().Add(s.sweepAfter),
	}
	tag, err := tx.Exec(ctx, insert, named)
	if err != nil {
		return subscription.CommandLine{}, err
	}
	row, err := readCommand(ctx, tx, named)
	if err != nil {
		return subscription.CommandLine{}, err
	}
	switch {
	case tag.RowsAffected() == 1:
		// If nobody carries it out now, the sweep has it carried out.
		if _, err := tx.Exec(ctx, `UPDATE subscriptions SET sweep_at = least(sweep_at, @soon) WHERE id = @subscription`, named); err != nil {
			return subscription.CommandLine{}, err
		}
		if r.By != subscription.Customer {
			entry := audit.Entry{
				Actor: audit.Actor{Name: r.By}, Action: "subscription." + string(r.Command), Subject: "subscription " + r.SubscriptionID,
				Detail: audit.Detail("command", r.ID),
			}
			if err := s.AppendAuditIn(ctx, tx, entry); err != nil {
				return subscription.CommandLine{}, err
			}
		}
	case r.IdempotencyKey != "" && string(row.RequestHash) != string(r.RequestHash):
		return subscription.CommandLine{}, conflict("idempotency_key_reused", "the Idempotency-Key was used for another request")
	}
	return row.line()
}

// readCommand reads the command of an id, or of an idempotency key.
func readCommand(ctx context.Context, tx pgx.Tx, args pgx.NamedArgs) (commandRow, error) {
	rows, err := tx.Query(ctx, commandColumns+`
		WHERE s.shop = @shop AND (c.id = @id OR c.subscription_id = @subscription AND c.idempotency_key = nullif(@key, ''))`, args)
	if err != nil {
		return commandRow{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[commandRow])
}

// Command reads what somebody asked and what became of it.
func (s *Store) Command(ctx context.Context, id string) (subscription.CommandLine, error) {
	const action = "read command"
	if err := known("command", id); err != nil {
		return subscription.CommandLine{}, failure(action, err)
	}
	rows, err := s.pool.Query(ctx, commandColumns+`WHERE c.id = @id`, pgx.NamedArgs{"id": id})
	if err != nil {
		return subscription.CommandLine{}, failure(action, err)
	}
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[commandRow])
	if err != nil {
		return subscription.CommandLine{}, failure(action, err)
	}
	line, err := row.line()
	return line, failure(action, err)
}

// maxHear bounds the results that are applied before a command is carried out:
// a charge has one, and its like can follow at most once.
const maxHear = 4

// ApplyCommand carries out a command, once, and answers what became of it with
// how the subscription then stands. A repeat reads the same answer. What the
// domain refuses is an answer, too. A command of another subscription is
// payment.NotFound.
func (s *Store) ApplyCommand(ctx context.Context, subscriptionID, commandID string) (subscription.Answer, subscription.View, error) {
	const action = "apply command"
	if err := known("command", commandID); err != nil {
		return subscription.Answer{}, subscription.View{}, failure(action, err)
	}
	var answer subscription.Answer
	for range maxHear {
		heard := false
		view, err := s.changeSubscription(ctx, subscriptionID, func(tx pgx.Tx, m *member) error {
			// What is known goes first: a result is not undone by who asks.
			if err := m.hear(ctx, tx); err != nil || m.heard != nil {
				heard = err == nil
				return err
			}
			rows, err := tx.Query(ctx, commandColumns+`WHERE c.id = @id AND c.subscription_id = @subscription`,
				pgx.NamedArgs{"id": commandID, "subscription": subscriptionID})
			if err != nil {
				return err
			}
			row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[commandRow])
			if err != nil {
				return err
			}
			answer, err = m.carryOut(ctx, tx, row)
			return err
		})
		if err != nil || !heard {
			return answer, view, subscriptionFailure(action, err)
		}
	}
	return answer, subscription.View{}, failure(action, conflict("moved_on", "results came between each time"))
}

// obeyOldest carries out the oldest command that waits, if there is one.
func (m *member) obeyOldest(ctx context.Context, tx pgx.Tx) (bool, error) {
	rows, err := tx.Query(ctx, commandColumns+`WHERE c.subscription_id = @id AND c.applied_at IS NULL ORDER BY c.at, c.id LIMIT 1`,
		pgx.NamedArgs{"id": m.row.ID})
	if err != nil {
		return false, err
	}
	waiting, err := pgx.CollectRows(rows, pgx.RowToStructByName[commandRow])
	if err != nil || len(waiting) == 0 {
		return false, err
	}
	_, err = m.carryOut(ctx, tx, waiting[0])
	return true, err
}

// carryOut obeys a command that was not carried out before, and notes the answer.
func (m *member) carryOut(ctx context.Context, tx pgx.Tx, row commandRow) (subscription.Answer, error) {
	line, err := row.line()
	if err != nil || row.AppliedAt != nil {
		return line.Answer, err
	}
	answer, err := m.obey(ctx, tx, line)
	if refusal := refusedAs(err); refusal != nil {
		m.is, answer, err = m.was, subscription.Answer{Refused: refusal}, nil
		m.row = m.asRead
	}
	if err != nil {
		return answer, err
	}
	if answer.State = m.is.State; m.is.Open != nil && openKey(m.was) != m.is.Open.Key {
		answer.Charge, answer.Amount = m.is.Open.Key, m.is.Open.Amount
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return answer, bug("answer", "an answer that cannot be written")
	}
	detail := row.ID + " by " + row.Actor
	if answer.Refused != nil {
		detail += " refused " + string(answer.Refused.Reason)
	}
	m.note("command", "", string(row.Command), detail)
	const applied = `UPDATE subscription_commands SET applied_at = @now, answer = @answer WHERE id = @id AND applied_at IS NULL`
	m.batch.Queue(applied, pgx.NamedArgs{"id": row.ID, "now": m.now, "answer": text}).Exec(oneRow("command"))
	return answer, nil
}

// obey does what a command says.
func (m *member) obey(ctx context.Context, tx pgx.Tx, c subscription.CommandLine) (answer subscription.Answer, err error) {
	none := money.New(0, m.is.Balance.Currency)
	answer.Refund, answer.Amount = none, none
	answer.Proration = subscription.Proration{Credit: none, Cost: none}
	switch c.Command {
	case subscription.CmdPause:
		m.is, err = m.is.Pause()
	case subscription.CmdResume:
		if m.row.MethodID == nil {
			return answer, refuse("method", subscription.Missing, "must be given first: there is none to charge")
		}
		m.is, err = m.is.Resume(m.moment())
	case subscription.CmdChange:
		m.is, answer.Proration, err = m.change(ctx, tx, c.Args)
	case subscription.CmdSkip:
		m.is, err = m.is.Skip()
	case subscription.CmdCancel:
		return m.cancel(ctx, tx, c, answer)
	case subscription.CmdCancelAtEnd:
		m.is, err = m.is.CancelAtPeriodEnd()
	case subscription.CmdWithdraw:
		m.is, err = m.is.Withdraw(c.Args.What)
	case subscription.CmdRetry:
		err = m.payNow()
	case subscription.CmdMethod:
		err = m.newMethod(ctx, tx, c.Args)
	case subscription.CmdRenew, subscription.CmdGiveUp:
		err = refuse("command", subscription.NoRule, "is the clock's")
	default:
		err = refuse("command", subscription.NoRule, "is not known")
	}
	return answer, err
}

// change changes the plan, the quantity or both.
func (m *member) change(ctx context.Context, tx pgx.Tx, a subscription.Args) (subscription.Subscription, subscription.Proration, error) {
	quantity := orElse(a.Quantity, m.is.Terms.Quantity)
	if a.Plan == "" {
		return m.is.ChangeQuantity(quantity, a.When, m.moment())
	}
	if err := m.addPlan(ctx, tx, a.Plan); err != nil {
		return m.is, subscription.Proration{}, err
	}
	var of []subscription.Plan
	for _, v := range m.versions {
		if v.ID == a.Plan {
			of = append(of, v)
		}
	}
	to, exists := latest(of)
	if !exists {
		return m.is, subscription.Proration{}, refuse("plan", subscription.Missing, "is none of the shop's")
	}
	return m.is.Change(subscription.Change{
		To: subscription.Terms{Plan: to, Quantity: quantity}, Expected: a.Expected, When: a.When,
	}, m.moment())
}

// payNow sends an owed charge once more because its customer asks for it.
func (m *member) payNow() error {
	next, err := m.is.Retry(m.now)
	switch {
	case err != nil:
		return err
	case m.pay == nil || m.busy():
		return refuse("subscription", subscription.WouldChargeTwice, "has an attempt under way; its result is awaited first")
	case m.shutAlready():
		return refuse("subscription", subscription.WrongState, "is not collected any more for this period")
	case m.row.MethodID == nil:
		return refuse("method", subscription.Missing, "must be given first: there is none to charge")
	}
	m.is = next
	return nil
}

const ownAccount = `SELECT count(*) FROM accounts WHERE id = @account AND shop = @shop AND live = NOT @test::boolean AND enabled`

// newMethod takes the method that the customer gave. It begins a trial that
// waited for it; what is owed is tried with it at once, by the clock.
func (m *member) newMethod(ctx context.Context, tx pgx.Tx, a subscription.Args) error {
	if known("method", a.Method) != nil || known("account", a.Account) != nil {
		return refuse("method", subscription.Missing, "must be one that was kept")
	}
	var n int
	args := pgx.NamedArgs{"account": a.Account, "shop": m.row.Shop, "test": m.row.Test}
	if err := tx.QueryRow(ctx, ownAccount, args).Scan(&n); err != nil {
		return err
	}
	if n != 1 {
		return refuse("method", subscription.Missing, "is not kept by an account of the shop")
	}
	if err := m.take(a.Method, a.Account); err != nil {
		return err
	}
	if m.is.State != subscription.Pending || m.is.Open == nil || m.is.Open.Amount.IsPositive() {
		return nil
	}
	c := *m.is.Open
	next, _, err := m.is.Settle(subscription.Result{Key: c.Key, Paid: true, At: m.now, Zone: m.zone})
	if err != nil {
		return bug("settle", "%s", err.Error())
	}
	m.is, m.heard, m.settled = next, &c, subscription.ChargePaid
	return nil
}
