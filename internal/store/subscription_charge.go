package store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// chargeRow is what stands of a charge beside the domain's value.
type chargeRow struct {
	Key, PaymentID string

	State    subscription.ChargeState
	Kind     subscription.ChargeKind
	Told     int // the choice of the payment whose result the subscription knows
	Declines int
}

const selectCharge = `
	SELECT key, coalesce(payment_id::text, '') AS payment_id, state, kind, told, declines
	FROM subscription_charges WHERE subscription_id = @id AND key = @key`

// lockCharge reads a charge and locks its payment. One that is not there leaves
// both empty.
func (m *member) lockCharge(ctx context.Context, tx pgx.Tx, key string) error {
	rows, err := tx.Query(ctx, selectCharge, pgx.NamedArgs{"id": m.row.ID, "key": key})
	if err != nil {
		return err
	}
	if m.charge, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[chargeRow]); err != nil {
		return err
	}
	if m.charge.PaymentID == "" {
		return nil
	}
	m.pay, err = m.s.lock(ctx, tx, byPayment, m.charge.PaymentID)
	return err
}

// charges does what the decision means for charges: the one that was open is
// settled, owed, sent again or written off, and a new one is opened.
func (m *member) charges(ctx context.Context, tx pgx.Tx) error {
	was, is := m.was.Open, m.is.Open
	same := was != nil && is != nil && was.Key == is.Key
	switch {
	case m.heard != nil:
		m.endCharge(m.heard.Key, m.settled)
	case was != nil && !same:
		m.endCharge(was.Key, subscription.ChargeWrittenOff)
	case same && was.Owed && !is.Owed:
		if err := m.again(); err != nil {
			return err
		}
	}
	if was != nil && (!same || m.is.State.Over() && !m.was.State.Over()) {
		m.shutCharge(payment.Cancelled)
	}
	if is == nil || same && !m.fresh {
		return nil
	}
	return m.openCharge(ctx, tx)
}

const updateCharge = `
	UPDATE subscription_charges SET state = @state, told = @told, declines = @declines,
	       reason = CASE WHEN @reason = '' THEN reason ELSE @reason END,
	       settled_at = CASE WHEN @state IN ('open', 'owed') THEN NULL ELSE coalesce(settled_at, @now) END
	WHERE subscription_id = @id AND key = @key AND state = @was`

// endCharge changes a charge's row.
func (m *member) endCharge(key string, state subscription.ChargeState) {
	m.batch.Queue(updateCharge, pgx.NamedArgs{
		"id": m.row.ID, "key": key, "state": state, "was": m.charge.State, "told": m.charge.Told, "declines": m.charge.Declines,
		"reason": m.reason, "now": m.now,
	}).Exec(oneRow("charge"))
	m.note("charge", string(m.charge.State), string(state), strings.TrimSpace(key+" "+string(m.reason)))
	m.charge.State = state
}

// shutCharge lets nothing more be paid for a charge that is not wanted any more.
func (m *member) shutCharge(why payment.DeclineReason) {
	if m.pay == nil || m.pay.p.Final != payment.Undecided {
		return
	}
	m.pay.shut(why)
	m.stirPayment()
}

// stirPayment has the payment's run look at the rows again.
func (m *member) stirPayment() { m.stir = append(m.stir, m.pay.p.run()) }

// again sends an owed charge once more: the next choice of its payment is the
// kept method.
func (m *member) again() error {
	switch {
	case m.pay == nil:
		return bug("no_payment", "an owed charge without a payment")
	case m.busy():
		return conflict("processing", "an attempt of the charge is under way")
	case m.shutAlready():
		return conflict("shut", "nothing more can be paid for the charge")
	case m.row.MethodID == nil:
		return conflict("no_method", "there is no method to charge")
	}
	var provider string
	for _, a := range m.pay.attempts {
		if a.AccountID == text(m.row.MethodAccount) {
			provider = a.Provider
		}
	}
	p := &m.pay.p
	p.ChoiceSeq++
	p.ChoiceAccount, p.ChoiceMethod, p.ChoiceProvider, p.ChoiceEnabled = m.row.MethodAccount, m.row.MethodID, provider, true
	m.pay.note("chosen", "", "kept method", *m.row.MethodID)
	m.endCharge(m.charge.Key, subscription.ChargeOpen)
	m.stirPayment()
	return nil
}

