package stripe

import (
	"bytes"
	"embed"
	"io"
	"net/http"
	"net/url"
	"slices"

	"tillflow/standin/faults"
)

//go:embed pages/*.html
var pageFiles embed.FS

const (
	callShow         = "hosted.show"
	callPay          = "hosted.pay"
	callAuthenticate = "hosted.authenticate"
	callDashboard    = "dashboard.refund"
	callSettle       = "settle"
	callLate         = "late"
	callObject       = "dispute.open"
	callJudge        = "dispute.close"
	callMethod       = "method.change"
	maxPageBody      = 64 << 10
)

// routePages registers what browsers and tests use, and returns the names that faults may be armed for.
func (s *Server) routePages() []string {
	s.mux.HandleFunc("GET /{$}", s.serveOverview)
	s.mux.HandleFunc("GET /c/pay/{id}", s.hosted(callShow, s.showCheckout))
	s.mux.HandleFunc("POST /c/pay/{id}", s.hosted(callPay, s.payByForm))
	s.mux.HandleFunc("GET /c/pay/{id}/authenticate", s.hosted(callShow, s.showAuthentication))
	s.mux.HandleFunc("POST /c/pay/{id}/authenticate", s.hosted(callAuthenticate, s.authenticateByForm))
	s.mux.HandleFunc("POST /_pay/{id}", s.hosted(callPay, s.payByJSON))
	s.mux.HandleFunc("POST /_settle/{id}", s.hosted(callSettle, s.settleByHand))
	s.mux.HandleFunc("POST /_late/{id}", s.hosted(callLate, s.payLate))
	s.mux.HandleFunc("POST /_dashboard/refund", s.hosted(callDashboard, s.refundByHand))
	s.mux.HandleFunc("POST /_refund/{id}", s.hosted(callDashboard, s.refundByButton))
	s.mux.HandleFunc("POST /_dispute/{id}", s.hosted(callObject, s.disputeByHand))
	s.mux.HandleFunc("POST /_dispute/{id}/{verdict}", s.hosted(callJudge, s.judgeByHand))
	s.mux.HandleFunc("POST /_method/{id}", s.hosted(callMethod, s.changeMethod))
	s.mux.HandleFunc("GET /_books", s.serveBooks)
	return []string{callShow, callPay, callAuthenticate, callDashboard, callSettle, callLate, callObject, callJudge, callMethod}
}

// visit is one request of a browser or a test; handlers run under Server.mu.
type visit struct {
	change
	r    *http.Request
	id   string
	body []byte
	form url.Values
	plan *faults.Plan
}

// hosted runs a page under the faults, like any call of the API.
func (s *Server) hosted(name string, handle func(*visit) faults.Reply) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPageBody))
		if err != nil {
			http.Error(w, "request too large or broken", http.StatusBadRequest)
			return
		}
		v := &visit{r: r, id: r.PathValue("id"), body: body}
		v.s = s
		raw := string(body)
		if r.Method == http.MethodGet || len(body) == 0 {
			raw = r.URL.RawQuery
		}
		if v.form, err = url.ParseQuery(raw); err != nil {
			v.form = url.Values{} // a JSON body; handlers that need the form refuse what is missing
		}
		s.faults.Serve(w, r, faults.Call{
			Name: name, Subject: r.URL.RequestURI() + "\n" + string(body),
			Do: func(plan *faults.Plan) faults.Reply {
				v.plan = plan
				s.mu.Lock()
				v.now = s.opts.Now()
				v.events = s.advance(v.now)
				reply := handle(v)
				s.mu.Unlock()
				reply.Publish, reply.Await = s.publishing(v.events)
				return reply
			},
		})
	}
}

// session finds a Checkout Session of any account and makes the change one of that account.
func (v *visit) session() (*checkout, bool) {
	for _, a := range v.s.accounts {
		if cs, ok := a.checkouts.get(v.id); ok {
			v.acct = a
			return cs, true
		}
	}
	return nil, false
}

