package shopify

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"sync"
	"time"

	"tillflow/standin/faults"
)

// Server is the stand-in: an http.Handler. Make it with New and Close it.
type Server struct {
	opts     Options
	payments *api
	admin    *api
	apps     []*registration // payments first
	agenda   *agenda
	courier  *courier
	faults   *faults.Switchboard
	client   *http.Client
	pages    *template.Template
	mux      *http.ServeMux
	saver    *saver // nil without a snapshot

	// shops never gains or loses a member after New; what is in a shop is guarded by mu.
	shops map[string]*shop
	mu    sync.Mutex
	// version counts changes, so that the saver knows when there is something new.
	version uint64
}

// New makes a stand-in and loads its snapshot, if there is one. The error names every fault of the options.
func New(opts Options) (*Server, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("shopify stand-in: %w", err)
	}
	pages, err := parsePages()
	if err != nil {
		return nil, fmt.Errorf("shopify stand-in: %w", err)
	}
	s := &Server{
		opts: opts, pages: pages, shops: make(map[string]*shop), client: newClient(opts), apps: registrations(opts),
		faults: faults.New(faults.Options{Calls: callNames(), ErrorBody: errorBody}),
	}
	if s.payments, s.admin, err = s.newAPIs(); err != nil {
		return nil, fmt.Errorf("shopify stand-in: %w", err)
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("shopify stand-in: %w", err)
	}
	if err := s.openShops(); err != nil {
		return nil, fmt.Errorf("shopify stand-in: %w", err)
	}
	s.mux = s.routes()
	s.agenda, s.courier = newAgenda(opts.Now), newCourier(s)
	s.resume()
	if opts.SnapshotPath != "" {
		s.saver = newSaver(s)
	}
	return s, nil
}

// openShops adds the configured shops to what the snapshot held.
func (s *Server) openShops() error {
	for _, configured := range s.opts.Shops {
		sh := s.shops[configured.Domain]
		if sh == nil {
			sh = newShop(configured.Domain)
			s.shops[configured.Domain] = sh
		}
		limit, err := configured.Plan.limit()
		if err != nil {
			return fmt.Errorf("shop %s: %w", configured.Domain, err)
		}
		if s.opts.Throttle != (Throttle{}) {
			limit = s.opts.Throttle
		}
		sh.bucket = bucket{limit: limit, at: s.opts.Now()}
		if err := s.seedApps(sh, configured); err != nil {
			return fmt.Errorf("shop %s: %w", configured.Domain, err)
		}
	}
	return nil
}

// Faults is the switchboard, for tests in the same process. Its calls are the root fields of both APIs, tokenRefresh,
// tokenCode and tokenConvert; the codes of its decline kinds are the Decline constants and Shopify's error codes. The
// webhook kinds name a topic such as orders/paid; for the call webhookDelivery see DeclineSubscriptionRemoved.
func (s *Server) Faults() *faults.Switchboard { return s.faults }

