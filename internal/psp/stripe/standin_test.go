package stripe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/psp/psptest"
	"tillflow/internal/psp/stripe"
	"tillflow/standin/faults"
	standin "tillflow/standin/stripe"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	psptest.Run(t, func(t *testing.T) psptest.Target { return setup(t).target() })
}

// bench is a connector, its stand-in and the endpoint that takes its webhooks.
type bench struct {
	connector *stripe.Connector
	server    *standin.Server
	url       string

	mu       sync.Mutex
	now      time.Time
	messages []psptest.Message
}

const standinAccount = "acct_test"

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{now: noon}
	inbox := httptest.NewServer(http.HandlerFunc(b.receive))
	web := httptest.NewUnstartedServer(nil)
	b.url = "http://" + web.Listener.Addr().String()
	server, err := standin.New(standin.Options{
		Now: b.clock, PublicURL: b.url,
		Accounts: []standin.Account{{
			ID: standinAccount, SecretKey: testKey,
			Webhooks: []standin.Webhook{{URL: inbox.URL, Secret: testSecret}},
		}},
	})
	require.NoError(t, err)
	b.server, web.Config.Handler = server, server
	web.Start()
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		web.Close()
		inbox.Close()
	})
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	b.connector = stripe.New(stripe.Options{BaseURL: b.url, HTTPClient: client, Now: b.clock})
	return b
}

func (b *bench) target() psptest.Target {
	return psptest.Target{
		Connector:   b.connector,
		Unreachable: stripe.New(stripe.Options{BaseURL: "http://127.0.0.1:1", Now: b.clock}),
		Account:     account(),
		Now:         b.clock,
		Advance:     b.advance,
		Pay:         b.pay,
		Settle: func(*testing.T) {
			b.advance(10 * time.Second)
			b.server.Books("") // time passes when somebody looks
		},
		Arm:      b.arm,
		Books:    func(*testing.T) map[string]psptest.Entry { return b.books() },
		Messages: b.delivered,
		Elsewhere: &psptest.Elsewhere{
			Refund: func(t *testing.T, paymentRef string, amount money.Amount) string {
				return b.press(t, fmt.Sprintf("/_refund/%s?amount=%d", paymentRef, amount.Minor))
			},
			Dispute: func(t *testing.T, paymentRef string, amount money.Amount) string {
				return b.press(t, fmt.Sprintf("/_dispute/%s?amount=%d", paymentRef, amount.Minor))
			},
			Judge: func(t *testing.T, dispute string, won bool) {
				b.press(t, "/_dispute/"+dispute+"/"+map[bool]string{true: "win", false: "lose"}[won])
			},
			Inquire:    func(t *testing.T, paymentRef string) { b.press(t, "/_dispute/"+paymentRef+"?inquiry=true") },
			FailRefund: func(t *testing.T, refund string) { b.press(t, "/_settle/"+refund+"?result=failed") },
		},
		Wallet: &psptest.Wallet{
			Bank: func(t *testing.T, m psp.Method, reason payment.DeclineReason) {
				card := map[payment.DeclineReason]string{
					"": "success", payment.DeclinedOther: "generic_decline", payment.InsufficientFunds: "insufficient_funds",
					payment.ExpiredCard: "expired_card", payment.AuthenticationFailed: "three_d_secure_always",
					payment.LostOrStolen: "stolen_card", payment.Cancelled: "never_again",
				}[reason]
				b.press(t, "/_method/"+m.Ref+"?card="+card)
			},
			Remove: func(t *testing.T, m psp.Method) { b.press(t, "/_method/"+m.Ref+"?detach=1") },
		},
	}
}

// press uses one of the stand-in's switches and gives the id of what it answers.
func (b *bench) press(t *testing.T, path string) string {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, nil)
	rec := httptest.NewRecorder()
	b.server.ServeHTTP(rec, req)
	require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
	var made struct {
		ID string `json:"id"`
	}
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &made))
	return made.ID
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *bench) pay(t *testing.T, open psp.Outcome, how psptest.How) {
	t.Helper()
	card, want := "", http.StatusOK
	switch how {
	case psptest.Approve:
		card = "success"
	case psptest.Refuse:
		card, want = "insufficient_funds", http.StatusPaymentRequired
	case psptest.SlowSuccess:
		card = "delayed_success"
	case psptest.SlowFailure:
		card = "delayed_failure"
	default:
		require.Fail(t, "no such way to pay", how)
	}
	page := strings.Replace(open.URL, "/c/pay/", "/_pay/", 1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, page, strings.NewReader(`{"card":"`+card+`"}`))
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, want, resp.StatusCode, string(body))
}

func (b *bench) arm(t *testing.T, call psptest.Call, rule faults.Rule) {
	t.Helper()
	switch call {
	case psptest.CallOpen:
		rule.Call = "checkout.sessions.create"
	case psptest.CallLook:
		rule.Call = "checkout.sessions.retrieve"
	case psptest.CallCapture:
		rule.Call = "payment_intents.capture"
	case psptest.CallVoid:
		rule.Call = "payment_intents.cancel"
	case psptest.CallRefund:
		rule.Call = "refunds.create"
	case psptest.CallCharge:
		rule.Call = "payment_intents.create"
	default:
		require.Fail(t, "no such call", call)
	}
	_, err := b.server.Faults().Arm(rule)
	require.NoError(t, err)
}

// books sums what the stand-in says of every reference. The currencies of the
// suite have the same minor units at Stripe as everywhere.
func (b *bench) books() map[string]psptest.Entry {
	entries := map[string]psptest.Entry{}
	all := b.server.Books("").Accounts[standinAccount]
	references := map[string]bool{}
	for _, checkout := range all.Checkouts {
		references[checkout.Reference] = true
	}
	for _, intent := range all.Intents {
		references[intent.Reference] = true
	}
	for reference := range references {
		book := b.server.Books(reference).Accounts[standinAccount]
		entry := psptest.Entry{Checkouts: len(book.Checkouts)}
		for currency, total := range book.Totals {
			amount := func(minor int64) money.Amount {
				return money.New(minor, money.Currency(strings.ToUpper(currency)))
			}
			entry.Held, entry.Captured, entry.Refunded = amount(total.Held), amount(total.Captured), amount(total.Refunded)
			entry.Captures, entry.Refunds = total.Captures, total.Refunds
		}
		entries[reference] = entry
	}
	return entries
}

func (b *bench) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages = append(b.messages, psptest.Message{Header: r.Header.Clone(), Body: bytes.Clone(body)})
}

// delivered waits until the stand-in has no message under way.
func (b *bench) delivered(t *testing.T) []psptest.Message {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, hook := range b.server.Books("").Accounts[standinAccount].Webhooks {
			if hook.State != "delivered" {
				return false
			}
		}
		return true
	}, 10*time.Second, 5*time.Millisecond)
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]psptest.Message(nil), b.messages...)
}
