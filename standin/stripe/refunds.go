package stripe

import (
	"crypto/rand"
	"iter"
	"time"

	"tillflow/standin/faults"
)

type refundStatus string

const (
	refundPending   refundStatus = "pending"
	refundSucceeded refundStatus = "succeeded"
	refundFailed    refundStatus = "failed"
	refundCanceled  refundStatus = "canceled"
)

// counts reports whether the money is gone or on its way.
func (s refundStatus) counts() bool { return s == refundPending || s == refundSucceeded }

// refund gives money of one charge back.
type refund struct {
	row
	Charge, Intent string
	Amount         int64
	Currency       string
	Status         refundStatus
	Reason         string
	FailureReason  string
	Metadata       map[string]string
	Txn            string
	FailureTxn     string
	SettleAt       int64  // when a pending refund is decided or a succeeded one fails; 0: by hand only
	FailsAs        string // the failure reason it then has; empty: it succeeds
	Dashboard      bool   // made by a person at Stripe's dashboard, not through the API
	Release        bool   // the uncaptured rest of a hold: no money moved
	Key            string // idempotency key of the request
}

func refundParams() schema {
	return schema{
		"payment_intent": text(5000), "charge": text(5000), "amount": integer(), "metadata[*]": text(500),
		"reason": choice("duplicate", "fraudulent", "requested_by_customer"), "expand[#]": text(5000),
	}
}

func createRefund(c *call) (object, *apiError) {
	ch, refusal := c.refundedCharge()
	if refusal != nil {
		return nil, refusal
	}
	metadata, refusal := c.form.metadata("metadata")
	if refusal != nil {
		return nil, refusal
	}
	amount, given := c.form.int("amount")
	if !given {
		amount = ch.left()
	} else if amount < 1 {
		return nil, invalid("parameter_invalid_integer", "amount", "Invalid positive integer")
	}
	if refusal := c.refundable(ch, amount); refusal != nil {
		return nil, refusal
	}
	if c.plan.Has(faults.WrongAmount) && amount > 1 {
		amount--
	}
	re := &refund{
		Charge: ch.ID, Intent: ch.Intent, Amount: amount, Currency: ch.Currency, Reason: c.form.text("reason"), Metadata: metadata,
	}
	c.refund(re, ch, c.plan)
	return c.acct.refundObject(re, c.expand), nil
}

// refundedCharge finds the charge by exactly one of its two names.
func (c *call) refundedCharge() (*charge, *apiError) {
	intentID, chargeID := c.form.text("payment_intent"), c.form.text("charge")
	if (intentID == "") == (chargeID == "") {
		return nil, invalid("parameter_missing", "payment_intent", "One of payment_intent or charge must be provided.")
	}
	if chargeID != "" {
		ch, ok := c.acct.charges.get(chargeID)
		if !ok {
			return nil, missing("charge", chargeID, "charge")
		}
		return ch, nil
	}
	pi, ok := c.acct.intents.get(intentID)
	if !ok {
		return nil, missing("payment_intent", intentID, "payment_intent")
	}
	ch, ok := c.acct.charges.get(pi.LatestCharge)
	if !ok || !ch.Captured {
		return nil, c.unexpected(pi, "This PaymentIntent ("+pi.ID+") does not have a successful charge to refund.")
	}
	return ch, nil
}

// refundable guards the sum: all refunds together never exceed what was captured.
func (c *change) refundable(ch *charge, amount int64) *apiError {
	left := ch.left()
	switch {
	case !ch.Captured:
		return refused("", "Charge "+ch.ID+" has not been captured.")
	case c.acct.withdrawn(ch) > 0:
		return refused("charge_disputed", "Charge "+ch.ID+" has been charged back; cannot issue a refund.")
	case c.s.opts.RefundsUnchecked:
	case left == 0:
		return refused("charge_already_refunded", "Charge "+ch.ID+" has already been refunded.")
	case amount > left:
		e := refused("", "Refund amount ("+formatAmount(amount, ch.Currency)+
			") is greater than unrefunded amount on charge ("+formatAmount(left, ch.Currency)+")")
		e.param = "amount"
		return e
	}
	if e := checkStep(ch.Currency, amount, "amount"); e != nil {
		e.unstored = false
		return e
	}
	return nil
}

// refund books a refund whose amount was checked.
func (c *change) refund(re *refund, ch *charge, plan *faults.Plan) {
	re.row, re.Key = c.newRow("re_"+rand.Text()), c.origin.IdempotencyKey
	failure, fails := plan.Decline()
	later := int64(0)
	re.Status, re.FailsAs, later = c.course(ch)
	if slow, ok := plan.Rule(faults.SlowSettle); ok {
		re.Status, re.FailsAs, later = refundPending, failure, 0
		if slow.DelayMS > 0 {
			later = secondsUp(c.now.Add(time.Duration(slow.DelayMS) * time.Millisecond))
		}
		fails = false // when it settles
	}
	if re.SettleAt = later; later > 0 {
		c.s.schedule(later, dueRefund, c.acct, re.ID)
	}
	ch.AmountRefunded += re.Amount
	re.Txn = c.book(balanceTxn{Type: txnRefund, Source: re.ID, Amount: -re.Amount, Currency: re.Currency}).ID
	c.acct.addRefund(re)
	c.raiseRefund("refund.created", re)
	c.raiseCharge("charge.refunded", ch, c.acct.laneOf(re))
	if fails {
		c.endRefund(re, refundFailed, failure)
	}
}

