package chaos

import (
	"net/http"
	"strings"
	"sync"

	"tillflow/standin/faults"
)

// wire stands where the service believes Stripe and Shopify to be, and hands each request to the stand-ins of the play
// it belongs to: by the secret key, or by the shop in the path. So every play has books and faults of its own although
// the service knows one address of each neighbour.
type wire struct {
	mu    sync.RWMutex
	keys  map[string]http.Handler // secret key → Stripe
	shops map[string]http.Handler // domain → Shopify
}

func newWire() *wire {
	return &wire{keys: map[string]http.Handler{}, shops: map[string]http.Handler{}}
}

func (w *wire) connect(domain string, shop http.Handler, keys []string, provider http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shops[domain] = shop
	for _, key := range keys {
		w.keys[key] = provider
	}
}

func (w *wire) disconnect(domain string, keys []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.shops, domain)
	for _, key := range keys {
		delete(w.keys, key)
	}
}

// ServeHTTP finds the stand-in. A play that is over knows nothing any more.
func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if h := w.find(r); h != nil {
		h.ServeHTTP(rw, r)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(http.StatusNotFound)
	_, _ = rw.Write([]byte(`{"error":{"type":"invalid_request_error","code":"resource_missing","message":"this play is over"}}`)) // nobody waits for it
}

func (w *wire) find(r *http.Request) http.Handler {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if rest, is := strings.CutPrefix(r.URL.Path, "/shops/"); is {
		domain, _, _ := strings.Cut(rest, "/")
		return w.shops[domain]
	}
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return w.keys[key]
}

// hits counts which armed faults have struck.
func hits(side Side, board *faults.Switchboard, into map[Cell]int) {
	for _, rule := range board.Status().Rules {
		if rule.Fired == 0 {
			continue
		}
		at := side
		if side == AtStripe && strings.HasPrefix(string(rule.Kind), "webhook_") && rule.Kind != faults.WebhookBeforeReply {
			at = OfMessage
		}
		into[Cell{Side: at, On: rule.Call, Fault: string(rule.Kind)}] += rule.Fired
	}
}
