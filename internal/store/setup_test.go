package store_test

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"tillflow/activities"
	"tillflow/api/merchant"
	"tillflow/api/pay"
	"tillflow/api/shopify"
	"tillflow/api/webhook"
	"tillflow/internal/crypt"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/store"
	"tillflow/internal/store/storetest"
)

// The consumers' interfaces are met by structure.
var (
	_ activities.Records  = (*store.Store)(nil)
	_ activities.Accounts = (*store.Store)(nil)
	_ activities.Due      = (*store.Store)(nil)
	_ webhook.Events      = (*store.Store)(nil)
	_ pay.Pages           = (*store.Store)(nil)
	_ shopify.Sessions    = (*store.Store)(nil)
	_ merchant.Records    = (*store.Store)(nil)
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// clock is the service's time in tests.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const shop = "a.myshopify.com"

// bundle is one test's store on a database of its own.
type bundle struct {
	*store.Store
	t     *testing.T
	clock *clock
	pool  *pgxpool.Pool // for what the store does not tell
	url   string
	vault *crypt.Vault
	live  string // live account "Card" at provider psp
}

// setup gives a migrated database with one shop and one live account.
func setup(t *testing.T) *bundle {
	t.Helper()
	b := open(t)
	require.NoError(t, b.PutShop(t.Context(), store.Shop{Shop: shop, Label: "A shop", Mail: "owner@example.com", MaxAttempts: 3, Active: true}))
	b.live = b.account("psp", true, "Card")
	return b
}

// open gives a migrated, empty database.
func open(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{t: t, clock: &clock{now: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)}}
	r := storetest.Open(t, b.clock.Now)
	b.Store, b.pool, b.url, b.vault = r.Store, r.Pool, r.URL, r.Vault
	return b
}

func (b *bundle) account(provider string, live bool, label string) string {
	b.t.Helper()
	id, err := b.PutAccount(b.t.Context(), store.Account{Shop: shop, Provider: provider, Live: live, Label: label, Enabled: true},
		map[string]string{"secret_key": "sk_" + label})
	require.NoError(b.t, err)
	return id
}

func eur(minor int64) money.Amount { return money.New(minor, "EUR") }