// course is how the refunds of a charge go by themselves: their first status,
// why they fail later, and when; zero is never.
func (c *change) course(ch *charge) (first refundStatus, failsAs string, later int64) {
	card, _ := c.s.card(ch.Card.Name)
	later = secondsUp(c.now.Add(c.s.opts.SettleDelay))
	switch {
	case card.does == refundsFail:
		return refundSucceeded, "unknown", later
	case card.does == refundsSlowly, ch.Card.Method == methodDebit:
		return refundPending, "", later
	default:
		return refundSucceeded, "", 0
	}
}

// release gives back what was held and not captured. Stripe shows it as a refund
// without a balance transaction, because no money moved.
func (c *change) release(ch *charge, reason string) {
	rest := ch.Amount - ch.AmountCaptured
	if rest == 0 {
		return
	}
	re := &refund{
		row: c.newRow("re_" + rand.Text()), Charge: ch.ID, Intent: ch.Intent, Amount: rest, Currency: ch.Currency,
		Status: refundSucceeded, Reason: reason, Metadata: map[string]string{}, Release: true,
	}
	ch.AmountRefunded += rest
	ch.Released += rest
	c.acct.addRefund(re)
	c.raiseRefund("refund.created", re)
	c.raiseCharge("charge.refunded", ch, c.acct.laneOf(re))
}

// settleRefund brings a refund to the end that it was made for.
func (c *change) settleRefund(re *refund) {
	if re.FailsAs != "" {
		c.endRefund(re, refundFailed, re.FailsAs)
		return
	}
	re.SettleAt, re.Status = 0, refundSucceeded
	c.raiseRefund("refund.updated", re)
	c.raiseRefund("charge.refund.updated", re)
}

// endRefund takes a refund back, also one that had succeeded: the money returns.
func (c *change) endRefund(re *refund, status refundStatus, reason string) {
	ch, _ := c.acct.charges.get(re.Charge)
	re.SettleAt, re.Status, re.FailureReason = 0, status, reason
	ch.AmountRefunded -= re.Amount
	re.FailureTxn = c.book(balanceTxn{Type: txnRefundFailure, Source: re.ID, Amount: re.Amount, Currency: re.Currency}).ID
	c.save(rowCharge, ch.ID)
	c.raiseRefund("refund.updated", re)
	if status == refundFailed {
		c.raiseRefund("refund.failed", re)
	}
	c.raiseRefund("charge.refund.updated", re)
}

func (c *change) raiseRefund(eventType string, re *refund) {
	c.save(rowRefund, re.ID)
	c.raise(eventType, c.acct.laneOf(re), c.acct.refundObject(re, nil))
}

// laneOf is the checkout whose events a refund's stay in order with.
func (a *account) laneOf(re *refund) string {
	if id, ok := a.checkoutByIntent[re.Intent]; ok {
		return id
	}
	return re.Intent
}

func retrieveRefund(c *call) (object, *apiError) {
	re, ok := c.acct.refunds.get(c.id())
	if !ok {
		return nil, missing("refund", c.id(), "refund")
	}
	return c.acct.refundObject(re, c.expand), nil
}

func listRefunds(c *call) (object, *apiError) {
	of, chargeID := c.form.text("payment_intent"), c.form.text("charge")
	return page(c, lister[*refund]{
		what: "refund",
		rows: func(after string) (iter.Seq[*refund], bool) {
			switch {
			case chargeID != "":
				return c.acct.refunds.pick(c.acct.refundsByCharge[chargeID], after)
			case of != "":
				var ids []string
				for _, ch := range c.acct.chargesByIntent[of] {
					ids = append(ids, c.acct.refundsByCharge[ch]...)
				}
				return c.acct.refunds.pick(ids, after)
			default:
				return c.acct.refunds.newestFirst(after)
			}
		},
		keep:   func(re *refund) bool { return of == "" || re.Intent == of },
		render: c.acct.refundObject,
	})
}

func (a *account) refundObject(re *refund, x expansion) object {
	o := object{
		"id": re.ID, "object": kindRefund, "created": re.Created, "amount": re.Amount, "currency": re.Currency,
		"status": re.Status, "reason": orNull(re.Reason), "metadata": re.Metadata,
		"charge":              x.refer("charge", re.Charge, a.chargeByID),
		"payment_intent":      x.refer("payment_intent", re.Intent, a.intentByID),
		"balance_transaction": x.refer("balance_transaction", re.Txn, a.txnByID),
		"receipt_number":      nil, "customer": nil, "source_transfer_reversal": nil, "transfer_reversal": nil,
	}
	if re.FailureReason != "" {
		o["failure_reason"], o["failure_balance_transaction"] = re.FailureReason, re.FailureTxn
	}
	if re.Status == refundPending {
		o["pending_reason"] = "processing"
	}
	return o
}