// payPage is the data of pages/pay.html and pages/closed.html.
type payPage struct {
	ID, Amount, Reference string
	Lines                 []payLine
	Cards                 []payCard
	Error                 string
	Cancel, Success       string
	Status, Title, Text   string
	Hold, Kept            bool
}

type (
	payLine struct{ Name, Amount string }
	payCard struct {
		Name, Label, Number string
		Selected            bool
	}
)

func (s *Server) showCheckout(v *visit) faults.Reply {
	cs, ok := v.session()
	if !ok {
		return s.page(http.StatusNotFound, "closed.html", payPage{
			Title: "This payment does not exist", Text: "Please go back to the shop and start again.",
		})
	}
	data := s.payPage(v, cs)
	switch cs.Status {
	case checkoutOpen:
		return s.page(http.StatusOK, "pay.html", data)
	case checkoutComplete:
		data.Title, data.Text = "This payment is complete", "Nothing more will be charged."
		data.Success, data.Cancel = successURL(cs), ""
		return s.page(http.StatusOK, "closed.html", data)
	case checkoutExpired:
		data.Title, data.Text = "This payment page has expired", "Nothing was charged. Please go back to the shop and start again."
		return s.page(http.StatusGone, "closed.html", data)
	default:
		panic("stripe stand-in: unknown session status " + string(cs.Status))
	}
}

func (s *Server) payPage(v *visit, cs *checkout) payPage {
	data := payPage{
		ID: cs.ID, Amount: formatAmount(cs.Amount, cs.Currency), Reference: cs.Reference, Cancel: cs.CancelURL,
		Status: string(cs.Status), Hold: cs.Spec.CaptureMethod == captureManual,
		Kept: cs.Spec.FutureUsage == usageOffSession,
	}
	for _, l := range cs.Lines {
		data.Lines = append(data.Lines, payLine{l.Name, formatAmount(l.UnitAmount*l.Quantity, cs.Currency)})
	}
	for _, card := range s.cards {
		if slices.Contains(cs.Methods, card.method) {
			data.Cards = append(data.Cards, payCard{card.name, card.label, card.number, card.name == cs.Card})
		}
	}
	switch v.form.Get("problem") {
	case "":
	case "card":
		data.Error = "This is not one of the test cards. Choose one from the list."
		return data
	case "expiry":
		data.Error = "The expiry date must be a month and a year, such as 08/27."
		return data
	default:
		data.Error = "Please try again."
		return data
	}
	if pi, ok := v.acct.intents.get(cs.Intent); ok && pi.LastError != nil {
		data.Error = pi.LastError.Message
	}
	return data
}

// payByForm is the Pay button. A decline leads back to the page, which shows why.
func (s *Server) payByForm(v *visit) faults.Reply {
	cs, ok := v.session()
	if !ok || cs.Status != checkoutOpen {
		return s.showCheckout(v)
	}
	typed := v.form.Get("number")
	if typed == "" {
		typed = v.form.Get("card")
	}
	card, ok := s.card(typed)
	if !ok || !slices.Contains(cs.Methods, card.method) {
		return seeOther(s.payURL(cs) + "?problem=card")
	}
	if card, ok = card.ending(v.form.Get("expiry")); !ok {
		return seeOther(s.payURL(cs) + "?problem=expiry")
	}
	result := v.attempt(cs, card, v.plan)
	if result.declined != nil {
		return seeOther(s.payURL(cs))
	}
	return seeOther(result.next)
}

// waiting finds the PaymentIntent that waits for 3-D Secure.
func (v *visit) waiting() (*checkout, *intent, bool) {
	cs, ok := v.session()
	if !ok || cs.Status != checkoutOpen {
		return nil, nil, false
	}
	pi, ok := v.acct.intents.get(cs.Intent)
	return cs, pi, ok && pi.Status == needsAction
}

func (s *Server) showAuthentication(v *visit) faults.Reply {
	cs, _, ok := v.waiting()
	if !ok {
		return s.showCheckout(v)
	}
	return s.page(http.StatusOK, "authenticate.html", s.payPage(v, cs))
}

