package stripe

import (
	"crypto/rand"
	"iter"
	"net/http"

	"tillflow/standin/faults"
)

type disputeStatus string

const (
	disputeOpen    disputeStatus = "needs_response"
	disputeWon     disputeStatus = "won"
	disputeLost    disputeStatus = "lost"
	inquiryOpen    disputeStatus = "warning_needs_response"
	inquiryDropped disputeStatus = "warning_closed"
)

// dispute is a buyer's objection to a charge.
type dispute struct {
	row
	Charge, Intent string
	Amount         int64
	Currency       string
	Status         disputeStatus
	Txn            string // funds withdrawn
	ReturnTxn      string // funds reinstated
}

// disputeFee is what Stripe keeps for a dispute, in minor units.
const disputeFee = 1500

// taken is what the merchant does not have because of the dispute.
func (d *dispute) taken() int64 {
	if d.Status == disputeOpen || d.Status == disputeLost {
		return d.Amount
	}
	return 0
}

func (d *dispute) over() bool { return d.Status != disputeOpen && d.Status != inquiryOpen }

func (a *account) disputesOf(ch *charge) iter.Seq[*dispute] {
	return func(yield func(*dispute) bool) {
		if !ch.Disputed {
			return
		}
		for _, d := range a.disputes.rows {
			if d.Charge == ch.ID && !yield(d) {
				return
			}
		}
	}
}

// withdrawn is what disputes took of a charge.
func (a *account) withdrawn(ch *charge) int64 {
	sum := int64(0)
	for d := range a.disputesOf(ch) {
		sum += d.taken()
	}
	return sum
}

// objected is what the cards do that pay and then object.
func (c *change) objected(ch *charge) {
	card, _ := c.s.card(ch.Card.Name)
	switch {
	case !ch.Captured:
	case card.does == isDisputed:
		c.dispute(ch, ch.AmountCaptured, false)
	case card.does == isInquired:
		c.dispute(ch, ch.AmountCaptured, true)
	}
}

// dispute opens a dispute or an inquiry of a captured charge.
func (c *change) dispute(ch *charge, amount int64, inquiry bool) *dispute {
	d := &dispute{
		row: c.newRow("dp_" + rand.Text()), Charge: ch.ID, Intent: ch.Intent, Amount: amount, Currency: ch.Currency,
		Status: inquiryOpen,
	}
	ch.Disputed = true
	c.save(rowCharge, ch.ID)
	c.acct.disputes.add(d)
	if inquiry {
		c.raiseDispute("charge.dispute.created", d)
		return d
	}
	c.withdraw(d, "charge.dispute.created")
	return d
}

// withdraw takes the money of a dispute. Refunds that are on their way fail.
func (c *change) withdraw(d *dispute, eventType string) {
	d.Status = disputeOpen
	d.Txn = c.book(balanceTxn{
		Type: txnAdjustment, Source: d.ID, Amount: -d.Amount, Fee: disputeFee, Currency: d.Currency,
	}).ID
	c.raiseDispute(eventType, d)
	c.raiseDispute("charge.dispute.funds_withdrawn", d)
	for _, id := range c.acct.refundsByCharge[d.Charge] {
		if re, _ := c.acct.refunds.get(id); re.Status == refundPending {
			c.endRefund(re, refundFailed, "charge_for_pending_refund_disputed")
		}
	}
}

// judge ends a dispute; a won one gives the money back.
func (c *change) judge(d *dispute, status disputeStatus) {
	d.Status = status
	if status != disputeWon {
		c.raiseDispute("charge.dispute.closed", d)
		return
	}
	c.raiseDispute("charge.dispute.closed", d)
	d.ReturnTxn = c.book(balanceTxn{Type: txnAdjustment, Source: d.ID, Amount: d.Amount, Currency: d.Currency}).ID
	c.raiseDispute("charge.dispute.funds_reinstated", d)
}

func (c *change) raiseDispute(eventType string, d *dispute) {
	c.save(rowDispute, d.ID)
	lane := d.Intent
	if id, ok := c.acct.checkoutByIntent[d.Intent]; ok {
		lane = id
	}
	c.raise(eventType, lane, c.acct.disputeObject(d, nil))
}