// busy: money of the charge may be moving, so nothing else is tried. A page that
// waits for its customer is none: the next choice shuts it first.
func (m *member) busy() bool { return m.pay.working() || len(m.pay.unreturned()) > 0 }

// shutAlready: nothing more can be paid for the charge.
func (m *member) shutAlready() bool { return m.pay.p.Final != payment.Undecided || m.pay.p.Shut != "" }

const (
	insertCharge = `
	INSERT INTO subscription_charges (subscription_id, key, period, kind, amount_minor, balance_minor, currency, payment_id, state, opened_at)
	VALUES (@id, @key, @period, @kind, @minor, @balance, @currency, nullif(@payment, '')::uuid, 'open', @now)`
	// The unique keys of the payment, of its external id and of subscription and
	// charge, let one through of whoever wants to charge the same.
	insertChargePayment = `
	INSERT INTO payments (id, source, shop, external_id, group_key, kind, amount_minor, currency, test, providers, token,
		cancel_url, return_url, locale, description, subject_id, vault_id, received_at, deadline_at, state,
		choice_seq, choice_account, choice_method, subscription_id, charge_key, sweep_at, updated_at)
	VALUES (@payment, @source, @shop, @external, @group, 'sale', @minor, @currency, @test, @providers, @token,
		@cancel_url, @return_url, @locale, @description, @subject::uuid, @vault::uuid, @now, @deadline, 'created',
		@choice_seq, @choice_account::uuid, @choice_method::uuid, @id, @key, @sweep, @now)`
	insertChargeOperation = `
	INSERT INTO operations (id, payment_id, kind, amount_minor, currency, state, sweep_at, created_at)
	VALUES (@operation, @payment, 'charge', @minor, @currency, 'open', @sweep, @now)`
	insertChargeLine = `
	INSERT INTO timeline (payment_id, what, after, detail, at) VALUES (@payment, 'accepted', 'created', @source || ' sale', @now)`
)

// opening is how a charge's payment is begun.
type opening struct {
	source   string
	token    string
	deadline time.Time
	seq      int     // the choice that is made already; 0: the customer chooses
	account  *string // of that choice
	method   *string
}

// openCharge writes the open charge and the payment that takes its money.
func (m *member) openCharge(ctx context.Context, tx pgx.Tx) error {
	c := m.is.Open
	m.charge = chargeRow{Key: c.Key, State: subscription.ChargeOpen, Kind: c.Kind}
	if c.Amount.IsZero() {
		return m.writeCharge(opening{}, "", "")
	}
	o := m.first
	if o == nil {
		token, err := newToken()
		if err != nil {
			return err
		}
		// Until then it may be paid on a page, too; what the provider works on has the time that its contract gives.
		deadline := c.SentAt.Add(minCollect)
		if end := m.is.Period.End; end.After(deadline) {
			deadline = end
		}
		o = &opening{source: payment.SourceRenewal, token: token, deadline: deadline}
		if m.row.MethodID != nil {
			o.seq, o.account, o.method = 1, m.row.MethodAccount, m.row.MethodID
		}
	}
	paymentID, err := newID()
	if err != nil {
		return err
	}
	operationID, err := newID()
	if err != nil {
		return err
	}
	if err := m.writeCharge(*o, paymentID, operationID); err != nil {
		return err
	}
	// What is open now is read back, so that the answer names it. The payment of
	// the charge before it is saved first: no two are locked by one transaction
	// that others wait for.
	if m.pay != nil {
		if err := m.pay.save(ctx, tx); err != nil {
			return err
		}
	}
	if err := m.flush(ctx, tx); err != nil {
		return err
	}
	if m.pay, err = m.s.lock(ctx, tx, byPayment, paymentID); err != nil {
		return err
	}
	m.stirPayment()
	if o.source == payment.SourceRenewal && o.seq == 0 {
		return m.noMethod()
	}
	return nil
}

