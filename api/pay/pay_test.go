package pay_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/api/pay"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

const (
	oldPage = "https://provider.example/old"
	newPage = "https://provider.example/new"
	cart    = "https://shop.example/cart"
	done    = "https://shop.example/thanks"
)

// record shows its pages one after the other, the last one for ever, and notes
// what the workflow was told.
type record struct {
	pages   []payment.Page
	refusal error // of Choose and Leave
	broken  error // of Page

	mu    sync.Mutex
	reads int
	woken []string
}

func (r *record) Page(_ context.Context, token string) (payment.Page, error) {
	if token != "t" {
		return payment.Page{}, payment.Errorf(payment.NotFound, "no such token")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads++
	return r.pages[min(r.reads, len(r.pages))-1], r.broken
}

// Revision says that every look may be news.
func (r *record) Revision(context.Context, string) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int64(r.reads), nil
}

func (r *record) Choose(context.Context, string, string) (payment.RunRef, error) {
	return payment.RunRef{}, r.refusal
}

func (r *record) Leave(context.Context, string) (payment.RunRef, error) {
	return payment.RunRef{}, r.refusal
}

func (r *record) SignalChoice(context.Context, payment.RunRef) error   { return r.wake("choice") }
func (r *record) SignalReturned(context.Context, payment.RunRef) error { return r.wake("returned") }

func (r *record) wake(what string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.woken = append(r.woken, what)
	return nil
}

// page is a payment with two ways to pay, of which one was chosen.
func page(change ...func(*payment.Page)) payment.Page {
	p := payment.Page{
		Payment: payment.RunRef{Kind: payment.Sale, Amount: money.New(4990, "EUR")}, State: payment.AwaitingBuyer,
		Label: "Acme", CancelURL: cart, Options: []payment.Option{{AccountID: "a", Label: "Card"}, {AccountID: "b", Label: "Bank"}},
	}
	for _, c := range change {
		c(&p)
	}
	return p
}

// at has a checkout at the provider in a state; open ones have a page.
func at(state payment.AttemptState) func(*payment.Page) {
	return func(p *payment.Page) {
		p.Unfinished = &payment.Attempt{ID: "1", AccountID: "a", State: state}
		if state == payment.Open {
			p.URL = oldPage
		}
	}
}

func chosenAnew(p *payment.Page) { p.ChoiceOpen = true }
func left(p *payment.Page)       { p.Left = true }
func onNew(p *payment.Page)      { p.URL = newPage }
func paid(p *payment.Page)       { p.Final, p.NextURL = payment.Resolve, done }
func single(p *payment.Page)     { p.Options = p.Options[:1] }

func refused(why payment.DeclineReason) func(*payment.Page) {
	return func(p *payment.Page) { p.LastNo = why }
}

func conflict(code string) error { return &payment.Error{Class: payment.Conflict, Code: code} }

// ask answers one request, as the whole HTTP side does.
func ask(t *testing.T, r *record, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	h, err := pay.New(r, r, func(string, payment.Kind) bool { return true }, zerolog.Nop())
	require.NoError(t, err)
	form := strings.NewReader(url.Values{"option": {"b"}}.Encode())
	req := httptest.NewRequestWithContext(t.Context(), method, path, form)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	api.New(zerolog.Nop(), func(context.Context) error { return nil }, h).ServeHTTP(rec, req)
	require.LessOrEqual(t, strings.Count(rec.Body.String(), "<html"), 1, "one page")
	return rec
}

func TestWays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path  string
		pages []payment.Page
		to    string
	}{
		"a choice leads to its own page, not to the one that is being shut": {
			"/pay/t/go", []payment.Page{page(at(payment.Open), chosenAnew), page(chosenAnew), page(at(payment.Open), onNew)}, newPage,
		},
		"who left is not sent back to the page that is being shut": {
			"/pay/t/go", []payment.Page{page(at(payment.Open), left), page(left)}, "/pay/t?back=1",
		},
		"without a choice there is nothing to go on to":            {"/pay/t/go", []payment.Page{page()}, "/pay/t?back=1"},
		"the only way to pay is taken at once":                     {"/pay/t", []payment.Page{page(at(payment.Open), single)}, oldPage},
		"the shop is reached once the checkout is shut":            {"/pay/t/left", []payment.Page{page(at(payment.Open), left), page(left)}, cart},
		"who pays in the last moment has not left":                 {"/pay/t/left", []payment.Page{page(at(payment.Working))}, "/return/t"},
		"what the provider works on cannot be chosen anew":         {"/pay/t", []payment.Page{page(at(payment.Working))}, "/return/t"},
		"who paid goes on to the shop":                             {"/return/t", []payment.Page{page(at(payment.Open)), page(paid)}, done},
		"who was refused may choose again":                         {"/return/t", []payment.Page{page(refused(payment.ExpiredCard))}, "/pay/t?back=1"},
		"a page that stays open after its return is offered again": {"/return/t?n=5", []payment.Page{page(at(payment.Open))}, "/pay/t?back=1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := ask(t, &record{pages: c.pages}, http.MethodGet, c.path)
			require.Equal(t, http.StatusSeeOther, rec.Code, rec.Body.String())
			require.Equal(t, c.to, rec.Header().Get("Location"))
		})
	}
}

