package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// StepSubscription does the first of these that there is: apply a result of the
// open charge, carry out the oldest command that waits, do the clock's task that
// is due. It answers what is then to be waited for. One step is one transaction;
// whoever repeats it does the next one, and where nothing is to be done nothing
// is written.
func (s *Store) StepSubscription(ctx context.Context, id string) (subscription.View, error) {
	view, err := s.changeSubscription(ctx, id, func(tx pgx.Tx, m *member) error {
		if err := m.hear(ctx, tx); err != nil || m.heard != nil {
			return err
		}
		if done, err := m.obeyOldest(ctx, tx); err != nil || done {
			return err
		}
		due, err := m.is.Due(m.policy, m.moment(), m.row.NoticedPeriod)
		if err != nil {
			return bug("due", "%s", err.Error())
		}
		if due.Task == subscription.NoTask || m.now.Before(due.At) {
			return nil
		}
		return m.act(due)
	})
	return view, subscriptionFailure("step subscription", err)
}

// act does a task that is due.
func (m *member) act(due subscription.Due) error {
	switch due.Task {
	case subscription.TaskExpire:
		return m.expire()
	case subscription.TaskNotice:
		return m.notice()
	case subscription.TaskRenew:
		next, err := m.is.Renew(m.moment())
		if err != nil {
			return bug("renew", "%s", err.Error())
		}
		m.is = next
		return nil
	case subscription.TaskRetry:
		return m.retry()
	case subscription.TaskGiveUp:
		return m.giveUp()
	case subscription.TaskReview:
		if m.row.Operator == payment.NobodyNeeded {
			m.row.Operator = payment.RoutingFault
			m.addNews(subscription.News{
				Kind: subscription.NewsReview, Charge: m.charge.Key, PaymentID: m.paymentID(), Reason: m.lastNo(), Amount: m.is.Open.Amount,
			})
		}
		return nil
	case subscription.NoTask:
	}
	return bug("task", "no such task: %q", due.Task)
}

// expire ends a subscription whose customer never left a method.
func (m *member) expire() error {
	c := *m.is.Open
	next, _, err := m.is.Settle(subscription.Result{Key: c.Key, Reason: payment.TimedOut, At: m.now, Zone: m.zone})
	if err != nil {
		return bug("settle", "%s", err.Error())
	}
	m.is, m.heard, m.reason, m.settled = next, &c, payment.TimedOut, subscription.ChargeDeclined
	return nil
}

// notice has the customer told of the coming renewal.
func (m *member) notice() error {
	next, renews, err := m.is.Upcoming(m.moment())
	if err != nil {
		return bug("upcoming", "%s", err.Error())
	}
	m.row.NoticedPeriod = m.is.Period.Number
	m.note("noticed", "", "", m.is.Period.ID())
	if renews {
		m.addNews(subscription.News{Kind: subscription.NewsUpcoming, Amount: next.Charge, StepAt: m.is.Period.End})
	}
	return nil
}

// How long what is in the way of a task is waited for before it is looked at again.
const (
	laterBusy = 15 * time.Minute
	laterShut = time.Minute
	// pageTime is how long a customer may be on the page before the clock's own
	// attempt shuts it.
	pageTime = time.Hour
)

// retry sends the owed charge once more.
func (m *member) retry() error {
	switch {
	case m.busy():
		m.later = m.now.Add(laterBusy)
		return nil
	case m.shutAlready() || m.row.MethodID == nil:
		return m.giveUp()
	}
	for _, a := range m.pay.unfinished() {
		if since := m.now.Sub(a.FirstSentAt); since < pageTime {
			m.later = m.now.Add(pageTime - since)
			return nil
		}
	}
	next, err := m.is.Retry(m.now)
	if err != nil {
		return bug("retry", "%s", err.Error())
	}
	m.is = next
	return nil
}

// giveUp is the end of dunning. A page on which money may still come is shut
// first, and its run says what became of it.
func (m *member) giveUp() error {
	if m.pay != nil && (len(m.pay.unfinished()) > 0 || len(m.pay.unreturned()) > 0) {
		m.shutCharge(payment.TimedOut)
		m.later = m.now.Add(laterShut)
		return nil
	}
	next, err := m.is.GiveUp(m.policy.Final, m.now)
	if err != nil {
		return bug("give_up", "%s", err.Error())
	}
	m.is, m.gaveUp = next, true
	m.row.Operator = payment.NobodyNeeded
	return nil
}

// UseMethod makes a kept method the one that renewals charge: the customer left
// it on the page of a payment. methodID is empty when the page left none. A
// repeat changes nothing.
func (s *Store) UseMethod(ctx context.Context, subscriptionID, paymentID, methodID, accountID string) (subscription.View, error) {
	view, err := s.changeSubscription(ctx, subscriptionID, func(_ pgx.Tx, m *member) error {
		if text(m.row.KeepPayment) != paymentID {
			return nil // another page was paid since, or this one is kept already
		}
		m.row.KeepPayment = nil
		if methodID == "" || m.is.State.Over() {
			m.note("method", text(m.row.MethodID), "", "none was left")
			return nil
		}
		return m.take(methodID, accountID)
	})
	return view, subscriptionFailure("use method", err)
}

// take makes a method the one that is charged from now on.
func (m *member) take(methodID, accountID string) error {
	next, err := m.is.NewMethod(m.now)
	if err != nil {
		return err
	}
	m.note("method", text(m.row.MethodID), methodID, accountID)
	m.is, m.row.MethodID, m.row.MethodAccount = next, &methodID, &accountID
	return nil
}

const claimSubscriptions = `
	WITH due AS (
		SELECT id FROM subscriptions WHERE ended_at IS NULL AND sweep_at <= @now
		ORDER BY sweep_at LIMIT @limit
		FOR NO KEY UPDATE SKIP LOCKED
	)
	UPDATE subscriptions s
	SET sweep_at = @now::timestamptz + CASE WHEN s.due_at IS NULL AND s.task = '' THEN interval '1 day'
		ELSE least(greatest(@now::timestamptz - s.due_at, @min::interval), @max::interval) END
	FROM due WHERE s.id = due.id
	RETURNING s.id::text, s.shop`

// DueSubscriptions claims subscriptions with something to do that nobody has
// done, so that the sweep makes sure that a run exists and looks.
func (s *Store) DueSubscriptions(ctx context.Context, limit int) ([]subscription.Ref, error) {
	return due(ctx, s, claiming{"claim due subscriptions", claimSubscriptions, limit}, func(row pgx.CollectableRow) (subscription.Ref, error) {
		var r subscription.Ref
		err := row.Scan(&r.ID, &r.Shop)
		return r, err
	})
}
