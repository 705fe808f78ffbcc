package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"tillflow/activities"
	"tillflow/activities/activitytest"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// bundle is one accepted payment whose buyer chose the provider "acme".
type bundle struct {
	*activities.Gateway

	t       *testing.T
	ctx     context.Context
	clock   *activitytest.Clock
	records *activitytest.Records
	acme    *activitytest.Provider
	shop    *activitytest.Shop
	pauses  *activitytest.Pauses

	neighbours activitytest.Neighbours
	rows       *activities.Rows
	tell       *activities.Shopify
}

const pay = "pay"

func setup(t *testing.T, contract psp.Contract) *bundle {
	t.Helper()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	b := &bundle{t: t, ctx: t.Context(), clock: activitytest.NewClock(start)}
	b.records = activitytest.NewRecords(b.clock.Now)
	b.acme = activitytest.NewProvider("acme", contract)
	b.shop = activitytest.NewShop(b.clock.Now)
	b.pauses = &activitytest.Pauses{}
	b.neighbours = activitytest.Neighbours{"acme": b.acme}
	b.Gateway = &activities.Gateway{
		Records: b.records, Accounts: b.neighbours, Connectors: b.neighbours, Links: activitytest.Links{},
		Flights: activities.NewFlights(activities.FlightOptions{Pauses: b.pauses, Worker: "w1", Now: b.clock.Now, Log: zerolog.Nop()}),
		Now:     b.clock.Now, Log: zerolog.Nop(),
	}
	b.rows = &activities.Rows{Records: b.records}
	b.tell = &activities.Shopify{Records: b.records, Shop: b.shop, Now: b.clock.Now}
	b.records.Accept(session(pay, start))
	b.records.Choose(pay, "acme")
	return b
}

func session(id string, at time.Time) payment.Session {
	return payment.Session{
		ID: id, Source: payment.SourceShopify, Shop: "a.myshopify.com", ExternalID: id, GID: "gid-" + id, Kind: payment.Sale,
		Amount: money.New(1230, "EUR"), Token: "token", ReceivedAt: at,
	}
}

func (b *bundle) open() (payment.View, error) { return b.openOf(pay) }

func (b *bundle) openOf(paymentID string) (payment.View, error) {
	return b.OpenCheckout(b.ctx, activities.CheckoutInput{PaymentID: paymentID})
}

// mustOpen opens the checkout and answers its attempt.
func (b *bundle) mustOpen() string {
	b.t.Helper()
	_, err := b.open()
	require.NoError(b.t, err)
	return b.attempt().ID
}

// attempt is the newest attempt.
func (b *bundle) attempt() activitytest.Attempt {
	b.t.Helper()
	all := b.records.Attempts(pay)
	require.NotEmpty(b.t, all)
	return all[len(all)-1]
}

func (b *bundle) settle(id string) (payment.View, error) {
	return b.SettleAttempt(b.ctx, activities.AttemptInput{AttemptID: id})
}

func (b *bundle) watch(id string) (payment.View, error) {
	return b.WatchAttempt(b.ctx, activities.AttemptInput{AttemptID: id})
}

func (b *bundle) shut(id string) (payment.View, error) {
	return b.CloseCheckout(b.ctx, activities.AttemptInput{AttemptID: id})
}

// failure is err as Temporal will see it.
func failure(t *testing.T, err error) *temporal.ApplicationError {
	t.Helper()
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	require.True(t, ok, "not an application error: %v", err)
	return app
}

func fails(class payment.Class) activitytest.Answer {
	return activitytest.Answer{Err: payment.Errorf(class, "scripted")}
}

// lost: the provider did it, and its reply never arrived.
func lost() activitytest.Answer {
	return activitytest.Answer{Done: true, Err: errors.New("connection reset by peer")}
}

func hasClass(t *testing.T, class payment.Class, err error) {
	t.Helper()
	require.Equal(t, string(class), failure(t, err).Type())
}
