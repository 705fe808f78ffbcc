package store

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// overdue is how long after a task was due the sweep makes sure that a run does
// it; idle is how often it looks at a subscription that no clock waits for.
const (
	overdue = time.Minute
	idle    = 24 * time.Hour
)

// save writes what was decided: the charges that it opens and ends, their
// payments, the periods, the timeline, the news, and the row, guarded by the
// revision that was read. Nothing decided means nothing written.
func (m *member) save(ctx context.Context, tx pgx.Tx) error {
	if err := m.charges(ctx, tx); err != nil {
		return err
	}
	if err := m.plan(); err != nil {
		return err
	}
	m.periods()
	if err := m.tellNews(); err != nil {
		return err
	}
	m.story()
	if err := m.update(); err != nil {
		return err
	}
	if m.pay != nil {
		if err := m.pay.save(ctx, tx); err != nil {
			return err
		}
	}
	return send(ctx, tx, m.batch)
}

// plan finds out what the clock does next.
func (m *member) plan() error {
	due, err := m.is.Due(m.policy, m.moment(), m.row.NoticedPeriod)
	if err != nil {
		return bug("due", "%s", err.Error())
	}
	if due.Task == subscription.TaskReview && m.row.Operator != payment.NobodyNeeded {
		due = subscription.Due{Task: subscription.TaskGiveUp, At: m.is.Period.End, Next: due.Next} // a person knows
	}
	if due.Task != subscription.NoTask && m.later.After(due.At) {
		due.At = m.later
	}
	m.task = due
	return nil
}

const updateSubscription = `
	UPDATE subscriptions SET
		plan_id = @plan, plan_version = @version, quantity = @quantity, state = @state, revision = revision + 1, value = @value,
		price_minor = @price, currency = @currency, period = @period, period_ends_at = @ends, open_key = @open,
		method_id = @method, method_account = @account, keep_payment = @keep, noticed_period = @noticed,
		task = @task, due_at = @due, sweep_at = @sweep, operator = @operator,
		operator_since = CASE WHEN @operator = '' THEN NULL WHEN @operator = operator THEN operator_since ELSE @now END,
		changed_at = @now, ended_at = @ended
	WHERE id = @id AND revision = @revision`

// update writes the row, if anything of it changed.
func (m *member) update() error {
	value, err := json.Marshal(m.is)
	if err != nil {
		return bug("subscription", "a subscription that cannot be written")
	}
	price, err := m.is.Terms.Price()
	if err != nil {
		return bug("subscription", "terms without a price")
	}
	if m.is.State.Over() && m.is.Open == nil && m.row.EndedAt == nil {
		m.row.EndedAt = &m.now
	}
	due, sweep := nullable(m.task.At), m.now.Add(idle)
	if due != nil {
		sweep = due.Add(overdue)
	}
	switch soon := m.now.Add(overdue); {
	case m.fresh:
		sweep = m.now.Add(m.s.sweepAfter) // it has no run so far
	case sweep.Before(soon) || len(m.stir) > 0 || m.row.KeepPayment != nil:
		sweep = soon // somebody has to act on it now
	}
	old, err := json.Marshal(m.was)
	if err != nil {
		return bug("subscription", "a subscription that cannot be written")
	}
	if string(old) == string(value) && m.row.same(m.asRead) && m.row.Task == m.task.Task && equalTimes(m.row.DueAt, due) {
		return nil
	}
	m.batch.Queue(updateSubscription, pgx.NamedArgs{
		"id": m.row.ID, "revision": m.row.Revision, "now": m.now, "value": value,
		"plan": m.is.Terms.Plan.ID, "version": m.is.Terms.Plan.Version, "quantity": m.is.Terms.Quantity, "state": m.is.State,
		"price": price.Minor, "currency": price.Currency, "period": m.is.Period.Number, "ends": m.is.Period.End, "open": openKey(m.is),
		"method": m.row.MethodID, "account": m.row.MethodAccount, "keep": m.row.KeepPayment, "noticed": m.row.NoticedPeriod,
		"task": m.task.Task, "due": due, "sweep": sweep, "operator": m.row.Operator, "ended": m.row.EndedAt,
	}).Exec(oneRow("subscription"))
	m.row.Revision++
	m.row.Task, m.row.DueAt = m.task.Task, due
	return nil
}

