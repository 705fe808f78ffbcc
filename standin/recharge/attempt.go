package recharge

import (
	"fmt"
	"time"
)

// Cards that do not decline. Any other card is the error type it declines with.
const (
	cardGood = "good"
	cardSlow = "slow"
)

// Statuses of a charge that an attempt leads to.
const (
	statusSuccess = "success"
	statusError   = "error"
	statusPending = "pending"
)

const (
	maxAttempts = 8
	exhausted   = "CLOSED_MAX_RETRIES_REACHED"
)

// attempt charges a card once. Decline, when it is set, is the error type of a fault. Caller holds mu.
func (s *Server) attempt(st *store, c *charge, via, decline string) {
	card := decline
	if payer, ok := st.customer(c.Customer); ok && card == "" {
		card = payer.Card
	}
	c.Attempts++
	c.RetryAt = time.Time{}
	s.touch(c)
	switch card {
	case cardGood:
		s.pay(st, c, via)
	case cardSlow:
		c.Status, c.Error, c.ErrorType = statusPending, "", ""
		s.raiseCharge(st, "charge/updated", c)
	default:
		s.fail(st, c, card)
	}
}

func (s *Server) pay(st *store, c *charge, via string) {
	c.Status, c.Error, c.ErrorType, c.ProcessedAt = statusSuccess, "", "", c.UpdatedAt
	c.OrderID, c.Transaction = 7_000_000+c.ID, fmt.Sprintf("pi_%d_%d", c.ID, c.Attempts)
	st.Payments = append(st.Payments, Payment{Charge: c.ID, Amount: c.Total, Via: via, At: c.UpdatedAt})
	o := &order{ID: s.next(), Charge: c.ID, Customer: c.Customer, Shopify: c.OrderID, Note: c.Note, CreatedAt: c.UpdatedAt}
	st.Orders = append(st.Orders, o)
	s.raiseCharge(st, "charge/paid", c)
	s.raise(st, "order/created", object{"order": st.orderObject(o)})
}

func (s *Server) fail(st *store, c *charge, errorType string) {
	c.Status, c.ErrorType, c.Error = statusError, errorType, "The payment failed: "+errorType
	if c.Attempts < maxAttempts {
		c.RetryAt = c.UpdatedAt.Add(s.opts.RetryEvery)
		s.raiseCharge(st, "charge/failed", c)
		return
	}
	c.ErrorType = exhausted
	s.raiseCharge(st, "charge/max_retries_reached", c)
}

// Advance does what is due: pending charges are paid, failed ones tried again whose retry_date has come.
func (s *Server) Advance() {
	s.mu.Lock()
	now := s.opts.Now()
	for _, st := range s.stores {
		for _, c := range st.Charges {
			switch {
			case c.Status == statusPending && now.Sub(c.UpdatedAt) >= settleAfter:
				s.touch(c)
				s.pay(st, c, "process")
			case c.Status == statusError && !c.RetryAt.IsZero() && !now.Before(c.RetryAt):
				s.attempt(st, c, "retry", "")
			}
		}
	}
	sends := s.takeOutbox()
	s.mu.Unlock()
	s.publish(sends)
}

// settleAfter is how long a slow card is pending.
const settleAfter = 5 * time.Second
