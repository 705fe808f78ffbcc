package shopify

import (
	"net/http"
	"strings"
)

// refreshSeconds is how often a page that waits reloads itself.
const refreshSeconds = 2

type checkoutPage struct {
	Frame    frame
	Item     string
	Amount   string
	Currency string
	Test     bool
	PayPath  string
	ShopPath string
	Attempts int
	// Cancelled says that the buyer came back from the app's page by its cancel link.
	Cancelled bool
	// Declined is the text for the last attempt's reject code, empty if it was not rejected.
	Declined string
	// Unreachable says why the app did not accept the last attempt, empty if it did.
	Unreachable string
	// Continue leads back to the last attempt while it is open.
	Continue  string
	GivenName string
}

func (s *Server) serveCheckout(w http.ResponseWriter, r *http.Request, sh *shop) {
	id := r.PathValue("checkout")
	if path, paid := s.paidPath(sh, id); paid {
		http.Redirect(w, r, path, http.StatusSeeOther)
		return
	}
	s.renderCheckout(w, http.StatusOK, sh, id, r.URL.Query().Get("payment") == "cancelled")
}

// paidPath leads from a checkout that needs no payment any more to its thank-you page.
func (s *Server) paidPath(sh *shop, id string) (path string, paid bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := sh.Checkouts[id]
	if c == nil || sh.balance(c).payment == nil {
		return "", false
	}
	return thankYouPath(sh.Domain, c.ID), true
}

func (s *Server) renderCheckout(w http.ResponseWriter, status int, sh *shop, id string, cancelled bool) {
	page, ok := s.checkoutPage(sh, id)
	if !ok {
		s.noCheckout(w, sh)
		return
	}
	page.Cancelled = cancelled && page.Declined == ""
	s.render(w, status, "checkout", page)
}

func (s *Server) checkoutPage(sh *shop, id string) (checkoutPage, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := sh.Checkouts[id]
	if c == nil {
		return checkoutPage{}, false
	}
	page := checkoutPage{
		Frame: frame{Title: "Checkout", Shop: sh.Domain}, Item: itemName(c), Amount: c.Amount, Currency: c.Currency,
		Test: c.Test, PayPath: checkoutPath(sh.Domain, id) + "/payments", ShopPath: "/shops/" + sh.Domain,
	}
	for _, gid := range c.Sessions {
		session := &sh.Sessions[gid].Session
		if session.Type != PaymentSession {
			continue
		}
		page.Attempts++
		page.Declined, page.Unreachable, page.Continue = "", "", ""
		switch {
		case session.State == StateRejected:
			page.Declined = declineText(session.RejectCode)
		case session.State == StateOpen && session.Posts.Accepted == 0:
			page.Unreachable = session.Posts.LastError
		case session.State == StateOpen:
			page.Continue = session.RedirectURL
		}
	}
	return page, true
}

func itemName(c *checkout) string {
	if c.Item == "" {
		return "Order"
	}
	return c.Item
}

// payAgain starts another attempt of the same group.
func (s *Server) payAgain(w http.ResponseWriter, r *http.Request, sh *shop) {
	id := r.PathValue("checkout")
	if path, paid := s.paidPath(sh, id); paid {
		http.Redirect(w, r, path, http.StatusSeeOther)
		return
	}
	req, ok := s.nextAttempt(sh, id)
	if !ok {
		s.noCheckout(w, sh)
		return
	}
	s.attempt(w, r, sh, req)
}

func (s *Server) nextAttempt(sh *shop, id string) (SessionRequest, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := sh.Checkouts[id]
	if c == nil {
		return SessionRequest{}, false
	}
	return SessionRequest{
		Shop: sh.Domain, Group: c.Group, Amount: c.Amount, Currency: c.Currency, Kind: c.Kind, Test: c.Test,
		Customer: c.Customer,
	}, true
}

type thankYouPage struct {
	Frame    frame
	Order    string
	Item     string
	Amount   string
	Currency string
	Test     bool
	Name     string
	Email    string
	// Status is the financial status in words; Waiting says that it may still change by itself.
	Status   string
	Tone     string
	Text     string
	Waiting  bool
	ShopPath string
	// CheckoutPath is set when the buyer has to go back there.
	CheckoutPath string
}

func (s *Server) serveThankYou(w http.ResponseWriter, r *http.Request, sh *shop) {
	page, declined, ok := s.thankYouPage(sh, r.PathValue("checkout"))
	switch {
	case !ok:
		s.noCheckout(w, sh)
	case declined:
		http.Redirect(w, r, page.CheckoutPath, http.StatusSeeOther)
	default:
		s.render(w, http.StatusOK, "thankyou", page)
	}
}

// thankYouPage reports declined when there is nothing left to wait for: no order, and no open attempt.
func (s *Server) thankYouPage(sh *shop, id string) (page thankYouPage, declined, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := sh.Checkouts[id]
	if c == nil {
		return thankYouPage{}, false, false
	}
	status := sh.status(c, s.opts.Now())
	if status == StatusNone && !sh.hasOpenPayment(c) {
		return thankYouPage{CheckoutPath: checkoutPath(sh.Domain, c.ID)}, true, true
	}
	page = thankYouPage{
		Frame: frame{Title: "Thank you", Shop: sh.Domain}, Order: orderName(c), Item: itemName(c), Amount: c.Amount,
		Currency: c.Currency, Test: c.Test, Status: statusLabel(status), Tone: statusTone(status),
		Text: statusText(status), ShopPath: "/shops/" + sh.Domain,
		Waiting: status == StatusNone || status == StatusPending,
	}
	if c.Customer != nil {
		page.Email = c.Customer.Email
		if c.Customer.BillingAddress != nil {
			page.Name = strings.TrimSpace(c.Customer.BillingAddress.GivenName)
		}
	}
	if page.Waiting {
		page.Frame.Refresh = refreshSeconds
	}
	return page, false, true
}

func (sh *shop) hasOpenPayment(c *checkout) bool {
	for _, gid := range c.Sessions {
		session := &sh.Sessions[gid].Session
		if session.Type == PaymentSession && session.State == StateOpen {
			return true
		}
	}
	return false
}

func statusLabel(status OrderStatus) string {
	if status == StatusNone {
		return "Confirming"
	}
	return label(string(status))
}

// statusTone is the colour class of a status.
func statusTone(status OrderStatus) string {
	switch status {
	case StatusPaid:
		return "good"
	case StatusPending, StatusAuthorized, StatusPartiallyPaid, StatusNone:
		return "wait"
	case StatusRefunded, StatusPartiallyRefunded, StatusVoided, StatusExpired:
		return "over"
	default:
		return "over"
	}
}

func statusText(status OrderStatus) string {
	switch status {
	case StatusNone:
		return "We are confirming your payment. This page reloads by itself."
	case StatusPending:
		return "Your order is placed. The payment is still being processed; this page reloads by itself."
	case StatusAuthorized:
		return "Your order is placed. The amount is reserved and will be charged when we ship."
	case StatusPaid:
		return "Your order is placed and paid."
	case StatusPartiallyPaid:
		return "Your order is placed. A part of the amount has been charged."
	case StatusRefunded:
		return "This order was refunded."
	case StatusPartiallyRefunded:
		return "A part of this order was refunded."
	case StatusVoided:
		return "The payment of this order was cancelled. Nothing was charged."
	case StatusExpired:
		return "The payment of this order has expired."
	default:
		return ""
	}
}
