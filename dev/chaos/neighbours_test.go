package chaos

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
	stripepsp "tillflow/internal/psp/stripe"
	"tillflow/standin/faults"
)

func answering(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

func ask(t *testing.T, h http.Handler, path, key string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+key)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestWire(t *testing.T) {
	t.Parallel()
	w := newWire()
	w.connect("a.example", answering("shop a"), []string{"ka"}, answering("stripe a"))
	w.connect("b.example", answering("shop b"), []string{"kb"}, answering("stripe b"))
	require.Equal(t, "stripe a", ask(t, w, "/v1/refunds", "ka").Body.String())
	require.Equal(t, "stripe b", ask(t, w, "/v1/refunds", "kb").Body.String())
	require.Equal(t, "shop b", ask(t, w, "/shops/b.example/graphql.json", "ka").Body.String(), "the path tells the shop, not the key")
	w.disconnect("a.example", []string{"ka"})
	require.Equal(t, http.StatusNotFound, ask(t, w, "/v1/refunds", "ka").Code)
	require.Equal(t, http.StatusNotFound, ask(t, w, "/shops/a.example/graphql.json", "").Code)
	require.Equal(t, "stripe b", ask(t, w, "/v1/refunds", "kb").Body.String())
}

func TestLettersAreSignedAsTheProviderDoes(t *testing.T) {
	t.Parallel()
	l := letter{body: []byte(`{"id":"evt_1","object":"event","type":"refund.updated","created":1,"livemode":false,
		"data":{"object":{"id":"re_1","object":"refund","amount":1000,"currency":"eur","status":"succeeded"}}}`)}
	connector := stripepsp.New(stripepsp.Options{})
	parse := func(l letter, secret string) error {
		acc := psp.Account{Credentials: psp.Credentials{"webhook_secret": secret}}
		_, err := connector.ParseWebhook(acc, http.Header{signatureHeader: {l.signature}}, l.body, noon)
		return err
	}
	l = l.sign("whsec_a", noon)
	require.NoError(t, parse(l, "whsec_a"))
	require.Error(t, parse(l, "whsec_b"), "another account's secret")
	forged := l
	forged.body = moreMoney.ReplaceAll(l.body, []byte(`${1}1${2}`))
	require.Contains(t, string(forged.body), `"amount":11000`)
	require.Error(t, parse(forged, "whsec_a"), "another body under the same signature")
	require.NoError(t, parse(forged.sign("whsec_a", noon), "whsec_a"))
}

func TestOfficeKeepsCopies(t *testing.T) {
	t.Parallel()
	got := make(chan string, 4)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.URL.Path + " " + r.Header.Get(signatureHeader) + " " + string(body)
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(service.Close)
	o := newOffice(service.URL)
	_, none := o.copy(0)
	require.False(t, none)
	r := httptest.NewRequest(http.MethodPost, "/webhook/stripe/row1", io.NopCloser(httptest.NewRequest(http.MethodPost, "/", nil).Body))
	r.Header.Set(signatureHeader, "sig")
	w := httptest.NewRecorder()
	o.ServeHTTP(w, r)
	require.Equal(t, http.StatusTeapot, w.Code, "the provider hears what the service said")
	require.Equal(t, "/webhook/stripe/row1 sig ", <-got)
	l, ok := o.copy(5)
	require.True(t, ok)
	require.Equal(t, 1, l.of([]string{"row0", "row1"}))
	status, err := o.deliver(t.Context(), l)
	require.NoError(t, err)
	require.Equal(t, http.StatusTeapot, status)
	require.Equal(t, "/webhook/stripe/row1 sig ", <-got)
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 1)
	standin := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header.Get("Idempotency-Key") })
	for profile, want := range map[Profile]string{Stripe: "k", NoKeys: "", Unchecked: "k"} {
		r := httptest.NewRequest(http.MethodPost, "/v1/refunds", nil)
		r.Header.Set("Idempotency-Key", "k")
		profile.before(standin).ServeHTTP(httptest.NewRecorder(), r)
		require.Equal(t, want, <-seen, profile)
		c := provider{stripepsp.New(stripepsp.Options{}), profile}.Contract()
		require.Equal(t, profile != NoKeys, c.KeyRetention > 0)
		require.Greater(t, c.LookupLag, c.CallTimeout)
		require.Equal(t, psp.Authoritative, c.Absence[payment.OpCharge])
	}
}

// line counts what reaches Temporal.
type temporalLine struct {
	client.Client
	reached int
}

func (l *temporalLine) SignalWorkflow(context.Context, string, string, string, any) error {
	l.reached++
	return nil
}

func TestPatchyLine(t *testing.T) {
	t.Parallel()
	board := faults.New(faults.Options{Calls: []string{temporalStart, temporalSignal}})
	t.Cleanup(board.Close)
	var boards sync.Map
	boards.Store("a.example", board)
	line := &temporalLine{}
	p := patchy{line, &boards}
	signal := func(id string) error { return p.SignalWorkflow(t.Context(), id, "", "wake", nil) }
	const ours, theirs = "charge/shopify/a.example/1", "charge/shopify/b.example/1"

	require.NoError(t, signal(ours))
	require.Equal(t, 1, line.reached)
	for kind, reaches := range map[faults.Kind]int{faults.LoseRequest: 0, faults.LoseReply: 1} {
		_, err := board.Arm(faults.Rule{Call: temporalSignal, Kind: kind})
		require.NoError(t, err)
		require.NoError(t, signal(theirs), "another shop's line is whole")
		before := line.reached
		require.Error(t, signal(ours))
		require.Equal(t, reaches, line.reached-before, kind)
		require.NoError(t, signal(ours), "the fault is spent")
	}
	require.NoError(t, signal("sweep"), "not a payment's run")
	require.ErrorIs(t, p.lose(ours, temporalStart, func() error { return errors.ErrUnsupported }), errors.ErrUnsupported)
}