// minCollect is the shortest time in which a renewal may be paid on a page.
const minCollect = 48 * time.Hour

func (m *member) writeCharge(o opening, paymentID, operationID string) error {
	c := m.is.Open
	external := payment.ChargeRef(m.row.ID, c.Key)
	args := pgx.NamedArgs{
		"id": m.row.ID, "key": c.Key, "period": m.chargePeriod(c), "kind": c.Kind, "minor": c.Amount.Minor, "balance": c.FromBalance.Minor,
		"currency": c.Amount.Currency, "payment": paymentID, "group": paymentID, "operation": operationID, "now": m.now, "sweep": m.now.Add(m.s.sweepAfter),
		"source": o.source, "shop": m.row.Shop, "external": external, "test": m.row.Test, "providers": m.row.Providers, "token": o.token,
		"cancel_url": m.row.CancelURL, "return_url": m.row.ReturnURL, "locale": m.row.Locale, "description": m.names[m.chargePlan(c)],
		"subject": m.row.SubjectID, "vault": m.row.VaultID, "deadline": o.deadline,
		"choice_seq": o.seq, "choice_account": o.account, "choice_method": o.method,
	}
	if paymentID != "" {
		m.batch.Queue(insertChargePayment, args)
		m.batch.Queue(insertChargeOperation, args)
		m.batch.Queue(insertChargeLine, args)
	}
	m.batch.Queue(insertCharge, args)
	m.note("charge", "", string(subscription.ChargeOpen), c.Key+" "+c.Amount.String())
	return nil
}

// chargePeriod is the number of the period that a charge pays.
func (m *member) chargePeriod(c *subscription.Charge) int {
	if c.After != nil {
		return c.After.Period.Number
	}
	return m.is.Period.Number
}

// chargePlan is the plan that a charge pays.
func (m *member) chargePlan(c *subscription.Charge) string {
	if c.After != nil {
		return c.After.Terms.Plan.ID
	}
	return m.is.Terms.Plan.ID
}

// noMethod declines a charge for which there is nothing to charge: nothing was
// sent, and the customer is asked for a method.
func (m *member) noMethod() error {
	c := *m.is.Open
	next, _, err := m.is.Settle(subscription.Result{Key: c.Key, Reason: payment.NotSupported, At: m.now, Zone: m.zone})
	if err != nil {
		return bug("settle", "%s", err.Error())
	}
	m.is, m.heard, m.reason = next, &c, payment.NotSupported
	m.settled = m.afterNo(c)
	m.charge.Declines++
	m.endCharge(c.Key, m.settled)
	if m.settled != subscription.ChargeOwed {
		m.shutCharge(payment.NotSupported)
	}
	return nil
}

// afterNo is what a decline leaves of a charge.
func (m *member) afterNo(c subscription.Charge) subscription.ChargeState {
	if m.is.Open != nil && m.is.Open.Key == c.Key {
		return subscription.ChargeOwed
	}
	return subscription.ChargeDeclined
}

// flush sends what was queued so far.
func (m *member) flush(ctx context.Context, tx pgx.Tx) error {
	b := m.batch
	m.batch = &pgx.Batch{}
	return send(ctx, tx, b)
}

// newToken makes a customer's link: 128 random bits.
func newToken() (string, error) {
	raw := make([]byte, 16)
	if _, err := rand.Read(raw); err != nil {
		return "", bug("random", "no token can be made")
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}
