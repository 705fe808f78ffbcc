package shopify

import (
	"context"
	"errors"
	"net/http"
	"time"

	"tillflow/standin/faults"
)

// DisputeStatus is where a buyer's dispute stands.
type DisputeStatus string

// The statuses: waiting for the merchant's evidence, decided for the merchant, decided for the buyer.
const (
	DisputeNeedsResponse DisputeStatus = "needs_response"
	DisputeWon           DisputeStatus = "won"
	DisputeLost          DisputeStatus = "lost"
)

// disputePatience is how long the merchant has to answer a dispute.
const disputePatience = 10 * 24 * time.Hour

// dispute is a buyer's objection to a payment.
type dispute struct {
	ID          int64         `json:"id"`
	Status      DisputeStatus `json:"status"`
	InitiatedAt time.Time     `json:"initiated_at"`
	FinalizedAt *time.Time    `json:"finalized_at,omitempty"`
}

// errNotNow says that Admin does not offer this for the order as it stands.
var errNotNow = errors.New("this is not possible for the order as it stands")

// announce raises what a decided or pending session means for its order. The caller holds mu and passes what the order
// was before.
func (s *Server) announce(out *outbox, sh *shop, session *Session, before OrderStatus) {
	c := sh.Checkouts[session.Checkout]
	if c == nil || c.Number == 0 {
		return
	}
	s.touch(c)
	if before == StatusNone {
		s.raiseOrder(out, sh, c, topicOrderCreate)
	}
	moved := sh.transaction(session)
	s.raise(out, sh, event{topic: topicTransaction, lane: c.ID, payload: func() any { return s.restTransaction(sh, c, moved) }})
	if session.Type == RefundSession && session.State == StateResolved {
		s.raise(out, sh, event{topic: topicRefund, lane: c.ID, payload: func() any { return s.restRefund(sh, c, moved) }})
	}
	if before != StatusPaid && sh.status(c, s.opts.Now()) == StatusPaid {
		s.raiseOrder(out, sh, c, topicOrderPaid)
	}
	s.raiseOrder(out, sh, c, topicOrderUpdated)
}

func (s *Server) raiseOrder(out *outbox, sh *shop, c *checkout, topic string) {
	s.raise(out, sh, event{topic: topic, lane: c.ID, payload: func() any { return s.restOrder(sh, c) }})
}

// touch notes that an order changed.
func (s *Server) touch(c *checkout) {
	now := s.now()
	c.UpdatedAt = &now
	if c.OrderedAt == nil {
		c.OrderedAt = &now
	}
	s.changed()
}

// publishing makes a reply send what the call caused, after it is written or when a fault says so.
func (s *Server) publishing(reply faults.Reply, out *outbox) faults.Reply {
	if len(out.parcels) == 0 {
		return reply
	}
	reply.Publish = func() { s.dispatch(out) }
	reply.Await = func(ctx context.Context) { out.tried.wait(ctx) }
	return reply
}

// happen is a button of an order's page that changes the order without a session.
func (s *Server) happen(w http.ResponseWriter, r *http.Request, sh *shop) {
	change := s.happening(r.PathValue("what"))
	if change == nil {
		http.NotFound(w, r)
		return
	}
	out := &outbox{}
	s.mu.Lock()
	c := sh.Checkouts[r.PathValue("checkout")]
	err := errNotNow
	if c != nil && c.Number != 0 {
		err = change(out, sh, c)
	}
	s.mu.Unlock()
	switch {
	case c == nil:
		s.noCheckout(w, sh)
	case err != nil:
		s.moveRefused(w, http.StatusConflict, sh, err)
	default:
		s.dispatch(out)
		http.Redirect(w, r, adminOrderPath(sh.Domain, c.ID), http.StatusSeeOther)
	}
}

// happeningButton is one button of an order's page.
type happeningButton struct{ What, Label string }

// happeningButtons are those that fit an order as it stands.
func happeningButtons(c *checkout) []happeningButton {
	if c.Number == 0 {
		return nil
	}
	var buttons []happeningButton
	if c.CancelledAt == nil {
		buttons = append(buttons, happeningButton{"cancel", "Cancel order"})
	}
	if c.Dispute == nil || c.Dispute.FinalizedAt != nil {
		buttons = append(buttons, happeningButton{"dispute", "Buyer disputes the payment"})
	} else {
		buttons = append(buttons, happeningButton{"dispute_won", "Dispute won"}, happeningButton{"dispute_lost", "Dispute lost"})
	}
	return append(buttons,
		happeningButton{"data_request", "Buyer asks for his data"}, happeningButton{"redact", "Buyer wants to be forgotten"})
}

// happening finds what a button does; nil for a name that is no button. What it returns runs under mu.
func (s *Server) happening(what string) func(*outbox, *shop, *checkout) error {
	switch what {
	case "cancel":
		return s.cancelOrder
	case "dispute":
		return s.openDispute
	case "dispute_won":
		return func(out *outbox, sh *shop, c *checkout) error { return s.decideDispute(out, sh, c, DisputeWon) }
	case "dispute_lost":
		return func(out *outbox, sh *shop, c *checkout) error { return s.decideDispute(out, sh, c, DisputeLost) }
	case "data_request":
		return s.requestData
	case "redact":
		return s.requestErasure
	default:
		return nil
	}
}

// cancelOrder cancels an order and moves no money: refunds and voids have buttons of their own.
func (s *Server) cancelOrder(out *outbox, sh *shop, c *checkout) error {
	if c.CancelledAt != nil {
		return errNotNow
	}
	now := s.now()
	c.CancelledAt = &now
	s.touch(c)
	s.raiseOrder(out, sh, c, topicOrderCancelled)
	s.raiseOrder(out, sh, c, topicOrderUpdated)
	return nil
}

// openDispute lets the buyer's bank object to the payment.
func (s *Server) openDispute(out *outbox, sh *shop, c *checkout) error {
	if c.Dispute != nil && c.Dispute.FinalizedAt == nil || sh.balance(c).captured.Sign() == 0 {
		return errNotNow
	}
	now := s.now()
	c.Dispute = &dispute{ID: numericID(c.ID + now.String()), Status: DisputeNeedsResponse, InitiatedAt: now}
	s.changed()
	s.raiseDispute(out, sh, c, topicDispute)
	return nil
}

func (s *Server) decideDispute(out *outbox, sh *shop, c *checkout, status DisputeStatus) error {
	if c.Dispute == nil || c.Dispute.FinalizedAt != nil {
		return errNotNow
	}
	now := s.now()
	c.Dispute.Status, c.Dispute.FinalizedAt = status, &now
	s.changed()
	s.raiseDispute(out, sh, c, topicDisputeUpdate)
	return nil
}

// raiseDispute sends a dispute over everything that was captured. Shopify has disputes of its own card processing only;
// the shape is the same.
func (s *Server) raiseDispute(out *outbox, sh *shop, c *checkout, topic string) {
	s.raise(out, sh, event{topic: topic, lane: c.ID, payload: func() any {
		return map[string]any{
			"id": c.Dispute.ID, "order_id": orderID(sh, c), "type": "chargeback", "reason": "fraudulent",
			"network_reason_code": "4837", "status": c.Dispute.Status, "currency": c.Currency,
			"amount":       formatAmount(sh.balance(c).captured, c.Currency),
			"initiated_at": restTime(c.Dispute.InitiatedAt), "finalized_on": timeValue(c.Dispute.FinalizedAt),
			"evidence_due_by": restTime(c.Dispute.InitiatedAt.Add(disputePatience)), "evidence_sent_on": nil,
		}
	}})
}
