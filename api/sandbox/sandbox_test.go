package sandbox

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp/sandbox/books"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// fake are books with one checkout.
type fake struct {
	checkout books.Checkout
	err      error
	decided  []books.Verdict
}

func (f *fake) SandboxPage(_ context.Context, id string) (books.Checkout, error) {
	if f.err == nil && id != f.checkout.ID {
		return books.Checkout{}, payment.Errorf(payment.NotFound, "no such page")
	}
	return f.checkout, f.err
}

func (f *fake) SandboxDecide(ctx context.Context, id string, v books.Verdict) (books.Checkout, error) {
	c, err := f.SandboxPage(ctx, id)
	if err != nil {
		return c, err
	}
	if c.At(noon) != books.Open || !c.DecidedAt.IsZero() {
		return c, payment.Errorf(payment.Conflict, "the page is over")
	}
	f.decided = append(f.decided, v)
	f.checkout.Verdict = v
	if v.Result != books.Undecided {
		f.checkout.DecidedAt, f.checkout.SettlesAt = noon, noon
	}
	return f.checkout, nil
}

func open(change ...func(*books.Checkout)) *fake {
	f := &fake{checkout: books.Checkout{
		ID: "sbc_1", Kind: payment.Sale, Amount: money.New(1230, "EUR"), Description: "Order 1001 <b>", Delay: 5 * time.Second,
		ReturnURL: "https://pay.example.test/return/t", CancelURL: "https://pay.example.test/pay/t?back=1", ExpiresAt: noon.Add(time.Hour),
	}}
	for _, c := range change {
		c(&f.checkout)
	}
	return f
}

type answer struct {
	*httptest.ResponseRecorder
}

func (a answer) text() string { return a.Body.String() }

func do(t *testing.T, f *fake, r *http.Request) answer {
	t.Helper()
	h, err := New(f, func() time.Time { return noon }, zerolog.Nop())
	require.NoError(t, err)
	e := echo.New()
	h.Routes(e)
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, r)
	return answer{rec}
}