// ServeHTTP serves every path in the package comment.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close ends held replies, stops saving after a last save, and returns that save's error. Stop the HTTP server
// first: requests after Close are still answered but no longer saved.
func (s *Server) Close() error {
	s.faults.Close()
	s.agenda.close()
	s.courier.close()
	s.client.CloseIdleConnections()
	if s.saver == nil {
		return nil
	}
	return s.saver.close()
}

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /shops/{shop}/payments_apps/api/{version}/graphql.json", s.servePaymentsAPI)
	mux.HandleFunc("POST /shops/{shop}/admin/api/{version}/graphql.json", s.serveAdminAPI)
	mux.HandleFunc("POST /shops/{shop}/admin/oauth/access_token", s.serveToken)
	mux.HandleFunc("GET /shops/{shop}/admin/oauth/authorize", s.page(s.serveAuthorize))
	mux.HandleFunc("POST /shops/{shop}/admin/oauth/authorize", s.page(s.approve))

	mux.HandleFunc("GET /{$}", s.serveIndex)
	mux.HandleFunc("GET /_style.css", s.serveStyle)
	mux.HandleFunc("GET /shops/{shop}", s.page(s.serveShop))
	mux.HandleFunc("POST /shops/{shop}/checkouts", s.page(s.startCheckout))
	mux.HandleFunc("GET /shops/{shop}/checkouts/{checkout}", s.page(s.serveCheckout))
	mux.HandleFunc("POST /shops/{shop}/checkouts/{checkout}/payments", s.page(s.payAgain))
	mux.HandleFunc("GET /shops/{shop}/orders/{checkout}/thank_you", s.page(s.serveThankYou))
	mux.HandleFunc("GET /shops/{shop}/admin", s.page(s.serveAdmin))
	mux.HandleFunc("GET /shops/{shop}/admin/orders/{checkout}", s.page(s.serveOrder))
	mux.HandleFunc("POST /shops/{shop}/admin/orders/{checkout}/{action}", s.page(s.startMove))
	mux.HandleFunc("POST /shops/{shop}/admin/sessions/{session}/retry", s.page(s.retryMove))

	mux.HandleFunc("POST /shops/{shop}/admin/orders/{checkout}/happenings/{what}", s.page(s.happen))
	mux.HandleFunc("GET /shops/{shop}/admin/apps", s.page(s.serveApps))
	mux.HandleFunc("POST /shops/{shop}/admin/apps/{app}/open", s.page(s.openApp))
	mux.HandleFunc("POST /shops/{shop}/admin/apps/{app}/uninstall", s.page(s.uninstallApp))
	mux.HandleFunc("GET /shops/{shop}/services/payments_partners/gateways/{key}/settings", s.page(s.serveSettings))
	mux.HandleFunc("POST /shops/{shop}/services/payments_partners/gateways/{key}/settings/{action}", s.page(s.activate))

	mux.HandleFunc("POST /_sessions", s.serveStartSession)
	mux.HandleFunc("POST /_sessions/{id}/repeat", s.serveRepeatSession)
	mux.HandleFunc("POST /_webhooks", s.serveRaiseWebhook)
	mux.HandleFunc("POST /_webhooks/{id}/repeat", s.serveRepeatWebhook)
	mux.HandleFunc("DELETE /_subscriptions/{id}", s.serveRemoveSubscription)
	mux.HandleFunc("POST /_apps/{app}/secrets", s.serveSecrets)
	mux.HandleFunc("DELETE /_apps/{app}/secrets", s.serveSecrets)
	mux.HandleFunc("GET /_books", s.serveBooks)
	mux.Handle("/_faults", s.faults.Handler())
	mux.Handle("/_faults/", s.faults.Handler())
	return mux
}

// callNames are the operations faults can be armed for.
func callNames() []string {
	return []string{
		opPaymentResolve, opPaymentReject, opPaymentPending, opRefundResolve, opRefundReject, opCaptureResolve,
		opCaptureReject, opVoidResolve, opVoidReject, opConfigure, opVersions, opTokenRefresh, opTokenCode, opTokenConvert,
		opOrder, opOrders, opSubscription, opSubscriptions, opSubscribe, opUnsubscribe, opWebhook,
	}
}

// errorBody is Shopify's JSON around an HTTP error.
func errorBody(status int) (contentType string, body []byte) {
	message := "Internal Server Error"
	if status == http.StatusTooManyRequests {
		message = "Exceeded the rate limit of the API client. Reduce request rates to resume uninterrupted service."
	}
	return "application/json", []byte(`{"errors":"` + message + `"}`)
}

// changed marks the books as not saved. The caller holds mu, or nobody else knows the server yet.
func (s *Server) changed() { s.version++ }

func (s *Server) checkoutURL(domain, checkoutID string) string {
	return s.opts.PublicURL + checkoutPath(domain, checkoutID)
}

func (s *Server) thankYouURL(domain, checkoutID string) string {
	return s.opts.PublicURL + thankYouPath(domain, checkoutID)
}

func checkoutPath(domain, id string) string { return "/shops/" + domain + "/checkouts/" + id }
func thankYouPath(domain, id string) string {
	return "/shops/" + domain + "/orders/" + id + "/thank_you"
}

// requestID makes an id in the form of Shopify's request ids.
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, it ends the program instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// jsonReply renders an answer whose fate the fault switches decide.
func jsonReply(status int, v any) faults.Reply {
	header := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	body, err := json.Marshal(v)
	if err != nil {
		return faults.Reply{Status: http.StatusInternalServerError, Header: header, Body: []byte(`{"errors":"unencodable answer"}`)}
	}
	return faults.Reply{Status: status, Header: header, Body: body}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	reply := jsonReply(status, v)
	w.Header().Set("Content-Type", reply.Header.Get("Content-Type"))
	w.WriteHeader(reply.Status)
	_, _ = w.Write(reply.Body) // the reader is gone when this fails
}

// now is the stand-in's clock in UTC, to the second, as Shopify writes times.
func (s *Server) now() time.Time { return s.opts.Now().UTC().Truncate(time.Second) }
