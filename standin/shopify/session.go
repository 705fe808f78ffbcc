package shopify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Customer is the buyer as Shopify describes him in a payment session.
type Customer struct {
	Email           string   `json:"email,omitempty"`
	PhoneNumber     string   `json:"phone_number,omitempty"`
	Locale          string   `json:"locale"`
	BillingAddress  *Address `json:"billing_address,omitempty"`
	ShippingAddress *Address `json:"shipping_address,omitempty"`
}

// Address is a postal address. Shopify sends empty strings or null for what it does not know.
type Address struct {
	GivenName    string  `json:"given_name"`
	FamilyName   string  `json:"family_name"`
	Line1        string  `json:"line1"`
	Line2        string  `json:"line2"`
	City         string  `json:"city"`
	PostalCode   string  `json:"postal_code"`
	Province     *string `json:"province"`
	ProvinceCode *string `json:"province_code"`
	CountryCode  string  `json:"country_code"`
	PhoneNumber  string  `json:"phone_number"`
	Company      string  `json:"company"`
}

// SessionRequest asks the stand-in to create a session and to tell the app. Amount and currency are sent as they
// are given, so that a test can send what a shop never would.
type SessionRequest struct {
	Shop string `json:"shop"`
	// Type is PaymentSession if empty.
	Type SessionType `json:"type,omitempty"`
	// ID is made up if empty. An id that is known sends the new content under the old id and leaves the books
	// as they are: the app must refuse it.
	ID string `json:"id,omitempty"`
	// Amount is a decimal such as 12.30.
	Amount   string      `json:"amount,omitempty"`
	Currency string      `json:"currency,omitempty"`
	Kind     PaymentKind `json:"kind,omitempty"` // KindSale if empty
	Test     bool        `json:"test"`
	// Group joins an existing checkout or names a new one; made up if empty. Payment sessions only.
	Group string `json:"group,omitempty"`
	// Customer is left out of the request if nil.
	Customer *Customer `json:"customer,omitempty"`
	// PaymentID is the payment session that a refund, capture or void is about.
	PaymentID string `json:"payment_id,omitempty"`
	// Tries is how often the request is sent until it is accepted, with Options.RetryWaits between; 1 if zero.
	Tries int `json:"tries,omitempty"`

	// item names what is bought, for the pages.
	item string
	// allow, when set, must agree with what the order's other sessions leave over.
	allow func(balance) error
}

// SessionAnswer is what the app answered to the last try.
type SessionAnswer struct {
	ID    string `json:"id"`
	GID   string `json:"gid"`
	Group string `json:"group,omitempty"`
	// Checkout is the id in the addresses of the checkout and thank-you pages.
	Checkout string `json:"checkout,omitempty"`
	// Status is zero when there was no HTTP answer; Error says why.
	Status int    `json:"status"`
	Body   string `json:"body"`
	Error  string `json:"error,omitempty"`
	// Accepted says that the answer is one Shopify takes for a yes.
	Accepted    bool   `json:"accepted"`
	RedirectURL string `json:"redirect_url,omitempty"`
	// ElapsedMS is the duration of the last try in milliseconds.
	ElapsedMS float64 `json:"elapsed_ms"`
	// Sent is the number of requests.
	Sent int `json:"sent"`
}

// ErrUnknownSession says that no session of that id was ever created here.
var ErrUnknownSession = errors.New("unknown session")

// ErrBadRequest says that the stand-in was asked for something it cannot send.
var ErrBadRequest = errors.New("bad session request")

// StartSession creates a session and POSTs it to the app. An app that refuses or does not answer is not an error
// but an answer; errors are ErrBadRequest.
func (s *Server) StartSession(ctx context.Context, req SessionRequest) (SessionAnswer, error) {
	if req.Type == "" {
		req.Type = PaymentSession
	}
	if req.Kind == "" && req.Type == PaymentSession {
		req.Kind = KindSale
	}
	if req.ID == "" {
		req.ID = newID(req.Type)
	}
	rec, err := s.create(req)
	if err != nil {
		return SessionAnswer{}, err
	}
	return s.tell(ctx, rec, max(1, req.Tries)), nil
}

// RepeatSession sends a known session's very request again, byte for byte. Id is the session's id or gid. The
// error is ErrUnknownSession.
func (s *Server) RepeatSession(ctx context.Context, id string) (SessionAnswer, error) {
	rec, ok := s.outgoing(id)
	if !ok {
		return SessionAnswer{}, fmt.Errorf("%w: %s", ErrUnknownSession, id)
	}
	return s.tell(ctx, rec, 1), nil
}

// outgoing copies what a session's requests need.
func (s *Server) outgoing(id string) (record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sh := range s.shops {
		if rec := sh.find(id); rec != nil {
			return record{Session: rec.Session, Body: rec.Body}, true
		}
	}
	return record{}, false
}

