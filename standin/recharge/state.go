package recharge

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tillflow/internal/money"
)

// firstID keeps our ids apart from the small numbers that tests write by hand.
const firstID = 990000

// object is a JSON object of the API.
type object = map[string]any

// errUnknown is what a switch answers that names something this stand-in does not have.
var errUnknown = errors.New("unknown")

// store is everything of one merchant. Guarded by Server.mu.
type store struct {
	conf   Store
	bucket bucket

	Charges    []*charge // by id
	Customers  []*customer
	Orders     []*order
	Hooks      []*hook
	Gone       []goneHook
	Deliveries []*delivery
	Payments   []Payment
	Calls      map[string]int
	Throttled  int
}

func newStore(conf Store) *store {
	return &store{conf: conf, Calls: make(map[string]int)}
}

// charge is one charge. Zero times are null.
type charge struct {
	ID, Address, Customer                        int64
	Status, Type, Error, ErrorType               string
	Attempts                                     int
	RetryAt, ScheduledAt, ProcessedAt, CreatedAt time.Time
	UpdatedAt                                    time.Time
	Total                                        money.Amount
	Title                                        string
	Note                                         string
	OrderID                                      int64 // at Shopify, zero before it was paid
	Transaction                                  string
	// Override replaces members of the object as it is shown: for values that nobody published.
	Override object
}

// customer is one customer with the card that pays for him.
type customer struct {
	ID      int64
	Shopify int64
	Email   string
	Card    string
}

// order is what a paid charge makes.
type order struct {
	ID, Charge, Customer, Shopify int64
	Note                          string
	CreatedAt                     time.Time
}

// Payment is money that was taken.
type Payment struct {
	Charge int64        `json:"charge"`
	Amount money.Amount `json:"amount"`
	// Via says who asked for it: "process" by the API, "retry" by Recharge's own schedule.
	Via string    `json:"via"`
	At  time.Time `json:"at"`
}

// next gives an id. Caller holds mu.
func (s *Server) next() int64 {
	s.serial++
	return s.serial
}

func (st *store) charge(id int64) (*charge, bool) {
	i, ok := slices.BinarySearchFunc(st.Charges, id, func(c *charge, id int64) int { return int(c.ID - id) })
	if !ok {
		return nil, false
	}
	return st.Charges[i], true
}

func (st *store) customer(id int64) (*customer, bool) {
	i := slices.IndexFunc(st.Customers, func(c *customer) bool { return c.ID == id })
	if i < 0 {
		return nil, false
	}
	return st.Customers[i], true
}

// ChargeSpec describes charges to add. The zero value is a card that was declined an hour ago.
type ChargeSpec struct {
	// Status, default error.
	Status string `json:"status,omitempty"`
	// ErrorType, default CARD_DECLINED, and the sentence beside it.
	ErrorType string `json:"error_type,omitempty"`
	Error     string `json:"error,omitempty"`
	// Total in major units, default "24.99", of the store's currency.
	Total string `json:"total_price,omitempty"`
	Note  string `json:"note,omitempty"`
	Title string `json:"title,omitempty"`
	// Attempts so far, default 1.
	Attempts int `json:"charge_attempts,omitempty"`
	// Card of the customer from now on, default one that declines with ErrorType.
	Card string `json:"card,omitempty"`
	// Customer is who pays; zero makes a new one for each charge.
	Customer int64 `json:"customer,omitempty"`
	// AgeSeconds is how long ago the first one was updated, default 3600; SpreadSeconds is the time over which the updates of
	// all of them are spread from there. Several then fall into the same second.
	AgeSeconds    int64 `json:"age_s,omitempty"`
	SpreadSeconds int64 `json:"spread_s,omitempty"`
	// Announce delivers charge/failed for each.
	Announce bool `json:"announce,omitempty"`
	// Override replaces members of the object as it is shown.
	Override map[string]any `json:"override,omitempty"`
}

// AddCharges adds n charges to a store and returns their ids.
func (s *Server) AddCharges(name string, n int, spec ChargeSpec) ([]int64, error) {
	var ids []int64
	err := s.change(name, func(st *store) (err error) {
		ids, err = s.addCharges(st, n, spec)
		return err
	})
	return ids, err
}