// session is a sale of 12.30 EUR at Shopify; change makes it another one.
func (b *bundle) session(change ...func(*payment.Session)) payment.Session {
	b.t.Helper()
	id := uuid.Must(uuid.NewV7()).String()
	s := payment.Session{
		ID: id, Source: payment.SourceShopify, Shop: shop, ExternalID: "s-" + id, GID: "gid://shopify/PaymentSession/s-" + id,
		Group: "g-" + id, Kind: payment.Sale, Amount: eur(1230), Token: "t-" + id, CancelURL: "https://shop/cancel",
		Providers: []string{"psp", "other"}, Locale: "de", Description: "order", ReceivedAt: b.clock.Now(), DeadlineAt: b.clock.Now().Add(48 * time.Hour),
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

func (b *bundle) accept(change ...func(*payment.Session)) payment.Session {
	b.t.Helper()
	s := b.session(change...)
	accepted, err := b.AcceptSession(b.t.Context(), s)
	require.NoError(b.t, err)
	require.True(b.t, accepted.New)
	return s
}

func authorization(s *payment.Session) { s.Kind = payment.Authorization }

func ofGroup(group string) func(*payment.Session) {
	return func(s *payment.Session) { s.Group = group }
}

func api(s *payment.Session) {
	s.Source, s.GID, s.Group, s.ReturnURL = payment.SourceAPI, "", "", "https://merchant/thanks"
}

// begin opens the checkout of the payment's choice and answers its attempt.
func (b *bundle) begin(s payment.Session) payment.Send {
	b.t.Helper()
	send, err := b.BeginCheckout(b.t.Context(), s.ID)
	require.NoError(b.t, err)
	require.False(b.t, send.Nothing, "nothing to begin")
	require.False(b.t, send.Again, "begun before")
	return send
}

// opened is begin and the provider's answer.
func (b *bundle) opened(s payment.Session) payment.Send {
	b.t.Helper()
	send := b.begin(s)
	b.find(send, payment.Open)
	return send
}

// find records an answer about an attempt; change completes it.
func (b *bundle) find(send payment.Send, state payment.AttemptState, change ...func(*payment.Finding)) payment.View {
	b.t.Helper()
	view, err := b.RecordFinding(b.t.Context(), b.finding(send, state, change...))
	require.NoError(b.t, err)
	return view
}

func (b *bundle) finding(send payment.Send, state payment.AttemptState, change ...func(*payment.Finding)) payment.Finding {
	f := payment.Finding{AttemptID: send.Attempt.ID, Evidence: payment.ByAnswer, EvidenceRef: "req_1", State: state}
	if send.Attempt.Operation == payment.OpCharge {
		f.Ref = "cs_" + send.Attempt.ID
		if state.Succeeded() {
			f.PaymentRef = "pi_" + send.Attempt.ID
		}
	}
	if state == payment.Open {
		f.URL, f.ExpiresAt = "https://psp/pay/"+send.Attempt.ID, b.clock.Now().Add(time.Hour)
	}
	for _, c := range change {
		c(&f)
	}
	return f
}

func amount(a money.Amount) func(*payment.Finding) {
	return func(f *payment.Finding) { f.Amount = a }
}

func lateSuccess(d time.Duration) func(*payment.Finding) {
	return func(f *payment.Finding) { f.LateSuccess = d }
}

// paid takes a session to money.
func (b *bundle) paid(s payment.Session) (payment.Send, payment.View) {
	b.t.Helper()
	send := b.opened(s)
	state := payment.Done
	if s.Kind == payment.Authorization {
		state = payment.Held
	}
	return send, b.find(send, state)
}

// giveBack takes an open reversal to its end and answers the leg it took.
func (b *bundle) giveBack(operationID string) string {
	b.t.Helper()
	send, err := b.BeginMove(b.t.Context(), operationID)
	require.NoError(b.t, err)
	require.False(b.t, send.Nothing)
	b.find(send, payment.Done)
	move, err := b.LoadMove(b.t.Context(), operationID)
	require.NoError(b.t, err)
	require.True(b.t, move.Done)
	return send.Attempt.Leg
}

func (b *bundle) view(s payment.Session) payment.View {
	b.t.Helper()
	v, err := b.LoadCharge(b.t.Context(), s.ID)
	require.NoError(b.t, err)
	return v
}

// count answers a number from the database.
func (b *bundle) count(query string, args ...any) int {
	b.t.Helper()
	var n int
	require.NoError(b.t, b.pool.QueryRow(b.t.Context(), query, args...).Scan(&n))
	return n
}

// what lists the timeline of a payment as "what before>after".
func (b *bundle) what(s payment.Session) []string {
	b.t.Helper()
	d, err := b.ShowPayment(b.t.Context(), s.ID, false)
	require.NoError(b.t, err)
	var list []string
	for _, l := range d.Timeline {
		list = append(list, fmt.Sprintf("%s %s>%s", l.What, l.Before, l.After))
	}
	return list
}

// balances answers the ledger as account → minor units, without zeros, and
// proves that it balances.
func (b *bundle) balances() map[string]int64 {
	b.t.Helper()
	require.NoError(b.t, b.TrialBalance(b.t.Context()))
	list, err := b.LedgerBalances(b.t.Context())
	require.NoError(b.t, err)
	out := map[string]int64{}
	for _, l := range list {
		if !l.Amount.IsZero() {
			out[string(l.Account)+" "+string(l.Amount.Currency)] = l.Amount.Minor
		}
	}
	return out
}

func requireClass(t *testing.T, class payment.Class, code string, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, class, payment.ClassOf(err, "none"), err)
	if code != "" {
		require.Contains(t, err.Error(), "("+code+")")
	}
}
