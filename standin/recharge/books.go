package recharge

import (
	"maps"
	"net/http"
	"slices"

	"tillflow/internal/money"
)

// Books are what this Recharge says happened.
type Books struct {
	Stores map[string]StoreBooks `json:"stores"`
	// Unauthorized counts calls without a known token.
	Unauthorized int `json:"unauthorized"`
}

// StoreBooks are the books of one store, oldest first.
type StoreBooks struct {
	Charges  []ChargeEntry  `json:"charges"`
	Payments []Payment      `json:"payments"`
	Orders   []OrderEntry   `json:"orders"`
	Webhooks []WebhookEntry `json:"webhooks"`
	// Subscribed are the subscriptions, Deleted those that were deleted because nobody answered.
	Subscribed []HookEntry `json:"subscribed"`
	Deleted    []HookEntry `json:"deleted"`
	// Taken sums the payments per currency.
	Taken map[money.Currency]int64 `json:"taken_minor"`
	// Calls counts the authenticated calls per operation, without those that the bucket refused: these are Throttled.
	Calls     map[string]int `json:"calls"`
	Throttled int            `json:"throttled"`
}

// ChargeEntry is one charge.
type ChargeEntry struct {
	ID        int64  `json:"id"`
	Customer  int64  `json:"customer"`
	ShopifyID int64  `json:"shopify_customer"`
	Status    string `json:"status"`
	ErrorType string `json:"error_type,omitempty"`
	Attempts  int    `json:"charge_attempts"`
	// Paid is how often money was taken for it: more than once is what must never happen.
	Paid int          `json:"paid"`
	Note string       `json:"note,omitempty"`
	Sum  money.Amount `json:"total"`
}

// OrderEntry is one order.
type OrderEntry struct {
	ID     int64  `json:"id"`
	Charge int64  `json:"charge"`
	Note   string `json:"note,omitempty"`
}

// WebhookEntry is one event at one subscription.
type WebhookEntry struct {
	Topic      string `json:"topic"`
	Address    string `json:"address"`
	State      string `json:"state"`
	Attempts   int    `json:"attempts"`
	LastStatus int    `json:"last_status,omitempty"`
	LastError  string `json:"last_error,omitempty"`
}

// HookEntry is one subscription.
type HookEntry struct {
	ID      int64  `json:"id"`
	Topic   string `json:"topic"`
	Address string `json:"address"`
}

// Books returns the books, of one store unless the name is empty.
func (s *Server) Books(name string) Books {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := Books{Stores: make(map[string]StoreBooks), Unauthorized: s.unauthorized}
	for n, st := range s.stores {
		if name == "" || name == n {
			b.Stores[n] = st.books()
		}
	}
	return b
}

func (st *store) books() StoreBooks {
	b := StoreBooks{
		Charges: []ChargeEntry{}, Payments: slices.Clone(st.Payments), Orders: []OrderEntry{}, Webhooks: []WebhookEntry{},
		Subscribed: []HookEntry{}, Deleted: []HookEntry{}, Taken: make(map[money.Currency]int64), Calls: maps.Clone(st.Calls),
		Throttled: st.Throttled,
	}
	paid := make(map[int64]int)
	for _, p := range st.Payments {
		paid[p.Charge]++
		b.Taken[p.Amount.Currency] += p.Amount.Minor
	}
	shopify := make(map[int64]int64, len(st.Customers))
	for _, c := range st.Customers {
		shopify[c.ID] = c.Shopify
	}
	for _, c := range st.Charges {
		b.Charges = append(b.Charges, ChargeEntry{
			c.ID, c.Customer, shopify[c.Customer], c.Status, c.ErrorType, c.Attempts, paid[c.ID], c.Note, c.Total,
		})
	}
	for _, o := range st.Orders {
		b.Orders = append(b.Orders, OrderEntry{o.ID, o.Charge, o.Note})
	}
	for _, d := range st.Deliveries {
		b.Webhooks = append(b.Webhooks, WebhookEntry{d.Topic, d.Address, d.State, d.Attempts, d.LastStatus, d.LastError})
	}
	for _, h := range st.Hooks {
		b.Subscribed = append(b.Subscribed, HookEntry{h.ID, h.Topic, h.Address})
	}
	for _, h := range st.Gone {
		b.Deleted = append(b.Deleted, HookEntry{h.ID, h.Topic, h.Address})
	}
	return b
}

func (s *Server) serveBooks(w http.ResponseWriter, r *http.Request) {
	writeReply(w, jsonReply(http.StatusOK, encode(s.Books(r.URL.Query().Get("store")))))
}