func (s *Server) authenticateByForm(v *visit) faults.Reply {
	cs, pi, ok := v.waiting()
	if !ok {
		return s.showCheckout(v)
	}
	answer := v.form.Get("result")
	if answer != "complete" && answer != "fail" {
		return seeOther(s.payURL(cs) + "/authenticate")
	}
	result := v.authenticate(cs, pi, answer == "complete", v.plan)
	if result.declined != nil {
		return seeOther(s.payURL(cs))
	}
	return seeOther(result.next)
}

func seeOther(to string) faults.Reply {
	return faults.Reply{Status: http.StatusSeeOther, Header: http.Header{"Location": {to}, "Cache-Control": {"no-store"}}}
}

// page renders a template. Pages work without scripts and load nothing from elsewhere.
func (s *Server) page(status int, name string, data any) faults.Reply {
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, data); err != nil {
		s.log.Error().Err(err).Str("page", name).Msg("stripe stand-in: page not rendered")
		return faults.Reply{Status: http.StatusInternalServerError, Body: []byte("internal error\n")}
	}
	return faults.Reply{Status: status, Body: b.Bytes(), Header: http.Header{
		"Content-Type":            {"text/html; charset=utf-8"},
		"Content-Security-Policy": {"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"},
		"Cache-Control":           {"no-store"},
		"Referrer-Policy":         {"no-referrer"},
	}}
}

// overviewPage is the data of pages/overview.html.
type overviewPage struct{ Accounts []overviewAccount }

type overviewAccount struct {
	ID, Mode  string
	Totals    []overviewTotal
	Checkouts []overviewCheckout
	More      bool
	Methods   []overviewMethod
	Cards     []payCard // what a kept card may be made to do
	Webhooks  map[deliveryState]int
}

type (
	overviewTotal    struct{ Captured, Refunded, Held, Fees string }
	overviewCheckout struct{ ID, Reference, Amount, Status, Payment, URL string }
)

// overviewRows is how many checkouts the overview shows per account.
const overviewRows = 50

func (s *Server) serveOverview(w http.ResponseWriter, _ *http.Request) {
	books := s.Books("")
	var data overviewPage
	for _, id := range sortedKeys(books.Accounts) {
		data.Accounts = append(data.Accounts, s.overview(id, books.Accounts[id]))
	}
	writeReply(w, s.page(http.StatusOK, "overview.html", data))
}

func (s *Server) overview(id string, b AccountBooks) overviewAccount {
	a := overviewAccount{ID: id, Mode: "test", Webhooks: make(map[deliveryState]int)}
	if b.Livemode {
		a.Mode = "live"
	}
	for _, currency := range sortedKeys(b.Totals) {
		t := b.Totals[currency]
		a.Totals = append(a.Totals, overviewTotal{
			formatAmount(t.Captured, currency), formatAmount(t.Refunded, currency), formatAmount(t.Held, currency),
			formatAmount(t.Fees, currency),
		})
	}
	a.Methods = s.overviewMethods(b)
	for _, card := range s.cards {
		if card.method == methodCard {
			a.Cards = append(a.Cards, payCard{Name: card.name, Label: card.label})
		}
	}
	for _, hook := range b.Webhooks {
		a.Webhooks[deliveryState(hook.State)]++
	}
	for _, cs := range slices.Backward(b.Checkouts) {
		if len(a.Checkouts) == overviewRows {
			a.More = true
			break
		}
		row := overviewCheckout{
			ID: cs.ID, Reference: cs.Reference, Amount: formatAmount(cs.Amount, cs.Currency), Status: cs.Status,
			Payment: cs.PaymentStatus,
		}
		if cs.Status == string(checkoutOpen) {
			row.URL = s.opts.PublicURL + "/c/pay/" + cs.ID
		}
		a.Checkouts = append(a.Checkouts, row)
	}
	return a
}