func get(t *testing.T, f *fake, path string) answer {
	t.Helper()
	return do(t, f, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
}

func post(t *testing.T, f *fake, path, choice string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(url.Values{"choice": {choice}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(t, f, r)
}

var button = regexp.MustCompile(`name="choice" value="([a-z_]+)"`)

func TestPage(t *testing.T) {
	t.Parallel()
	t.Run("an open page offers every choice and says that no money is real", func(t *testing.T) {
		t.Parallel()
		a := get(t, open(), "/sandbox/sbc_1")
		require.Equal(t, http.StatusOK, a.Code)
		require.Contains(t, a.text(), "Sandbox: no real money moves")
		require.Contains(t, a.text(), "Pay 12.30 EUR")
		require.Contains(t, a.text(), "Order 1001 &lt;b&gt;")
		require.Contains(t, a.text(), "Open until 20 November 2026, 13:00 UTC")
		require.Len(t, button.FindAllString(a.text(), -1), 13)
	})
	t.Run("a page that keeps the card also offers what its bank says later", func(t *testing.T) {
		t.Parallel()
		remembers := func(c *books.Checkout) { c.Remember = true }
		a := get(t, open(remembers), "/sandbox/sbc_1")
		require.Contains(t, a.text(), "the card is kept")
		require.Len(t, button.FindAllString(a.text(), -1), 19)
		f := open(remembers)
		require.Equal(t, http.StatusSeeOther, post(t, f, "/sandbox/sbc_1", "later_funds").Code)
		require.Equal(t, []books.Verdict{{
			Result: books.Success, Later: books.Bank{Decline: payment.InsufficientFunds, Code: "insufficient_funds", Left: 2},
		}}, f.decided)
	})
	t.Run("an authorization says so", func(t *testing.T) {
		t.Parallel()
		a := get(t, open(func(c *books.Checkout) { c.Kind = payment.Authorization }), "/sandbox/sbc_1")
		require.Contains(t, a.text(), "Authorize 12.30 EUR")
	})
	t.Run("a refusal is shown with the choices", func(t *testing.T) {
		t.Parallel()
		for _, reason := range append(payment.DeclineReasons, "new") {
			a := get(t, open(func(c *books.Checkout) { c.Verdict.Decline = reason }), "/sandbox/sbc_1")
			require.Equal(t, http.StatusOK, a.Code)
			require.Contains(t, a.text(), `role="alert" class="no">Declined`, reason)
		}
		for _, reason := range []payment.DeclineReason{payment.LostOrStolen, payment.Fraud} {
			a := get(t, open(func(c *books.Checkout) { c.Verdict.Decline = reason }), "/sandbox/sbc_1")
			require.Contains(t, a.text(), `class="no">Declined by the bank.`, "a thief reads no more than that")
		}
		require.NotContains(t, get(t, open(), "/sandbox/sbc_1").text(), `role="alert"`)
	})
	t.Run("3-D Secure is a page of its own that changes nothing", func(t *testing.T) {
		t.Parallel()
		f := open()
		a := get(t, f, "/sandbox/sbc_1/authenticate")
		require.Equal(t, http.StatusOK, a.Code)
		require.Contains(t, a.text(), "is it you?")
		require.Len(t, button.FindAllString(a.text(), -1), 2)
		require.Empty(t, f.decided)
	})
	t.Run("the style sheet is served", func(t *testing.T) {
		t.Parallel()
		a := get(t, open(), "/static/sandbox.css")
		require.Equal(t, http.StatusOK, a.Code)
		require.Equal(t, "text/css; charset=utf-8", a.Header().Get("Content-Type"))
		require.Contains(t, a.text(), ".banner")
	})
}

func TestEveryPageIsPlain(t *testing.T) {
	t.Parallel()
	down := open()
	down.err = errors.New("down")
	for name, a := range map[string]answer{
		"choices":      get(t, open(), "/sandbox/sbc_1"),
		"3-D Secure":   get(t, open(), "/sandbox/sbc_1/authenticate"),
		"closed":       get(t, open(func(c *books.Checkout) { c.ClosedAt = noon }), "/sandbox/sbc_1"),
		"unknown":      get(t, open(), "/sandbox/sbc_2"),
		"out of order": get(t, down, "/sandbox/sbc_1"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, a.Header().Get("Content-Security-Policy"), "default-src 'none'; style-src 'self'")
			require.NotContains(t, a.text(), "<script")
			require.NotContains(t, a.text(), "style=")
			require.Contains(t, a.text(), "Sandbox: no real money moves")
			require.Contains(t, a.text(), "<h1>")
		})
	}
}

func TestChoices(t *testing.T) {
	t.Parallel()
	t.Run("every button does something", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"/sandbox/sbc_1", "/sandbox/sbc_1/authenticate"} {
			for _, m := range button.FindAllStringSubmatch(get(t, open(), path).text(), -1) {
				f := open()
				a := post(t, f, "/sandbox/sbc_1", m[1])
				require.Equal(t, http.StatusSeeOther, a.Code, m[1])
				if m[1] != leave {
					require.Len(t, f.decided, 1, m[1])
				}
			}
		}
	})
	for choice, to := range map[string]string{
		"success":               "https://pay.example.test/return/t",
		"authenticated":         "https://pay.example.test/return/t",
		"delayed_success":       "https://pay.example.test/return/t",
		"delayed_failure":       "https://pay.example.test/return/t",
		"never":                 "https://pay.example.test/return/t",
		"leave":                 "https://pay.example.test/pay/t?back=1",
		"insufficient_funds":    "/sandbox/sbc_1",
		"authentication_failed": "/sandbox/sbc_1",
	} {
		t.Run(choice+" leads on", func(t *testing.T) {
			t.Parallel()
			require.Equal(t, to, post(t, open(), "/sandbox/sbc_1", choice).Header().Get("Location"))
		})
	}
	t.Run("to leave decides nothing", func(t *testing.T) {
		t.Parallel()
		f := open()
		post(t, f, "/sandbox/sbc_1", leave)
		require.Empty(t, f.decided)
	})
	t.Run("without a way to cancel, to leave leads to the return address", func(t *testing.T) {
		t.Parallel()
		f := open(func(c *books.Checkout) { c.CancelURL = "" })
		require.Equal(t, "https://pay.example.test/return/t", post(t, f, "/sandbox/sbc_1", leave).Header().Get("Location"))
	})
	for name, choice := range map[string]string{"an unknown choice": "gift", "none at all": ""} {
		t.Run(name+" is refused and shows the choices again", func(t *testing.T) {
			t.Parallel()
			f := open()
			a := post(t, f, "/sandbox/sbc_1", choice)
			require.Equal(t, http.StatusUnprocessableEntity, a.Code)
			require.Contains(t, a.text(), "Pay 12.30 EUR")
			require.Empty(t, f.decided)
		})
	}
	t.Run("a form that is too long decides nothing", func(t *testing.T) {
		t.Parallel()
		f := open()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/sandbox/sbc_1",
			strings.NewReader("x="+strings.Repeat("x", maxForm)+"&choice=success"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		require.Equal(t, http.StatusUnprocessableEntity, do(t, f, r).Code)
		require.Empty(t, f.decided)
	})
}

