package shopify

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// adminOrders is how many checkouts Admin lists, newest first.
const adminOrders = 100

type adminPage struct {
	Frame  frame
	Orders []adminOrder
	Hidden int
	Counts Counts
	Ready  string
}

type adminOrder struct {
	ID, Name, Item, Amount, Currency, Kind, Group, Created string
	Status, Tone                                           string
	Test                                                   bool
	Captured, Refunded                                     string
	// Refundable and Capturable are the amounts left, empty where there is no button.
	Refundable, Capturable string
	Voidable               bool
	ActionPath             string
	Sessions               []adminSession
}

type adminSession struct {
	Session
	TypeLabel, Tone string
	Answer          string
}

func (s *Server) serveAdmin(w http.ResponseWriter, _ *http.Request, sh *shop) {
	s.render(w, http.StatusOK, "admin", s.adminPage(sh))
}

func (s *Server) adminPage(sh *shop) adminPage {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := sh.CheckoutIDs[max(0, len(sh.CheckoutIDs)-adminOrders):]
	page := adminPage{
		Frame: frame{Title: "Admin", Shop: sh.Domain}, Hidden: len(sh.CheckoutIDs) - len(ids), Counts: sh.Counts,
		Ready: "not configured yet",
	}
	if sh.Ready != nil {
		page.Ready = "not ready"
		if *sh.Ready {
			page.Ready = "ready"
		}
	}
	for _, id := range slices.Backward(ids) {
		page.Orders = append(page.Orders, s.adminOrder(sh, sh.Checkouts[id]))
	}
	return page
}

func (s *Server) adminOrder(sh *shop, c *checkout) adminOrder {
	b := sh.balance(c)
	status := sh.status(c, s.opts.Now())
	order := adminOrder{
		ID: c.ID, Name: orderName(c), Item: itemName(c), Amount: c.Amount, Currency: c.Currency, Kind: string(c.Kind),
		Group: c.Group, Created: c.CreatedAt.Format("2006-01-02 15:04:05"), Test: c.Test,
		Status: adminStatus(status), Tone: statusTone(status),
		Captured: formatAmount(b.captured, c.Currency), Refunded: formatAmount(b.refunded, c.Currency),
		ActionPath: "/shops/" + sh.Domain + "/admin/orders/" + c.ID,
	}
	if left := b.canRefund(); left.Sign() > 0 && s.appURL(RefundSession) != "" {
		order.Refundable = formatAmount(left, c.Currency)
	}
	if left := b.canCapture(); left.Sign() > 0 && s.appURL(CaptureSession) != "" {
		order.Capturable = formatAmount(left, c.Currency)
	}
	order.Voidable = b.canVoid() && s.appURL(VoidSession) != ""
	for _, gid := range c.Sessions {
		session := sh.Sessions[gid].Session
		order.Sessions = append(order.Sessions, adminSession{
			Session: session, TypeLabel: label(string(session.Type)), Tone: sessionTone(session.State),
			Answer: answerText(session.Posts),
		})
	}
	return order
}

func adminStatus(status OrderStatus) string {
	if status == StatusNone {
		return "No order yet"
	}
	return label(string(status))
}

func sessionTone(state State) string {
	switch state {
	case StateResolved:
		return "good"
	case StateOpen, StatePending:
		return "wait"
	case StateRejected:
		return "over"
	default:
		return "over"
	}
}

// answerText says what the app answered last.
func answerText(p Posts) string {
	switch {
	case p.Count == 0:
		return "not answered yet"
	case p.LastError != "":
		return fmt.Sprintf("sent %d×, last try failed: %s", p.Count, p.LastError)
	default:
		return fmt.Sprintf("sent %d×, last answer %d", p.Count, p.LastStatus)
	}
}

// startMove sends a refund, capture or void session of an order.
func (s *Server) startMove(w http.ResponseWriter, r *http.Request, sh *shop) {
	id := r.PathValue("checkout")
	kind := SessionType(r.PathValue("action"))
	if kind != RefundSession && kind != CaptureSession && kind != VoidSession {
		http.NotFound(w, r)
		return
	}
	if err := r.ParseForm(); err != nil {
		s.moveRefused(w, http.StatusBadRequest, sh, err)
		return
	}
	req, ok := s.moveRequest(sh, id)
	if !ok {
		s.noCheckout(w, sh)
		return
	}
	req.Type = kind
	req.allow = allowMove(kind, r.PostForm.Get("amount"), req.Currency)
	if kind == VoidSession {
		req.Amount, req.Currency = "", ""
	} else if amount, err := payable(r.PostForm.Get("amount"), req.Currency); err == nil {
		req.Amount = formatAmount(amount, req.Currency) // an error is reported by allow
	}
	if _, err := s.StartSession(context.WithoutCancel(r.Context()), req); err != nil {
		s.moveRefused(w, http.StatusUnprocessableEntity, sh, err)
		return
	}
	http.Redirect(w, r, "/shops/"+sh.Domain+"/admin#order-"+url.PathEscape(id), http.StatusSeeOther)
}

func (s *Server) moveRequest(sh *shop, checkoutID string) (SessionRequest, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := sh.Checkouts[checkoutID]
	if c == nil {
		return SessionRequest{}, false
	}
	req := SessionRequest{Shop: sh.Domain, Currency: c.Currency, Test: c.Test, Tries: len(s.opts.RetryWaits) + 1}
	if payment := sh.balance(c).payment; payment != nil {
		req.PaymentID = payment.ID
	}
	return req, true
}

// allowMove is what Admin itself checks before it asks the app: no more than what is left.
func allowMove(kind SessionType, typed, currency string) func(balance) error {
	return func(b balance) error {
		if kind == VoidSession {
			if !b.canVoid() {
				return fmt.Errorf("%w: there is no open authorization to void", ErrBadRequest)
			}
			return nil
		}
		amount, err := payable(typed, currency)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrBadRequest, err)
		}
		left := b.canRefund()
		if kind == CaptureSession {
			left = b.canCapture()
		}
		if amount.Cmp(left) > 0 {
			return fmt.Errorf("%w: only %s %s can be part of a %s", ErrBadRequest, formatAmount(left, currency), currency, kind)
		}
		return nil
	}
}

func (s *Server) moveRefused(w http.ResponseWriter, status int, sh *shop, err error) {
	s.render(w, status, "error", errorPage{
		Frame: frame{Title: "Not possible", Shop: sh.Domain}, Heading: "This is not possible", Text: err.Error(),
		Back: "/shops/" + sh.Domain + "/admin", BackText: "Back to Admin",
	})
}
