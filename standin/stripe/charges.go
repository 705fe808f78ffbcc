package stripe

import (
	"crypto/rand"
	"iter"
)

type chargeStatus string

const (
	chargeSucceeded chargeStatus = "succeeded"
	chargePending   chargeStatus = "pending"
	chargeFailed    chargeStatus = "failed"
)

// charge is one attempt to move the money of a PaymentIntent.
type charge struct {
	row
	Intent         string
	Status         chargeStatus
	Amount         int64
	AmountCaptured int64
	AmountRefunded int64 // given back, or on its way, and what was released of the hold
	Released       int64 // the part of AmountRefunded that was never taken
	Currency       string
	Captured       bool
	Disputed       bool
	Card           usedCard
	Method         string
	TransferGroup  string
	Description    string
	Metadata       map[string]string
	CaptureBefore  int64
	Failure        *cardError
	Txn            string // balance transaction, once captured
}

// newCharge records an attempt; its status is set by the caller.
func (c *change) newCharge(pi *intent, card testCard, amount int64) *charge {
	ch := &charge{
		row: c.newRow("ch_" + rand.Text()), Intent: pi.ID, Amount: amount, Currency: pi.Currency, Card: card.used(),
		Method: pi.Method, TransferGroup: pi.Spec.TransferGroup, Description: pi.Spec.Description, Metadata: pi.Metadata,
	}
	c.acct.addCharge(ch)
	pi.LatestCharge = ch.ID
	pi.Attempts++
	return ch
}

func (c *change) raiseCharge(eventType string, ch *charge, lane string) {
	c.save(rowCharge, ch.ID)
	c.raise(eventType, lane, c.acct.chargeObject(ch, nil))
}

// left is what may still be refunded.
func (ch *charge) left() int64 { return ch.AmountCaptured - ch.refunded() }

// refunded is the money that went back, without what was released.
func (ch *charge) refunded() int64 { return ch.AmountRefunded - ch.Released }

func retrieveCharge(c *call) (object, *apiError) {
	ch, ok := c.acct.charges.get(c.id())
	if !ok {
		return nil, missing("charge", c.id(), "charge")
	}
	return c.acct.chargeObject(ch, c.expand), nil
}

func listCharges(c *call) (object, *apiError) {
	group, of := c.form.text("transfer_group"), c.form.text("payment_intent")
	return page(c, lister[*charge]{
		what: "charge",
		rows: func(after string) (iter.Seq[*charge], bool) {
			switch {
			case of != "":
				return c.acct.charges.pick(c.acct.chargesByIntent[of], after)
			case group != "":
				return c.acct.charges.pick(c.acct.chargesByGroup[group], after)
			default:
				return c.acct.charges.newestFirst(after)
			}
		},
		keep:   func(ch *charge) bool { return group == "" || ch.TransferGroup == group },
		render: c.acct.chargeObject,
	})
}

func (a *account) chargeByID(id string, x expansion) object {
	ch, _ := a.charges.get(id)
	return a.chargeObject(ch, x)
}

func (a *account) chargeObject(ch *charge, x expansion) object {
	o := object{
		"id": ch.ID, "object": kindCharge, "created": ch.Created, "livemode": a.livemode, "status": ch.Status,
		"amount": ch.Amount, "amount_captured": ch.AmountCaptured, "amount_refunded": ch.AmountRefunded,
		"currency": ch.Currency, "captured": ch.Captured, "paid": ch.Status == chargeSucceeded,
		"refunded": ch.Status == chargeSucceeded && ch.AmountRefunded == ch.Amount, "disputed": ch.Disputed,
		"payment_intent":      x.refer("payment_intent", ch.Intent, a.intentByID),
		"balance_transaction": x.refer("balance_transaction", ch.Txn, a.txnByID),
		"payment_method":      orNull(ch.Method), "payment_method_details": ch.methodDetails(),
		"transfer_group": orNull(ch.TransferGroup), "description": orNull(ch.Description), "metadata": ch.Metadata,
		"failure_code": nil, "failure_message": nil, "customer": nil, "receipt_email": nil, "receipt_url": nil,
		"application_fee_amount": nil, "transfer_data": nil, "on_behalf_of": nil,
		"billing_details": object{"address": nil, "email": nil, "name": nil, "phone": nil, "tax_id": nil},
		"outcome": object{
			"type": "authorized", "network_status": "approved_by_network", "reason": nil, "risk_level": "normal",
			"seller_message": "Payment complete.", "advice_code": nil, "network_advice_code": nil, "network_decline_code": nil,
		},
	}
	if ch.Status == chargeFailed && ch.Failure != nil {
		o["failure_code"], o["failure_message"] = ch.Failure.Code, ch.Failure.Message
		o["outcome"] = ch.Failure.outcome()
	}
	return o
}

func (ch *charge) methodDetails() object {
	card := ch.Card
	if card.Method == methodDebit {
		return object{"type": methodDebit, methodDebit: object{"last4": card.Last4, "bank_code": "37040044", "country": "DE"}}
	}
	details := object{
		"brand": card.Brand, "last4": card.Last4, "exp_month": card.ExpMonth, "exp_year": card.ExpYear, "country": "US", "funding": "credit",
		"network": card.Brand, "checks": object{"address_line1_check": nil, "address_postal_code_check": nil, "cvc_check": "pass"},
		"three_d_secure": nil,
	}
	if card.Authenticated {
		details["three_d_secure"] = object{"result": "authenticated", "version": "2.2.0"}
	}
	if ch.CaptureBefore != 0 {
		details["capture_before"] = ch.CaptureBefore
	}
	return object{"type": methodCard, "card": details}
}
