package pay

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// TestEveryPageRenders: a template that names a field its data lacks fails only
// when it is shown, and some pages are shown only in trouble.
func TestEveryPageRenders(t *testing.T) {
	t.Parallel()
	v, err := parse()
	require.NoError(t, err)
	page := payment.Page{
		Payment: payment.RunRef{Amount: money.New(4990, "EUR"), Test: true}, Label: "Acme <Store>", CancelURL: "https://shop.example/cancel",
		Options: []payment.Option{{AccountID: "a", Label: "Card"}, {AccountID: "b", Label: "Sandbox"}}, LastNo: payment.InsufficientFunds,
		Unfinished: &payment.Attempt{AccountID: "a", State: payment.Open},
	}
	with := func(change func(*payment.Page)) payment.Page {
		p := page
		change(&p)
		return p
	}
	shows := map[string]struct {
		status int
		text   string
		show   func(echo.Context) error
	}{
		"choose": {http.StatusOK, "You have not been charged", func(c echo.Context) error { return v.choose(c, page) }},
		"choose, of a subscription": {http.StatusOK, "What you pay with is kept for later payments. They are charged by themselves until you cancel.", func(c echo.Context) error {
			return v.choose(c, with(func(p *payment.Page) { p.Payment.Source = payment.SourceSubscription }))
		}},
		"shut": {http.StatusGone, "too many attempts", func(c echo.Context) error {
			return v.choose(c, with(func(p *payment.Page) { p.Shut = payment.TooManyAttempts }))
		}},
		"wait": {http.StatusOK, "one moment", func(c echo.Context) error {
			return v.wait(c, page, waiting{Title: "T", Text: "one moment", Next: "/x", Escape: true})
		}},
		"over, resolved": {http.StatusGone, "has been received", func(c echo.Context) error {
			return v.over(c, with(func(p *payment.Page) { p.Final = payment.Resolve }))
		}},
		"over, rejected":  {http.StatusGone, "No money was taken", func(c echo.Context) error { return v.over(c, with(func(p *payment.Page) { p.Final = payment.Reject })) }},
		"over, undecided": {http.StatusGone, "not in use any more", func(c echo.Context) error { return v.over(c, page) }},
		"unknown":         {http.StatusNotFound, "do not know", v.unknown},
		"stuck":           {http.StatusServiceUnavailable, "Nothing has been charged", func(c echo.Context) error { return v.stuck(c, page) }},
		"trouble":         {http.StatusServiceUnavailable, "nothing is charged twice", func(c echo.Context) error { return v.trouble(c, payment.Errorf(payment.Unavailable, "x")) }},
		"trouble of ours": {http.StatusInternalServerError, "nothing is charged twice", func(c echo.Context) error { return v.trouble(c, payment.Errorf(payment.Bug, "x")) }},
	}
	for name, s := range shows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, rec := echo.New(), httptest.NewRecorder()
			require.NoError(t, s.show(e.NewContext(httptest.NewRequest(http.MethodGet, "/pay/x", nil), rec)))
			require.Equal(t, s.status, rec.Code)
			require.Contains(t, rec.Body.String(), s.text)
			require.Contains(t, rec.Header().Get("Content-Security-Policy"), "default-src 'none'")
			require.NotContains(t, rec.Body.String(), "<Store>", "a shop's name is escaped")
		})
	}
}

func TestEveryDeclineHasASentence(t *testing.T) {
	t.Parallel()
	for _, r := range payment.DeclineReasons {
		require.NotContains(t, sentence(r), string(r)+")", "a buyer reads a sentence, not a code: %s", r)
	}
}
