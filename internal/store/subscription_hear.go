package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// hear applies what a charge's payment shows and its subscription does not know.
// The payment's rows are the authority: a result is applied on their evidence,
// once, however often and by whomever it is told.
func (m *member) hear(ctx context.Context, tx pgx.Tx) error {
	if m.pay == nil {
		return nil
	}
	open := m.is.Open != nil && m.is.Open.Key == m.charge.Key
	var err error
	if open {
		err = m.hearOpen(ctx, tx)
	} else {
		err = m.hearStray(ctx, tx)
	}
	if err == nil && m.pay.p.Final != payment.Undecided {
		m.pay.toldFinal("")
	}
	return err
}

// hearOpen applies a result of the open charge.
func (m *member) hearOpen(ctx context.Context, tx pgx.Tx) error {
	result, told, news := m.result()
	if !news {
		return nil
	}
	c := *m.is.Open
	result.Key, result.Zone = c.Key, m.zone
	next, verdict, err := m.is.Settle(result)
	if err != nil {
		return bug("settle", "%s", err.Error())
	}
	m.is, m.heard, m.reason, m.charge.Told = next, &c, result.Reason, told
	switch {
	case verdict == subscription.GiveBack:
		m.settled = subscription.ChargeGivenBack
		return m.giveBack(ctx, tx)
	case result.Paid:
		m.settled = subscription.ChargePaid
		m.row.Operator = payment.NobodyNeeded
		m.keepMethod()
		return nil
	}
	m.charge.Declines++
	m.settled = m.afterNo(c)
	return nil
}

// result reads the rows of the open charge's payment; false when they show
// nothing new. A first payment is told when its page is shut; of the others each
// declined attempt of the kept method is a result.
func (m *member) result() (r subscription.Result, told int, news bool) {
	p := m.pay.p
	switch {
	case p.Final == payment.Resolve:
		at := m.now
		if w := m.pay.winner(); w != nil && w.DecidedAt != nil {
			at = *w.DecidedAt
		}
		return subscription.Result{Paid: true, At: at}, p.ChoiceSeq, true
	case m.is.Open.Owed:
		return r, 0, false // known, and nothing was tried since
	case p.Final == payment.Reject:
		return subscription.Result{Reason: p.FinalReason, At: instant(p.FinalAt)}, p.ChoiceSeq, true
	case p.Source != payment.SourceRenewal || len(m.pay.unreturned()) > 0:
		return r, 0, false
	}
	for _, a := range m.pay.attempts {
		switch {
		case a.Operation != payment.OpCharge || a.MethodID == nil:
		case !a.State.Decided():
			return subscription.Result{}, 0, false
		case a.ChoiceSeq > m.charge.Told && (a.State == payment.Declined || a.State == payment.Closed):
			r = subscription.Result{Reason: orElse(a.Decline, payment.DeclinedOther), At: instant(a.DecidedAt)}
			told, news = a.ChoiceSeq, true
		}
	}
	return r, told, news
}

// hearStray: money that came for a charge that is over goes back, once.
func (m *member) hearStray(ctx context.Context, tx pgx.Tx) error {
	if m.pay.p.Final != payment.Resolve || m.charge.State == subscription.ChargePaid || m.charge.State == subscription.ChargeGivenBack {
		return nil
	}
	m.charge.Told = m.pay.p.ChoiceSeq
	m.endCharge(m.charge.Key, subscription.ChargeGivenBack)
	return m.giveBack(ctx, tx)
}

func (m *member) giveBack(ctx context.Context, tx pgx.Tx) error {
	if err := m.pay.giveAllBack(ctx, tx, "not_wanted"); err != nil {
		return err
	}
	m.stirPayment() // its run begins the reversal
	return nil
}

// keepMethod notes that a page was paid which asked for the method.
func (m *member) keepMethod() {
	if w := m.pay.winner(); w != nil && w.MethodID == nil {
		m.row.KeepPayment = &m.pay.p.ID
	}
}

// TellSubscription tells a subscription what became of a payment of it, as the
// payment's rows show it, and answers how the payment then stands. A repeat
// changes nothing. Money that nobody wants any more is claimed for its way back
// in the same transaction.
func (s *Store) TellSubscription(ctx context.Context, paymentID string) (payment.View, error) {
	const action = "tell subscription"
	if err := known("payment", paymentID); err != nil {
		return payment.View{}, failure(action, err)
	}
	var id, key string
	const of = `SELECT coalesce(subscription_id::text, ''), charge_key FROM payments WHERE id = @id`
	if err := s.pool.QueryRow(ctx, of, pgx.NamedArgs{"id": paymentID}).Scan(&id, &key); err != nil {
		return payment.View{}, failure(action, err)
	}
	if id == "" {
		return payment.View{}, failure(action, bug("no_subscription", "a payment that no subscription asked for"))
	}
	var view payment.View
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		m, err := s.lockSubscription(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := m.lockCharge(ctx, tx, key); err != nil {
			return err
		}
		if err := m.hear(ctx, tx); err != nil {
			return err
		}
		told := m.pay
		if err := m.save(ctx, tx); err != nil {
			return err
		}
		view = told.view()
		return nil
	})
	return view, subscriptionFailure(action, err)
}
