package browser_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/api/pay"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// shelf is a record that shows one prepared page for each token.
type shelf map[string]payment.Page

func (s shelf) Page(_ context.Context, token string) (payment.Page, error) {
	if page, ok := s[token]; ok {
		return page, nil
	}
	if token == "down" {
		return payment.Page{}, payment.Errorf(payment.Unavailable, "the database is away")
	}
	return payment.Page{}, payment.Errorf(payment.NotFound, "no such token")
}

func (s shelf) Revision(ctx context.Context, token string) (int64, error) {
	_, err := s.Page(ctx, token)
	return 0, err
}

func (s shelf) Choose(_ context.Context, token, _ string) (payment.RunRef, error) {
	return payment.RunRef{}, &payment.Error{Class: payment.Conflict, Code: token, Message: "refused"}
}

func (s shelf) Leave(context.Context, string) (payment.RunRef, error) { return payment.RunRef{}, nil }
func (s shelf) SignalChoice(context.Context, payment.RunRef) error    { return nil }
func (s shelf) SignalReturned(context.Context, payment.RunRef) error  { return nil }

// hardCase is a page with everything as long as it gets.
func hardCase(change func(*payment.Page)) payment.Page {
	p := payment.Page{
		Payment: payment.RunRef{Kind: payment.Sale, Amount: money.New(123_456_789_012_345, "JPY"), Test: true},
		State:   payment.AwaitingBuyer, Label: longLabel, CancelURL: "http://127.0.0.1/cancel",
		Options: []payment.Option{
			{AccountID: "1", Provider: "p", Label: "Card"},
			{AccountID: "2", Provider: "p", Label: "Lastschriftverfahren mit elektronischer Einzugsermächtigung (SEPA)"},
			{AccountID: "3", Provider: "p", Label: "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaftskonto"},
		},
	}
	change(&p)
	return p
}

func open(state payment.AttemptState) *payment.Attempt {
	return &payment.Attempt{ID: "a", AccountID: "2", State: state}
}

// gallery shows the pages that no story meets, from a record that is made up.
func gallery(t *testing.T, w *world) {
	pages := shelf{
		"choose":     hardCase(func(p *payment.Page) { p.LastNo, p.Unfinished = payment.InsufficientFunds, open(payment.Open) }),
		"stuck":      hardCase(func(p *payment.Page) { p.Options = nil }),
		"shut":       hardCase(func(p *payment.Page) { p.Shut = payment.Duplicate }),
		"ended":      hardCase(func(p *payment.Page) { p.Final, p.Closed = payment.Reject, true }),
		"complete":   hardCase(func(p *payment.Page) { p.Final, p.Closed = payment.Resolve, true }),
		"gone":       hardCase(func(p *payment.Page) { p.Closed = true }),
		"connecting": hardCase(func(p *payment.Page) { p.ChoiceOpen = true }),
		"leaving":    hardCase(func(p *payment.Page) { p.Unfinished, p.Left = open(payment.Open), true }),
		"late":       hardCase(func(*payment.Page) {}),
		"processing": hardCase(func(p *payment.Page) { p.Unfinished, p.State = open(payment.Working), payment.Processing }),
	}
	handler, err := pay.New(pages, pages, func(string, payment.Kind) bool { return true }, zerolog.Nop())
	require.NoError(t, err)
	site := httptest.NewServer(api.New(zerolog.Nop(), func(context.Context) error { return nil }, handler))
	t.Cleanup(site.Close)
	b := w.open(t)
	for _, show := range []struct {
		name, path, heading, text string
		status                    int64
		press                     string // a button that leads on to the page
	}{
		{"choose", "/pay/choose", choosing, "continue where you left off", http.StatusOK, ""},
		{"stuck", "/pay/stuck", "No way to pay is available right now", "Please tell the shop.", http.StatusServiceUnavailable, ""},
		{"shut", "/pay/shut", "This payment cannot be continued", "This order has already been paid in another window.", http.StatusGone, ""},
		{"ended", "/pay/ended", "This payment has ended", "No money was taken.", http.StatusGone, ""},
		{"complete", "/pay/complete", "This payment is complete", "There is nothing more to do here.", http.StatusGone, ""},
		{"gone", "/pay/gone", "This payment has ended", "This link is not in use any more.", http.StatusGone, ""},
		{"unknown", "/pay/nobody", "We do not know this payment link", "Please check", http.StatusNotFound, ""},
		{"down", "/pay/down", "Please try again in a moment", "nothing is charged twice", http.StatusServiceUnavailable, ""},
		{"late", "/pay/late", "This payment cannot be continued", "The time to pay is over.", http.StatusConflict, "Card"},
		{"connecting", "/pay/connecting/go?n=3", "Connecting you to the payment page", "Choose another way to pay", http.StatusOK, ""},
		{"leaving", "/pay/leaving/left", "Cancelling your payment", "nothing is charged", http.StatusOK, ""},
		{"processing", "/pay/processing", "Confirming your payment", "Your bank is still working on the payment.", http.StatusOK, ""},
	} {
		b.visit(site.URL + show.path)
		if show.press != "" {
			b.press(show.press)
		}
		b.sees(show.heading, show.text)
		b.answered(show.status)
		b.keep("gallery-" + show.name)
		b.scheme("dark")
		b.keep("gallery-" + show.name + "-dark")
		b.scheme("")
	}
}

// scheme is what the buyer's system prefers, dark or light.
func (b *tab) scheme(name string) {
	b.Helper()
	b.do(call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	}))
}
