package stripe

import (
	"crypto/rand"
	"iter"
	"time"
)

type txnType string

const (
	txnCharge        txnType = "charge"
	txnPayment       txnType = "payment"
	txnRefund        txnType = "refund"
	txnRefundFailure txnType = "refund_failure"
	txnAdjustment    txnType = "adjustment"
)

// fundsAfter is when a transaction becomes available.
const fundsAfter = 2 * 24 * time.Hour

// balanceTxn is a movement of the merchant's balance.
type balanceTxn struct {
	row
	Type        txnType
	Source      string
	Amount      int64
	Fee         int64
	Currency    string
	AvailableOn int64
}

// book writes a movement.
func (c *change) book(t balanceTxn) *balanceTxn {
	t.row = c.newRow("txn_" + rand.Text())
	t.AvailableOn = c.now.Add(fundsAfter).Unix()
	c.acct.txns.add(&t)
	c.save(rowTxn, t.ID)
	return &t
}

// bookCharge writes the money of a captured charge with its fee.
func (c *change) bookCharge(ch *charge) {
	kind := txnCharge
	if ch.Card.Method == methodDebit {
		kind = txnPayment
	}
	ch.Txn = c.book(balanceTxn{
		Type: kind, Source: ch.ID, Amount: ch.AmountCaptured, Fee: fee(ch.AmountCaptured), Currency: ch.Currency,
	}).ID
}

func retrieveTxn(c *call) (object, *apiError) {
	t, ok := c.acct.txns.get(c.id())
	if !ok {
		return nil, missing("balance transaction", c.id(), "id")
	}
	return t.object(c.acct.clock()), nil
}

func listTxns(c *call) (object, *apiError) {
	source, currency, kind := c.form.text("source"), c.form.text("currency"), txnType(c.form.text("type"))
	return page(c, lister[*balanceTxn]{
		what: "balance transaction",
		rows: func(after string) (iter.Seq[*balanceTxn], bool) { return c.acct.txns.newestFirst(after) },
		keep: func(t *balanceTxn) bool {
			return (source == "" || t.Source == source) && (currency == "" || t.Currency == currency) &&
				(kind == "" || t.Type == kind)
		},
		render: func(t *balanceTxn, _ expansion) object { return t.object(c.acct.clock()) },
	})
}

func (a *account) txnByID(id string, _ expansion) object {
	t, _ := a.txns.get(id)
	return t.object(a.clock())
}

func (t *balanceTxn) object(now time.Time) object {
	status := "pending"
	if now.Unix() >= t.AvailableOn {
		status = "available"
	}
	details := []object{}
	if t.Fee != 0 {
		details = append(details, object{
			"type": "stripe_fee", "amount": t.Fee, "currency": t.Currency, "application": nil,
			"description": "Stripe processing fees",
		})
	}
	category := string(t.Type)
	switch t.Type {
	case txnPayment:
		category = string(txnCharge)
	case txnAdjustment:
		category = "dispute"
	case txnCharge, txnRefund, txnRefundFailure:
	default:
		panic("stripe stand-in: unknown balance transaction type " + string(t.Type))
	}
	return object{
		"id": t.ID, "object": kindTxn, "created": t.Created, "available_on": t.AvailableOn, "status": status,
		"type": t.Type, "reporting_category": category, "source": t.Source, "amount": t.Amount, "fee": t.Fee,
		"net": t.Amount - t.Fee, "fee_details": details, "currency": t.Currency, "exchange_rate": nil,
		"description": nil, "balance_type": "payments",
	}
}
