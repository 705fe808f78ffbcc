package stripe

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
)

// Books are what this Stripe says happened. Amounts are minor units.
type Books struct {
	Accounts map[string]AccountBooks `json:"accounts"`
	// Unauthorized counts API calls without a valid key.
	Unauthorized int `json:"unauthorized"`
}

// AccountBooks are the books of one account, oldest first; with a reference, only what belongs to its checkouts. What
// charges a kept method has no checkout: its reference is its transfer_group.
type AccountBooks struct {
	Livemode  bool            `json:"livemode"`
	Checkouts []CheckoutEntry `json:"checkouts"`
	Intents   []IntentEntry   `json:"payment_intents"`
	Refunds   []RefundEntry   `json:"refunds"`
	Disputes  []DisputeEntry  `json:"disputes"`
	// Methods are the payment methods that checkouts kept; always of the whole account.
	Methods  []MethodEntry  `json:"payment_methods"`
	Webhooks []WebhookEntry `json:"webhooks"`
	// Totals sums the entries above per currency.
	Totals map[string]Totals `json:"totals"`
	// Calls counts the authenticated API calls per operation, replays included; always of the whole account.
	Calls map[string]int `json:"calls"`
	// Replays counts the answers repeated for an idempotency key, Conflicts those refused because of one.
	Replays   int `json:"idempotent_replays"`
	Conflicts int `json:"idempotent_conflicts"`
}

// CheckoutEntry is one Checkout Session.
type CheckoutEntry struct {
	ID            string            `json:"id"`
	Reference     string            `json:"client_reference_id,omitempty"`
	Status        string            `json:"status"`
	PaymentStatus string            `json:"payment_status"`
	Amount        int64             `json:"amount"`
	Currency      string            `json:"currency"`
	Intent        string            `json:"payment_intent,omitempty"`
	Metadata      map[string]string `json:"metadata,omitempty"`
	Created       int64             `json:"created"`
}

// IntentEntry is one PaymentIntent with the money of its charges.
type IntentEntry struct {
	ID        string `json:"id"`
	Checkout  string `json:"checkout,omitempty"` // empty: a kept method was charged
	Reference string `json:"client_reference_id,omitempty"`
	Status    string `json:"status"`
	Currency  string `json:"currency"`
	Amount    int64  `json:"amount"`
	// Authorized is what the card agreed to, Held what of it is neither captured nor released.
	Authorized int64 `json:"authorized"`
	Held       int64 `json:"held"`
	Captured   int64 `json:"captured"`
	// Method is what was charged, and Key the idempotency key, where it was a kept method.
	Method string `json:"payment_method,omitempty"`
	Key    string `json:"idempotency_key,omitempty"`
	// CaptureKey is the idempotency key of the capture of an authorization.
	CaptureKey string `json:"capture_key,omitempty"`
	// Refunded is what went back, at the API and at the dashboard; RefundedElsewhere is the dashboard's part.
	Refunded          int64 `json:"refunded"`
	RefundedElsewhere int64 `json:"refunded_elsewhere"`
	// Disputed is what open and lost disputes took.
	Disputed int64             `json:"disputed"`
	Fees     int64             `json:"fees"`
	Attempts int               `json:"attempts"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// RefundEntry is one refund of money; what is released of a hold is none. Failed and canceled ones moved nothing.
type RefundEntry struct {
	ID        string            `json:"id"`
	Intent    string            `json:"payment_intent"`
	Amount    int64             `json:"amount"`
	Currency  string            `json:"currency"`
	Status    string            `json:"status"`
	Dashboard bool              `json:"dashboard,omitempty"`
	Key       string            `json:"idempotency_key,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
}