func (s *Server) addCharges(st *store, n int, spec ChargeSpec) ([]int64, error) {
	if _, ok := st.customer(spec.Customer); !ok && spec.Customer != 0 {
		return nil, fmt.Errorf("customer %d: %w", spec.Customer, errUnknown)
	}
	total, err := money.Parse(orElse(spec.Total, "24.99"), st.conf.Currency)
	if err != nil {
		return nil, err
	}
	if spec.AgeSeconds == 0 {
		spec.AgeSeconds = 3600
	}
	now := s.opts.Now().UTC().Truncate(time.Second)
	first := now.Add(-time.Duration(spec.AgeSeconds) * time.Second)
	ids := make([]int64, 0, n)
	for i := range n {
		c := &charge{
			ID: s.next(), Address: s.next(), Status: orElse(spec.Status, "error"), Type: "recurring", Error: spec.Error,
			ErrorType: orElse(spec.ErrorType, "CARD_DECLINED"), Attempts: max(1, spec.Attempts), Total: total,
			Title: orElse(spec.Title, "Monthly box"), Note: spec.Note, Override: spec.Override,
			UpdatedAt: first.Add(time.Duration(spec.SpreadSeconds*int64(i)/int64(n)) * time.Second),
		}
		c.ScheduledAt, c.CreatedAt = c.UpdatedAt.Truncate(24*time.Hour), c.UpdatedAt.Add(-30*24*time.Hour)
		if c.Status != "error" {
			c.ErrorType, c.Error = "", ""
		} else {
			c.Error = orElse(c.Error, "The payment failed: "+c.ErrorType)
			c.RetryAt = c.UpdatedAt.Add(s.opts.RetryEvery)
		}
		c.Customer = spec.Customer
		if c.Customer == 0 {
			c.Customer = s.addCustomer(st, orElse(spec.Card, c.ErrorType))
		}
		st.Charges = append(st.Charges, c)
		ids = append(ids, c.ID)
		if spec.Announce {
			s.raiseCharge(st, "charge/failed", c)
		}
	}
	return ids, nil
}

func (s *Server) addCustomer(st *store, card string) int64 {
	id := s.next()
	st.Customers = append(st.Customers, &customer{
		ID: id, Shopify: 5_000_000 + id, Email: "buyer" + strconv.FormatInt(id, 10) + "@example.com", Card: card,
	})
	return id
}

// ChargeChange is what somebody changes on a charge at Recharge. Empty fields stay; every change is an update, also one of nothing.
type ChargeChange struct {
	Status    string  `json:"status,omitempty"`
	ErrorType string  `json:"error_type,omitempty"`
	Note      *string `json:"note,omitempty"`
}

// ChangeCharge changes a charge and moves its updated_at to now.
func (s *Server) ChangeCharge(name string, id int64, change ChargeChange) error {
	return s.change(name, func(st *store) error {
		c, ok := st.charge(id)
		if !ok {
			return fmt.Errorf("charge %d: %w", id, errUnknown)
		}
		c.Status, c.ErrorType = orElse(change.Status, c.Status), orElse(change.ErrorType, c.ErrorType)
		if change.Note != nil {
			c.Note = *change.Note
		}
		s.touch(c)
		return nil
	})
}

// SetCard gives a customer another card, as in his portal, and delivers customer/payment_method_updated.
func (s *Server) SetCard(name string, id int64, card string) error {
	return s.change(name, func(st *store) error {
		c, ok := st.customer(id)
		if !ok || card == "" {
			return fmt.Errorf("customer %d, card %q: %w", id, card, errUnknown)
		}
		c.Card = card
		s.raise(st, "customer/payment_method_updated", object{"customer": c.object()})
		return nil
	})
}

// change does something to the books of one store and delivers what it raised.
func (s *Server) change(name string, do func(*store) error) error {
	s.mu.Lock()
	st, ok := s.stores[name]
	err := fmt.Errorf("store %q: %w", name, errUnknown)
	if ok {
		err = do(st)
		s.version++
	}
	sends := s.takeOutbox()
	s.mu.Unlock()
	s.publish(sends)
	return err
}

func (s *Server) touch(c *charge) {
	c.UpdatedAt = s.opts.Now().UTC().Truncate(time.Second)
	s.version++
}

func orElse(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}
