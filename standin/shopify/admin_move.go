package shopify

import (
	"context"
	"fmt"
	"net/http"
)

// startMove sends a refund, capture or void session of an order, and leads to the order's page, which shows what
// becomes of it.
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
	if !s.reaches(sh) {
		s.noPayments(w, sh)
		return
	}
	req, ok := s.moveRequest(sh, id)
	if !ok {
		s.noCheckout(w, sh)
		return
	}
	req.Type = kind
	req.allow = s.allowMove(kind, r.PostForm.Get("amount"), req.Currency)
	if kind == VoidSession {
		req.Amount, req.Currency = "", ""
	} else if amount, err := payable(r.PostForm.Get("amount"), req.Currency); err == nil {
		req.Amount = formatAmount(amount, req.Currency) // an error is reported by allow
	}
	answer, err := s.StartSession(context.WithoutCancel(r.Context()), req)
	if err != nil {
		s.moveRefused(w, http.StatusUnprocessableEntity, sh, err)
		return
	}
	http.Redirect(w, r, adminOrderPath(sh.Domain, answer.Checkout), http.StatusSeeOther)
}

func (s *Server) moveRequest(sh *shop, checkoutID string) (SessionRequest, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := sh.Checkouts[checkoutID]
	if c == nil {
		return SessionRequest{}, false
	}
	req := SessionRequest{Shop: sh.Domain, Currency: c.Currency, Test: c.Test, Tries: s.tries()}
	if payment := sh.balance(c).payment; payment != nil {
		req.PaymentID = payment.ID
	}
	return req, true
}

// allowMove is what Admin itself checks before it asks the app: no more than what is left.
func (s *Server) allowMove(kind SessionType, typed, currency string) func(balance) error {
	several := s.opts.App.MultipleCapture
	return func(b balance) error {
		if kind == VoidSession {
			if !b.canVoid(several) {
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
			left = b.canCapture(several)
		}
		if amount.Cmp(left) > 0 {
			return fmt.Errorf("%w: only %s %s can be part of a %s", ErrBadRequest, formatAmount(left, currency), currency, kind)
		}
		return nil
	}
}

// retryMove sends the very request again after all tries to tell the app failed: from there on Shopify leaves it
// to the merchant.
func (s *Server) retryMove(w http.ResponseWriter, r *http.Request, sh *shop) {
	rec, ok := s.outgoing(r.PathValue("session"))
	if !ok || rec.Session.Shop != sh.Domain || retryPath(&rec.Session) == "" || !s.reaches(sh) {
		s.render(w, http.StatusConflict, "error", errorPage{
			Frame: frame{Title: "Nothing to send", Shop: sh.Domain}, Heading: "There is nothing to send again",
			Text: "The app has been told of it, or there is no such request.", Back: "/shops/" + sh.Domain + "/admin", BackText: "Back to Admin",
		})
		return
	}
	s.tell(context.WithoutCancel(r.Context()), rec, s.tries())
	http.Redirect(w, r, adminOrderPath(sh.Domain, rec.Session.Checkout), http.StatusSeeOther)
}

// tries is how often the pages send a request until it is accepted.
func (s *Server) tries() int { return len(s.opts.RetryWaits) + 1 }

func (s *Server) moveRefused(w http.ResponseWriter, status int, sh *shop, err error) {
	s.render(w, status, "error", errorPage{
		Frame: frame{Title: "Not possible", Shop: sh.Domain}, Heading: "This is not possible", Text: err.Error(),
		Back: "/shops/" + sh.Domain + "/admin", BackText: "Back to Admin",
	})
}
