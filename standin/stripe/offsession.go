package stripe

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"tillflow/standin/faults"
)

// onlyTrue is a switch of Stripe's that this stand-in acts on in one way.
func onlyTrue() param { return choice("true").needed() }

func intentParams() schema {
	return schema{
		"amount": integer().needed(), "currency": text(3).needed(),
		"customer": text(5000).needed(), "payment_method": text(5000).needed(),
		"confirm": onlyTrue(), "off_session": onlyTrue(), "error_on_requires_action": onlyTrue(),

		"automatic_payment_methods[enabled]":         onlyTrue(),
		"automatic_payment_methods[allow_redirects]": choice("never").needed(),

		"transfer_group":              text(5000),
		"description":                 text(1000),
		"statement_descriptor_suffix": text(22),
		"metadata[*]":                 text(500),
		"expand[#]":                   text(5000),
	}
}

// createIntent charges a kept method without its owner. Other PaymentIntents are made by checkouts.
func createIntent(c *call) (object, *apiError) {
	metadata, refusal := c.form.metadata("metadata")
	if refusal != nil {
		return nil, refusal
	}
	amount, _ := c.form.int("amount")
	currency := strings.ToLower(c.form.text("currency"))
	if refusal := checkAmount(currency, amount, "amount"); refusal != nil {
		return nil, refusal
	}
	m, refusal := c.chargeable()
	if refusal != nil {
		return nil, refusal
	}
	pi := &intent{
		row: c.newRow("pi_" + rand.Text()), Status: needsMethod, Amount: amount, Currency: currency, Metadata: metadata,
		Spec: intentSpec{
			CaptureMethod: captureAsync, Description: c.form.text("description"), TransferGroup: c.form.text("transfer_group"),
			Suffix: c.form.text("statement_descriptor_suffix"), Metadata: metadata,
		},
		Methods: []string{m.Card.Method}, Method: m.ID, Key: c.origin.IdempotencyKey,
	}
	c.acct.addIntent(pi)
	c.acct.giveIntent(pi, m.Customer)
	c.raiseIntent("payment_intent.created", pi)
	if e := c.chargeKept(pi, m); e != nil {
		answer := declined402(e)
		answer.intent = c.acct.intentObject(pi, nil)
		return nil, answer
	}
	return c.acct.intentObject(pi, c.expand), nil
}

// chargeable finds the method and insists that it is its customer's.
func (c *call) chargeable() (*method, *apiError) {
	ownerID, methodID := c.form.text("customer"), c.form.text("payment_method")
	owner, ok := c.acct.customers.get(ownerID)
	if !ok || owner.Deleted {
		return nil, inBody(missing("customer", ownerID, "customer"))
	}
	m, ok := c.acct.methods.get(methodID)
	if !ok {
		return nil, inBody(missing("PaymentMethod", methodID, "payment_method"))
	}
	switch m.Customer {
	case ownerID:
		return m, nil
	case "":
		return nil, refused("", "The provided PaymentMethod was detached from a Customer. It may not be used again. "+
			"To use a PaymentMethod multiple times, you must attach it to a Customer first.")
	}
	return nil, refused("", "The customer does not have a payment method with the ID "+methodID+
		". The payment method must be attached to the customer.")
}

// inBody is the refusal of an unknown id that stood in the body and not in the path.
func inBody(e *apiError) *apiError {
	e.status = http.StatusBadRequest
	return e
}

// chargeKept does what the method's bank does when its owner is away. Nil: it is paid, or on its way.
func (c *call) chargeKept(pi *intent, m *method) *cardError {
	card, ok := c.s.card(m.Card.Name)
	if !ok {
		panic("stripe stand-in: a kept method of no card: " + m.Card.Name)
	}
	card.expMonth, card.expYear = m.Card.ExpMonth, m.Card.ExpYear
	code, fails := c.plan.Decline()
	switch {
	case fails:
	case m.Card.expired(c.now):
		code, fails = "expired_card", true
	case card.does == declines:
		code, fails = card.code, true
	case card.does == asksBuyer && !card.setUp:
		code, fails = "authentication_required", true
	}
	if fails {
		return c.decline(pi, card, declineError(code)).declined
	}
	if c.plan.Has(faults.WrongAmount) {
		pi.Short = 1
	}
	if slow, ok := c.plan.Rule(faults.SlowSettle); ok {
		c.process(pi, card, time.Duration(slow.DelayMS)*time.Millisecond)
		return nil
	}
	switch card.does {
	case paysLater, failsLater:
		c.process(pi, card, c.s.opts.SettleDelay)
	case neverSettles:
		c.process(pi, card, 0)
	case pays, asksBuyer, isDisputed, isInquired, refundsSlowly, refundsFail:
		ch := c.newCharge(pi, card, max(1, pi.Amount-pi.Short))
		pi.LastError = nil
		c.take(pi, ch)
		c.objected(ch)
	case declines: // above
	default:
		panic("stripe stand-in: unknown behaviour " + string(card.does))
	}
	return nil
}