func openKey(s subscription.Subscription) string {
	if s.Open == nil {
		return ""
	}
	return s.Open.Key
}

func equalTimes(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

// same compares what decisions change of a row beside the value.
func (r subscriptionRow) same(o subscriptionRow) bool {
	return text(r.MethodID) == text(o.MethodID) && text(r.MethodAccount) == text(o.MethodAccount) &&
		text(r.KeepPayment) == text(o.KeepPayment) && r.NoticedPeriod == o.NoticedPeriod && r.Operator == o.Operator &&
		equalTimes(r.EndedAt, o.EndedAt)
}

const (
	cutPeriod = `UPDATE subscription_periods SET ends_at = @ends WHERE subscription_id = @id AND number = @number AND ends_at <> @ends`
	putPeriod = `
	INSERT INTO subscription_periods (subscription_id, number, kind, starts_at, ends_at, plan_id, plan_version, quantity, price_minor, currency, opened_at)
	VALUES (@id, @number, @kind, @starts, @ends, @plan, @version, @quantity, @price, @currency, @now)`
	datePeriod = `
	UPDATE subscription_periods SET starts_at = @starts, ends_at = @ends, plan_id = @plan, plan_version = @version, quantity = @quantity,
	       price_minor = @price, currency = @currency
	WHERE subscription_id = @id AND number = @number`
)

// periods opens the row of a period, or corrects that of the current one. A
// second row of one number is refused by the key.
func (m *member) periods() {
	was, is := m.was.Period, m.is.Period
	if is == was && m.is.Terms == m.was.Terms && !m.fresh {
		return
	}
	args := pgx.NamedArgs{
		"id": m.row.ID, "number": is.Number, "kind": is.Kind, "starts": is.Start, "ends": is.End, "now": m.now,
		"plan": m.is.Terms.Plan.ID, "version": m.is.Terms.Plan.Version, "quantity": m.is.Terms.Quantity,
		"price": is.Price.Minor, "currency": m.is.Terms.Plan.Price.Currency,
	}
	if is.Number == was.Number && !m.fresh {
		m.batch.Queue(datePeriod, args)
		return
	}
	if !m.fresh && is.Start.Before(was.End) { // another interval began before the old period was over
		m.batch.Queue(cutPeriod, pgx.NamedArgs{"id": m.row.ID, "number": was.Number, "ends": is.Start})
	}
	m.batch.Queue(putPeriod, args)
}

const insertStory = `
	INSERT INTO subscription_timeline (subscription_id, what, before, after, detail, at)
	SELECT @id, l.what, l.before, l.after, l.detail, @now
	FROM unnest(@what::text[], @before::text[], @after::text[], @detail::text[]) WITH ORDINALITY AS l (what, before, after, detail, n)
	ORDER BY l.n`

func (m *member) note(what, before, after, detail string) {
	m.lines = append(m.lines, line{what: what, before: before, after: after, detail: detail})
}

// story tells what changed, in codes.
func (m *member) story() {
	was, is := m.was, m.is
	if was.State != is.State && !m.fresh {
		m.note("state", string(was.State), string(is.State), "")
	}
	if was.Period.Number != is.Period.Number && !m.fresh {
		m.note("period", was.Period.ID(), is.Period.ID(), string(is.Period.Kind)+" "+is.Period.Start.Format(time.RFC3339)+" "+is.Period.End.Format(time.RFC3339))
	}
	if was.Terms != is.Terms {
		m.note("terms", terms(was.Terms), terms(is.Terms), "")
	}
	if was.Balance != is.Balance && !m.fresh {
		m.note("balance", was.Balance.String(), is.Balance.String(), "")
	}
	for _, flag := range []struct {
		what    string
		was, is bool
	}{
		{"cancel_at_end", was.CancelAtEnd, is.CancelAtEnd},
		{"pause_at_end", was.PauseAtEnd, is.PauseAtEnd},
		{"skip_next", was.SkipNext, is.SkipNext},
		{"terms_at_end", was.Next != nil, is.Next != nil},
	} {
		if flag.was != flag.is {
			m.note(flag.what, strconv.FormatBool(flag.was), strconv.FormatBool(flag.is), "")
		}
	}
	n := len(m.lines)
	if n == 0 {
		return
	}
	what, before, after, detail := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, l := range m.lines {
		what[i], before[i], after[i], detail[i] = l.what, l.before, l.after, l.detail
	}
	m.batch.Queue(insertStory, pgx.NamedArgs{
		"id": m.row.ID, "what": what, "before": before, "after": after, "detail": detail, "now": m.now,
	})
}

func terms(t subscription.Terms) string {
	if t.Plan.ID == "" {
		return ""
	}
	return t.Plan.ID + " " + strconv.Itoa(t.Plan.Version) + " x" + strconv.FormatInt(t.Quantity, 10)
}

const insertSubscriptionNews = `
	INSERT INTO subscription_news (subscription_id, kind, period, charge_key, payment_id, amount_minor, currency, reason, ask, step, step_at, at, send_at)
	VALUES (@id, @kind, @period, @charge, nullif(@payment, '')::uuid, @minor, @currency, @reason, @ask, @step, @step_at, @now, @now)`

// addNews has somebody told, with the facts of this transaction.
func (m *member) addNews(n subscription.News) {
	m.batch.Queue(insertSubscriptionNews, pgx.NamedArgs{
		"id": m.row.ID, "kind": n.Kind, "period": m.is.Period.Number, "charge": n.Charge, "payment": n.PaymentID,
		"minor": n.Amount.Minor, "currency": n.Amount.Currency, "reason": n.Reason, "ask": n.Ask, "step": n.Step,
		"step_at": nullable(n.StepAt), "now": m.now,
	})
}

// tellNews finds out whom this change concerns.
func (m *member) tellNews() error {
	was, is := m.was.State, m.is.State
	switch {
	case was == is || m.fresh:
	case was == subscription.Pending && (is == subscription.Active || is == subscription.Trialing):
		m.addNews(subscription.News{Kind: subscription.NewsBegan, Amount: m.full()})
	case m.gaveUp:
		m.addNews(subscription.News{Kind: subscription.NewsGivenUp, Reason: m.lastNo(), Amount: m.full()})
	case is == subscription.Cancelled:
		m.addNews(subscription.News{Kind: subscription.NewsEnded})
	case is == subscription.Paused:
		m.addNews(subscription.News{Kind: subscription.NewsPaused})
	case was == subscription.Paused || was == subscription.Unpaid:
		m.addNews(subscription.News{Kind: subscription.NewsResumed, Amount: m.full()})
	}
	if m.heard == nil {
		return nil
	}
	n := subscription.News{Charge: m.heard.Key, Amount: m.heard.Amount, PaymentID: m.paymentID()}
	switch {
	case m.settled == subscription.ChargePaid && was == subscription.PastDue:
		n.Kind = subscription.NewsRecovered
	case m.was.State.Over():
		return nil
	case m.settled == subscription.ChargeOwed, m.settled == subscription.ChargeDeclined && m.heard.Kind != subscription.FirstCharge:
		n.Kind, n.Reason = subscription.NewsDeclined, m.reason
		n.Ask, n.Step, n.StepAt = m.task.Next.Ask, m.task.Next.Action, m.task.Next.At
	default:
		return nil
	}
	m.addNews(n)
	return nil
}

func (m *member) paymentID() string {
	if m.pay == nil {
		return ""
	}
	return m.pay.p.ID
}

// lastNo is why the period's charge was declined at last.
func (m *member) lastNo() payment.DeclineReason {
	if n := len(m.was.Failures); n > 0 {
		return m.was.Failures[n-1].Reason
	}
	return ""
}

// refusedAs gives the refusal in an error, or nil.
func refusedAs(err error) *subscription.Refusal {
	r, _ := errors.AsType[*subscription.Refusal](err)
	return r
}