// disputeByHand opens a dispute: POST /_dispute/{pi_…}?amount=&inquiry=true. No amount is all that is left.
func (s *Server) disputeByHand(v *visit) faults.Reply {
	pi, ok := v.intent(v.id)
	if !ok {
		return problem(missing("payment_intent", v.id, "payment_intent"))
	}
	amount, refusal := v.amount()
	if refusal != nil {
		return problem(refusal)
	}
	ch, ok := v.acct.charges.get(pi.LatestCharge)
	if !ok || !ch.Captured {
		return problem(refused("", "Nothing was captured on "+pi.ID+"."))
	}
	for d := range v.acct.disputesOf(ch) {
		if !d.over() {
			return problem(refused("charge_disputed", "Charge "+ch.ID+" is disputed already, by "+d.ID+"."))
		}
	}
	// A bank does not ask what was refunded meanwhile: only what it took before bounds it.
	most := ch.AmountCaptured - v.acct.withdrawn(ch)
	if amount == 0 {
		amount = ch.left() - v.acct.withdrawn(ch)
	}
	if amount < 1 || amount > most {
		return problem(refused("amount_too_large", "There are "+formatAmount(most, ch.Currency)+" to dispute."))
	}
	d := v.dispute(ch, amount, v.form.Get("inquiry") == "true")
	return jsonReply(http.StatusOK, encode(v.acct.disputeObject(d, nil)))
}

// judgeByHand decides a dispute: POST /_dispute/{dp_… or pi_…}/win, /lose; of an inquiry /drop and /escalate.
func (s *Server) judgeByHand(v *visit) faults.Reply {
	d, ok := v.openDispute()
	if !ok {
		return problem(missing("open dispute", v.id, "id"))
	}
	verdict := v.r.PathValue("verdict")
	switch {
	case verdict == "win" && d.Status == disputeOpen:
		v.judge(d, disputeWon)
	case verdict == "lose" && d.Status == disputeOpen:
		v.judge(d, disputeLost)
	case verdict == "drop" && d.Status == inquiryOpen:
		v.judge(d, inquiryDropped)
	case verdict == "escalate" && d.Status == inquiryOpen:
		v.withdraw(d, "charge.dispute.updated")
	default:
		return problem(invalid("", "verdict", "A dispute that is "+string(d.Status)+" cannot "+verdict+"."))
	}
	return jsonReply(http.StatusOK, encode(v.acct.disputeObject(d, nil)))
}

// openDispute finds a dispute that is not over, of any account, by its id or its PaymentIntent's.
func (v *visit) openDispute() (*dispute, bool) {
	for _, a := range v.s.accounts {
		for _, d := range a.disputes.rows {
			if (d.ID == v.id || d.Intent == v.id) && !d.over() {
				v.acct = a
				return d, true
			}
		}
	}
	return nil, false
}

func retrieveDispute(c *call) (object, *apiError) {
	d, ok := c.acct.disputes.get(c.id())
	if !ok {
		return nil, missing("dispute", c.id(), "dispute")
	}
	return c.acct.disputeObject(d, c.expand), nil
}

func listDisputes(c *call) (object, *apiError) {
	of, chargeID := c.form.text("payment_intent"), c.form.text("charge")
	return page(c, lister[*dispute]{
		what: "dispute",
		rows: func(after string) (iter.Seq[*dispute], bool) { return c.acct.disputes.newestFirst(after) },
		keep: func(d *dispute) bool {
			return (of == "" || d.Intent == of) && (chargeID == "" || d.Charge == chargeID)
		},
		render: c.acct.disputeObject,
	})
}

func (a *account) disputeObject(d *dispute, x expansion) object {
	lines := []object{}
	for _, id := range []string{d.Txn, d.ReturnTxn} {
		if id != "" {
			lines = append(lines, a.txnByID(id, nil))
		}
	}
	return object{
		"id": d.ID, "object": kindDispute, "created": d.Created, "livemode": a.livemode, "status": d.Status,
		"amount": d.Amount, "currency": d.Currency, "charge": x.refer("charge", d.Charge, a.chargeByID),
		"payment_intent": x.refer("payment_intent", d.Intent, a.intentByID),
		"reason":         "fraudulent", "is_charge_refundable": d.taken() == 0, "balance_transactions": lines,
		"metadata": object{}, "evidence": object{"enhanced_evidence": object{}}, "enhanced_eligibility_types": []string{},
		"evidence_details": object{
			"due_by": d.Created + 7*24*3600, "has_evidence": false, "past_due": false, "submission_count": 0,
			"enhanced_eligibility": object{},
		},
	}
}
