package shopify

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
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
	// Path is the order's own page; its buttons post below it.
	Path     string
	Sessions []adminSession
}

type adminSession struct {
	Session
	TypeLabel, Tone string
	Answer          string
	// RetryPath is set when every try to tell the app failed: a person may send the request again.
	RetryPath string
}

// orderPage is one order. A refund, capture or void ends here and waits for what the app decides.
type orderPage struct {
	Frame frame
	Order adminOrder
	// News says how the newest refund, capture or void stands, empty if there was none.
	News     string
	ListPath string
	// Dispute says how the buyer's dispute stands, empty if there is none.
	Dispute string
	// More are the buttons that move no money.
	More []happeningButton
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
		Path: adminOrderPath(sh.Domain, c.ID),
	}
	if left := b.canRefund(); left.Sign() > 0 && s.appURL(RefundSession) != "" {
		order.Refundable = formatAmount(left, c.Currency)
	}
	if left := b.canCapture(s.opts.App.MultipleCapture); left.Sign() > 0 && s.appURL(CaptureSession) != "" {
		order.Capturable = formatAmount(left, c.Currency)
	}
	order.Voidable = b.canVoid(s.opts.App.MultipleCapture) && s.appURL(VoidSession) != ""
	for _, gid := range c.Sessions {
		session := sh.Sessions[gid].Session
		order.Sessions = append(order.Sessions, adminSession{
			Session: session, TypeLabel: label(string(session.Type)), Tone: sessionTone(session.State),
			Answer: answerText(session.Posts), RetryPath: retryPath(&session),
		})
	}
	return order
}

func adminOrderPath(domain, checkoutID string) string {
	return "/shops/" + domain + "/admin/orders/" + url.PathEscape(checkoutID)
}

// retryPath is empty for payments, which the buyer tries again, and for what the app has accepted.
func retryPath(session *Session) string {
	if session.Type == PaymentSession || session.State != StateOpen || session.Posts.Accepted > 0 || session.Posts.Count == 0 {
		return ""
	}
	return "/shops/" + session.Shop + "/admin/sessions/" + session.ID + "/retry"
}

func (s *Server) serveOrder(w http.ResponseWriter, r *http.Request, sh *shop) {
	page, ok := s.orderPage(sh, r.PathValue("checkout"))
	if !ok {
		s.noCheckout(w, sh)
		return
	}
	s.render(w, http.StatusOK, "order", page)
}

func (s *Server) orderPage(sh *shop, id string) (orderPage, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := sh.Checkouts[id]
	if c == nil {
		return orderPage{}, false
	}
	page := orderPage{
		Frame: frame{Title: "Order " + orderName(c), Shop: sh.Domain}, Order: s.adminOrder(sh, c),
		ListPath: "/shops/" + sh.Domain + "/admin#order-" + url.PathEscape(c.ID),
	}
	waiting := false
	for _, gid := range c.Sessions {
		session := &sh.Sessions[gid].Session
		if session.Type == PaymentSession {
			continue
		}
		waiting = waiting || session.State == StateOpen && session.Posts.Accepted > 0
		page.News = moveNews(session)
	}
	page.More = happeningButtons(c)
	if c.Dispute != nil {
		page.Dispute = label(string(c.Dispute.Status))
	}
	if waiting {
		// A page that reloads by itself would empty the form that somebody fills in.
		page.Frame.Refresh = refreshSeconds
		page.Order.Refundable, page.Order.Capturable, page.Order.Voidable = "", "", false
	}
	return page, true
}

// moveNews says how a refund, capture or void stands, for the merchant.
func moveNews(session *Session) string {
	what := label(string(session.Type))
	if session.Amount != "" {
		what += " of " + session.Amount + " " + session.Currency
	}
	switch session.State {
	case StateResolved:
		return what + " is done."
	case StateRejected:
		return strings.TrimSuffix(what+" was not possible: "+session.MerchantMessage, ": ")
	case StateOpen, StatePending:
	}
	switch {
	case session.Posts.Accepted > 0:
		return what + " is under way. This page reloads by itself."
	case session.Posts.LastError != "":
		return what + " could not be sent. Send it again."
	}
	return what + " is being sent."
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