func TestOver(t *testing.T) {
	t.Parallel()
	decided := func(r books.Result, settles time.Time) func(*books.Checkout) {
		return func(c *books.Checkout) {
			c.Verdict.Result, c.DecidedAt, c.SettlesAt = r, noon.Add(-time.Minute), settles
		}
	}
	for name, tc := range map[string]struct {
		change     func(*books.Checkout)
		text, link string
	}{
		"closed":     {func(c *books.Checkout) { c.ClosedAt = noon }, "This page is closed", "/pay/t?back=1"},
		"expired":    {func(c *books.Checkout) { c.ExpiresAt = noon }, "This page is closed", "/pay/t?back=1"},
		"paid":       {decided(books.Success, noon), "This payment is complete", "/return/t"},
		"failed":     {decided(books.Failure, noon), "This payment has failed", "/return/t"},
		"processing": {decided(books.Success, noon.Add(1)), "This payment is being processed", "/return/t"},
		"never":      {decided(books.Never, time.Time{}), "This payment is being processed", "/return/t"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, a := range []answer{
				get(t, open(tc.change), "/sandbox/sbc_1"),
				get(t, open(tc.change), "/sandbox/sbc_1/authenticate"),
				post(t, open(tc.change), "/sandbox/sbc_1", "success"),
				post(t, open(tc.change), "/sandbox/sbc_1", leave),
				post(t, open(tc.change), "/sandbox/sbc_1", "gift"),
			} {
				require.Equal(t, http.StatusGone, a.Code)
				require.Contains(t, a.text(), tc.text)
				require.Contains(t, a.text(), `href="https://pay.example.test`+tc.link+`"`)
				require.NotContains(t, a.text(), "<form")
			}
		})
	}
	t.Run("an unknown page is 404 on every way", func(t *testing.T) {
		t.Parallel()
		for _, a := range []answer{
			get(t, open(), "/sandbox/sbc_2"), get(t, open(), "/sandbox/sbc_2/authenticate"),
			post(t, open(), "/sandbox/sbc_2", "success"), post(t, open(), "/sandbox/sbc_2", leave),
		} {
			require.Equal(t, http.StatusNotFound, a.Code)
			require.Contains(t, a.text(), "does not know this page")
		}
	})
	t.Run("without its books it asks to try again", func(t *testing.T) {
		t.Parallel()
		f := open()
		f.err = payment.Errorf(payment.Unavailable, "secret detail")
		for _, a := range []answer{get(t, f, "/sandbox/sbc_1"), post(t, f, "/sandbox/sbc_1", "success")} {
			require.Equal(t, http.StatusServiceUnavailable, a.Code)
			require.Contains(t, a.text(), `href="/sandbox/sbc_1"`)
			require.NotContains(t, a.text(), "secret detail")
		}
	})
}

func TestMagicPage(t *testing.T) {
	t.Parallel()
	for minor, says := range map[int64]string{
		1101: "within 5s the payment succeeds.",
		1102: "within 5s the payment fails.",
		1104: "it is processing within 5s, and 5s later the payment succeeds.",
		1105: "it is processing within 5s, and 5s later the payment fails.",
		1106: "within 5s the payment is processing, and stays so for ever.",
	} {
		f := open(func(c *books.Checkout) {
			c.Amount = money.New(minor, "EUR")
			v, magic := books.Magic(c.Amount)
			require.True(t, magic)
			c.Verdict, c.DecidedAt = v, noon.Add(5*time.Second)
		})
		t.Run(f.checkout.Amount.String()+" tells what comes and offers no choice", func(t *testing.T) {
			t.Parallel()
			for _, a := range []answer{
				get(t, f, "/sandbox/sbc_1"), get(t, f, "/sandbox/sbc_1/authenticate"), post(t, f, "/sandbox/sbc_1", "success"),
			} {
				require.Equal(t, http.StatusOK, a.Code)
				require.Contains(t, a.text(), says)
				require.Empty(t, button.FindAllString(a.text(), -1))
			}
			require.Empty(t, f.decided)
		})
	}
}
