package shopify

import (
	"crypto/rand"
	"time"
)

const (
	// erasureWait is the time from a customer's wish to customers/redact.
	erasureWait = 10 * 24 * time.Hour
	// erasureMonths is for how many months after an order the wish is withheld.
	erasureMonths = 6
)

// erasure is a customer's wish to be forgotten.
type erasure struct {
	Customer Customer  `json:"customer"`
	Due      time.Time `json:"due"`
	Sent     bool      `json:"sent"`
}

// requestData sends customers/data_request for the buyer of an order. The caller holds mu.
func (s *Server) requestData(out *outbox, sh *shop, c *checkout) error {
	if customerID(sh, c.Customer) == 0 {
		return errNotNow
	}
	s.raise(out, sh, event{topic: topicDataRequest, payload: func() any {
		return map[string]any{
			"shop_id": shopID(sh), "shop_domain": sh.Domain, "orders_requested": sh.ordersOf(c.Customer),
			"customer": complianceCustomer(sh, c.Customer), "data_request": map[string]any{"id": numericID(rand.Text())},
		}
	}})
	return nil
}

// requestErasure arranges customers/redact for the buyer of an order: ten days on, or six months after his last order
// if that is later. The caller holds mu.
func (s *Server) requestErasure(_ *outbox, sh *shop, c *checkout) error {
	if customerID(sh, c.Customer) == 0 {
		return errNotNow
	}
	due := s.now().Add(erasureWait)
	for _, id := range sh.CheckoutIDs {
		other := sh.Checkouts[id]
		if other.Number == 0 || customerID(sh, other.Customer) != customerID(sh, c.Customer) {
			continue
		}
		if held := other.orderedAt().AddDate(0, erasureMonths, 0); held.After(due) {
			due = held
		}
	}
	request := &erasure{Customer: Customer{Email: c.Customer.Email, PhoneNumber: c.Customer.PhoneNumber}, Due: due}
	sh.Erasures = append(sh.Erasures, request)
	s.changed()
	s.agenda.at(due, func() { s.sendErasure(sh, request) })
	return nil
}

// sendErasure sends customers/redact once.
func (s *Server) sendErasure(sh *shop, request *erasure) {
	out := &outbox{}
	s.mu.Lock()
	if !request.Sent {
		request.Sent = true
		s.changed()
		s.raiseErasure(out, sh, &request.Customer)
	}
	s.mu.Unlock()
	s.dispatch(out)
}

func (s *Server) raiseErasure(out *outbox, sh *shop, customer *Customer) {
	s.raise(out, sh, event{topic: topicCustomerRedact, payload: func() any {
		return map[string]any{
			"shop_id": shopID(sh), "shop_domain": sh.Domain, "customer": complianceCustomer(sh, customer),
			"orders_to_redact": sh.ordersOf(customer),
		}
	}})
}

// ordersOf lists the ids of a customer's orders. The caller holds mu.
func (sh *shop) ordersOf(customer *Customer) []int64 {
	list := []int64{}
	for _, id := range sh.CheckoutIDs {
		c := sh.Checkouts[id]
		if c.Number != 0 && customerID(sh, c.Customer) == customerID(sh, customer) {
			list = append(list, orderID(sh, c))
		}
	}
	return list
}

func complianceCustomer(sh *shop, customer *Customer) map[string]any {
	return map[string]any{
		"id": customerID(sh, customer), "email": textValue(customer.Email), "phone": textValue(customer.PhoneNumber),
	}
}