// DisputeEntry is one dispute.
type DisputeEntry struct {
	ID       string `json:"id"`
	Intent   string `json:"payment_intent"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	Status   string `json:"status"`
}

// MethodEntry is one kept payment method. Card names the test card whose behaviour it has.
type MethodEntry struct {
	ID       string `json:"id"`
	Customer string `json:"customer,omitempty"` // empty: detached
	Card     string `json:"card"`
	Brand    string `json:"brand,omitempty"`
	Last4    string `json:"last4"`
	Expires  string `json:"expires,omitempty"`
}

// WebhookEntry is one event at one endpoint.
type WebhookEntry struct {
	Event       string `json:"event"`
	Type        string `json:"type"`
	Lane        string `json:"checkout"`
	URL         string `json:"url"`
	State       string `json:"state"`
	Attempts    int    `json:"attempts"`
	LastStatus  int    `json:"last_status,omitempty"`
	LastError   string `json:"last_error,omitempty"`
	DeliveredAt int64  `json:"delivered_at,omitempty"`
}

// Totals are sums in one currency.
type Totals struct {
	Captured          int64 `json:"captured"`
	Refunded          int64 `json:"refunded"`
	RefundedElsewhere int64 `json:"refunded_elsewhere"`
	Disputed          int64 `json:"disputed"`
	Held              int64 `json:"held"`
	Fees              int64 `json:"fees"`
	// Captures, Refunds are how many movements the sums have.
	Captures int `json:"captures"`
	Refunds  int `json:"refunds"`
}

// Books returns the books, of one client_reference_id unless it is empty.
func (s *Server) Books(reference string) Books {
	s.mu.Lock()
	events := s.advance(s.opts.Now())
	b := Books{Accounts: make(map[string]AccountBooks, len(s.accounts)), Unauthorized: s.unauthorized}
	for id, a := range s.accounts {
		b.Accounts[id] = a.books(reference)
	}
	s.mu.Unlock()
	s.publish(events)
	return b
}

func (a *account) books(reference string) AccountBooks {
	b := AccountBooks{
		Livemode: a.livemode, Totals: make(map[string]Totals), Calls: maps.Clone(a.counts.Calls),
		Replays: a.counts.Replays, Conflicts: a.counts.Conflicts,
		Checkouts: []CheckoutEntry{}, Intents: []IntentEntry{}, Refunds: []RefundEntry{}, Disputes: []DisputeEntry{},
		Webhooks: []WebhookEntry{}, Methods: []MethodEntry{},
	}
	lanes := make(map[string]bool)
	for cs := range a.checkoutsOf(reference) {
		lanes[cs.ID] = true
		b.Checkouts = append(b.Checkouts, CheckoutEntry{
			cs.ID, cs.Reference, string(cs.Status), string(cs.PaymentStatus), cs.Amount, cs.Currency, cs.Intent, cs.Metadata,
			cs.Created,
		})
		if pi, ok := a.intents.get(cs.Intent); ok {
			a.bookIntent(&b, pi, cs.Reference)
		}
	}
	for _, pi := range a.offSession {
		if reference == "" || pi.Spec.TransferGroup == reference {
			lanes[pi.ID] = true
			a.bookIntent(&b, pi, pi.Spec.TransferGroup)
		}
	}
	for _, m := range a.methods.rows {
		b.Methods = append(b.Methods, MethodEntry{
			m.ID, m.Customer, m.Card.Name, m.Card.Brand, m.Card.Last4, m.Card.expires(),
		})
	}
	for _, ev := range a.events.rows {
		if !lanes[ev.Lane] {
			continue
		}
		for _, d := range ev.Deliveries {
			b.Webhooks = append(b.Webhooks, WebhookEntry{
				ev.ID, ev.Type, ev.Lane, d.URL, string(d.State), d.Attempts, d.LastStatus, d.LastError, d.DeliveredAt,
			})
		}
	}
	return b
}

func (a *account) checkoutsOf(reference string) iter.Seq[*checkout] {
	if reference == "" {
		return slices.Values(a.checkouts.rows)
	}
	return func(yield func(*checkout) bool) {
		for _, id := range a.byReference[reference] {
			if cs, ok := a.checkouts.get(id); ok && !yield(cs) {
				return
			}
		}
	}
}

// bookIntent adds a PaymentIntent, its refunds and disputes, counted from charges and not from the intent's own sums.
func (a *account) bookIntent(b *AccountBooks, pi *intent, reference string) {
	entry := IntentEntry{
		ID: pi.ID, Checkout: pi.Checkout, Reference: reference, Status: string(pi.Status), Currency: pi.Currency,
		Amount: pi.Amount, Held: pi.Capturable, CaptureKey: pi.CaptureKey, Key: pi.Key, Attempts: pi.Attempts, Metadata: pi.Metadata,
	}
	if pi.Checkout == "" {
		entry.Method = pi.Method
	}
	sum := b.Totals[pi.Currency]
	for _, id := range a.chargesByIntent[pi.ID] {
		ch, _ := a.charges.get(id)
		if t, ok := a.txns.get(ch.Txn); ok {
			entry.Fees += t.Fee
			sum.Captures++
		}
		if ch.Status == chargeSucceeded {
			entry.Authorized += ch.Amount
		}
		entry.Captured += ch.AmountCaptured
		sum.Refunds += a.bookRefunds(b, &entry, ch)
		for d := range a.disputesOf(ch) {
			entry.Disputed += d.taken()
			b.Disputes = append(b.Disputes, DisputeEntry{d.ID, d.Intent, d.Amount, d.Currency, string(d.Status)})
			if t, ok := a.txns.get(d.Txn); ok {
				entry.Fees += t.Fee
			}
		}
	}
	b.Intents = append(b.Intents, entry)
	sum.Captured += entry.Captured
	sum.Refunded += entry.Refunded
	sum.RefundedElsewhere += entry.RefundedElsewhere
	sum.Disputed += entry.Disputed
	sum.Held += entry.Held
	sum.Fees += entry.Fees
	b.Totals[pi.Currency] = sum
}

// bookRefunds adds the refunds of a charge and returns how many of them moved money.
func (a *account) bookRefunds(b *AccountBooks, entry *IntentEntry, ch *charge) (moved int) {
	for _, id := range a.refundsByCharge[ch.ID] {
		re, _ := a.refunds.get(id)
		if re.Release {
			continue
		}
		if re.Status.counts() {
			entry.Refunded += re.Amount
			moved++
			if re.Dashboard {
				entry.RefundedElsewhere += re.Amount
			}
		}
		b.Refunds = append(b.Refunds, RefundEntry{
			re.ID, re.Intent, re.Amount, re.Currency, string(re.Status), re.Dashboard, re.Key, re.Metadata,
		})
	}
	return moved
}

// serveBooks answers GET /_books?ref=.
func (s *Server) serveBooks(w http.ResponseWriter, r *http.Request) {
	body, err := json.MarshalIndent(s.Books(r.URL.Query().Get("ref")), "", " ")
	if err != nil {
		s.log.Error().Err(fmt.Errorf("render books: %w", err)).Msg("stripe stand-in: books not rendered")
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	writeReply(w, jsonReply(http.StatusOK, append(body, '\n')))
}