// create books a session and returns what is to be sent.
func (s *Server) create(req SessionRequest) (record, error) {
	if req.Type.resource() == "" {
		return record{}, fmt.Errorf("%w: unknown type %q", ErrBadRequest, req.Type)
	}
	sh := s.shops[req.Shop]
	if sh == nil {
		return record{}, fmt.Errorf("%w: unknown shop %q", ErrBadRequest, req.Shop)
	}
	if s.appURL(req.Type) == "" {
		return record{}, fmt.Errorf("%w: the app has no %s session url", ErrBadRequest, req.Type)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.checkoutFor(sh, req)
	if err != nil {
		return record{}, err
	}
	if req.allow != nil {
		if err := req.allow(sh.balance(c)); err != nil {
			return record{}, err
		}
	}
	rec := record{Session: Session{
		ID: req.ID, GID: req.Type.gid(req.ID), Type: req.Type, Shop: sh.Domain, Checkout: c.ID,
		PaymentID: req.PaymentID, Test: req.Test, ProposedAt: s.now(), State: StateOpen,
	}}
	switch req.Type {
	case PaymentSession:
		rec.Session.Group, rec.Session.Kind = c.Group, req.Kind
		rec.Session.Amount, rec.Session.Currency = req.Amount, req.Currency
	case RefundSession, CaptureSession:
		rec.Session.Amount, rec.Session.Currency = req.Amount, req.Currency
	case VoidSession:
	}
	rec.Body, err = json.Marshal(s.wireBody(&rec.Session, req.Customer))
	if err != nil {
		return record{}, fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	if sh.Sessions[rec.Session.GID] == nil {
		booked := rec
		sh.addSession(&booked)
		s.changed()
	}
	return rec, nil
}

// checkoutFor finds or makes the checkout of a new session. The caller holds mu.
func (s *Server) checkoutFor(sh *shop, req SessionRequest) (*checkout, error) {
	if req.Type != PaymentSession {
		rec := sh.Sessions[PaymentSession.gid(req.PaymentID)]
		if rec == nil {
			return nil, fmt.Errorf("%w: unknown payment_id %q", ErrBadRequest, req.PaymentID)
		}
		return sh.Checkouts[rec.Session.Checkout], nil
	}
	if id, ok := sh.groups[req.Group]; ok {
		return sh.Checkouts[id], nil
	}
	if rec := sh.Sessions[PaymentSession.gid(req.ID)]; rec != nil && req.Group == "" {
		return sh.Checkouts[rec.Session.Checkout], nil // the same session once more
	}
	c := &checkout{
		ID: rand.Text(), Group: req.Group, Item: req.item, Amount: req.Amount, Currency: req.Currency, Kind: req.Kind,
		Test: req.Test, Customer: req.Customer, CreatedAt: s.now(),
	}
	if c.Group == "" {
		c.Group = rand.Text()
	}
	if sh.Sessions[PaymentSession.gid(req.ID)] == nil { // a known id is only sent, not booked
		sh.addCheckout(c)
	}
	return c, nil
}

func newID(t SessionType) string {
	switch t {
	case RefundSession:
		return "Rf" + rand.Text()
	case CaptureSession:
		return "Cp" + rand.Text()
	case VoidSession:
		return "Vd" + rand.Text()
	case PaymentSession:
		return "Ps" + rand.Text()
	default:
		return rand.Text()
	}
}

// wireSession is the JSON of all four session requests; the members a type does not have are left out.
type wireSession struct {
	ID             string         `json:"id"`
	GID            string         `json:"gid"`
	Group          string         `json:"group,omitempty"`
	SessionID      string         `json:"session_id,omitempty"`
	PaymentID      string         `json:"payment_id,omitempty"`
	Amount         string         `json:"amount,omitempty"`
	Currency       string         `json:"currency,omitempty"`
	Test           bool           `json:"test"`
	MerchantLocale string         `json:"merchant_locale"`
	PaymentMethod  *paymentMethod `json:"payment_method,omitempty"`
	ProposedAt     string         `json:"proposed_at"`
	Customer       *Customer      `json:"customer,omitempty"`
	Kind           PaymentKind    `json:"kind,omitempty"`
}

type paymentMethod struct {
	Type string            `json:"type"`
	Data map[string]string `json:"data"`
}

func (s *Server) wireBody(session *Session, customer *Customer) wireSession {
	body := wireSession{
		ID: session.ID, GID: session.GID, PaymentID: session.PaymentID, Amount: session.Amount,
		Currency: session.Currency, Test: session.Test, MerchantLocale: "en",
		ProposedAt: session.ProposedAt.Format(time.RFC3339),
	}
	if session.Type != PaymentSession {
		return body
	}
	body.Group, body.Kind, body.Customer = session.Group, session.Kind, customer
	body.SessionID = rand.Text()
	body.PaymentMethod = &paymentMethod{Type: "offsite", Data: map[string]string{
		"cancel_url": s.checkoutURL(session.Shop, session.Checkout) + "?payment=cancelled",
	}}
	return body
}

func (s *Server) serveStartSession(w http.ResponseWriter, r *http.Request) {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields() // a misspelt member in a test must not pass unseen
	var req SessionRequest
	if err := decoder.Decode(&req); err != nil {
		writeJSON(w, http.StatusBadRequest, plainError{fmt.Sprintf("read session request: %v", err)})
		return
	}
	answer, err := s.StartSession(r.Context(), req)
	writeSessionAnswer(w, answer, err)
}

func (s *Server) serveRepeatSession(w http.ResponseWriter, r *http.Request) {
	answer, err := s.RepeatSession(r.Context(), r.PathValue("id"))
	writeSessionAnswer(w, answer, err)
}

func writeSessionAnswer(w http.ResponseWriter, answer SessionAnswer, err error) {
	switch {
	case errors.Is(err, ErrUnknownSession):
		writeJSON(w, http.StatusNotFound, plainError{err.Error()})
	case err != nil:
		writeJSON(w, http.StatusBadRequest, plainError{err.Error()})
	default:
		writeJSON(w, http.StatusOK, answer)
	}
}