func TestWhoTurnsBack(t *testing.T) {
	t.Parallel()
	t.Run("reads why the provider's page refused, which only a look-up tells", func(t *testing.T) {
		t.Parallel()
		r := &record{pages: []payment.Page{page(at(payment.Open)), page(at(payment.Open)), page(at(payment.Open), refused(payment.ExpiredCard))}}
		rec := ask(t, r, http.MethodGet, "/pay/t?back=1")
		require.Equal(t, http.StatusOK, rec.Code)
		require.Contains(t, rec.Body.String(), "The card has expired. You have not been charged.")
		require.Contains(t, rec.Body.String(), "continue where you left off")
		require.Equal(t, []string{"returned"}, r.woken)
	})
	t.Run("sees the choice soon when there is no news", func(t *testing.T) {
		t.Parallel()
		rec := ask(t, &record{pages: []payment.Page{page(at(payment.Open))}}, http.MethodGet, "/pay/t?back=1")
		require.Equal(t, http.StatusOK, rec.Code)
		require.NotContains(t, rec.Body.String(), `role="alert"`)
	})
	t.Run("is not sent on although there is one way to pay", func(t *testing.T) {
		t.Parallel()
		rec := ask(t, &record{pages: []payment.Page{page(at(payment.Open), single)}}, http.MethodGet, "/pay/t?back=1")
		require.Equal(t, http.StatusOK, rec.Code)
	})
	t.Run("after the payment was decided reads that", func(t *testing.T) {
		t.Parallel()
		r := &record{pages: []payment.Page{page(paid)}}
		require.Equal(t, http.StatusGone, ask(t, r, http.MethodGet, "/pay/t?back=1").Code)
		require.Empty(t, r.woken)
	})
}

func TestPresses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path    string
		refusal error
		status  int
		shows   string // the next address, or a text
	}{
		"a choice is taken":                         {"/pay/t", nil, http.StatusSeeOther, "/pay/t/go"},
		"leaving is taken":                          {"/pay/t/leave", nil, http.StatusSeeOther, "/pay/t/left"},
		"what is being processed cannot be left":    {"/pay/t/leave", conflict("processing"), http.StatusSeeOther, "/pay/t?back=1"},
		"what is decided cannot be chosen":          {"/pay/t", conflict("decided"), http.StatusSeeOther, "/pay/t?back=1"},
		"an option that went away is not offered":   {"/pay/t", payment.Errorf(payment.Invalid, "unknown option"), http.StatusSeeOther, "/pay/t?back=1"},
		"too late is said":                          {"/pay/t", conflict("late"), http.StatusConflict, "The time to pay is over."},
		"too many changes are said":                 {"/pay/t", conflict("too_many_choices"), http.StatusConflict, "changed too often"},
		"an unknown link is said":                   {"/pay/x", payment.Errorf(payment.NotFound, "no such token"), http.StatusNotFound, "do not know this payment link"},
		"in trouble the page is shown, not pressed": {"/pay/t/leave", payment.Errorf(payment.Unavailable, "away"), http.StatusServiceUnavailable, `content="2;url=/pay/t"`},
		"a broken invariant is a fault of ours":     {"/pay/t", payment.Errorf(payment.Bug, "broken"), http.StatusInternalServerError, "nothing is charged twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &record{pages: []payment.Page{page()}, refusal: c.refusal}
			rec := ask(t, r, http.MethodPost, c.path)
			require.Equal(t, c.status, rec.Code)
			require.Contains(t, rec.Header().Get("Location")+rec.Body.String(), c.shows)
			if c.refusal == nil {
				require.Equal(t, []string{"choice"}, r.woken)
				return
			}
			require.Empty(t, r.woken)
		})
	}
}

func TestPagesThatCannotBeShown(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/pay/x", "/pay/x/go", "/pay/x/left", "/return/x"} {
		t.Run(path+" of an unknown token is not found", func(t *testing.T) {
			t.Parallel()
			rec := ask(t, &record{}, http.MethodGet, path)
			require.Equal(t, http.StatusNotFound, rec.Code)
			require.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
		})
	}
	for _, path := range []string{"/pay/t", "/pay/t/go", "/pay/t/left", "/return/t"} {
		t.Run(path+" without the record tries again by itself", func(t *testing.T) {
			t.Parallel()
			r := &record{pages: []payment.Page{{}}, broken: payment.Errorf(payment.Unavailable, "away")}
			rec := ask(t, r, http.MethodGet, path)
			require.Equal(t, http.StatusServiceUnavailable, rec.Code)
			require.Contains(t, rec.Body.String(), `content="2;url=`+path+`"`)
		})
	}
	t.Run("without a way to pay the buyer is told", func(t *testing.T) {
		t.Parallel()
		rec := ask(t, &record{pages: []payment.Page{page(func(p *payment.Page) { p.Options = nil })}}, http.MethodGet, "/pay/t")
		require.Equal(t, http.StatusServiceUnavailable, rec.Code)
		require.Contains(t, rec.Body.String(), cart)
	})
}

func TestLongAmountsAreGrouped(t *testing.T) {
	t.Parallel()
	for shown, amount := range map[string]money.Amount{
		"49.90 EUR":                   money.New(4990, "EUR"),
		"1234.50 EUR":                 money.New(123_450, "EUR"),
		"12\u202f345.60 EUR":          money.New(1_234_560, "EUR"),
		"123\u202f456\u202f789 JPY":   money.New(123_456_789, "JPY"),
		"1\u202f234\u202f567.891 KWD": money.New(1_234_567_891, "KWD"),
	} {
		t.Run(shown, func(t *testing.T) {
			t.Parallel()
			rec := ask(t, &record{pages: []payment.Page{page(func(p *payment.Page) { p.Payment.Amount = amount })}}, http.MethodGet, "/pay/t")
			require.Contains(t, rec.Body.String(), `<p class="amount">`+shown+"</p>")
		})
	}
}
