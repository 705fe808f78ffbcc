package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/store"
)

// move is a session of a kind on a payment; change makes it another one.
func (b *bundle) move(s payment.Session, kind payment.Operation, amount money.Amount, change ...func(*payment.MoveSession)) payment.MoveSession {
	id := uuid.Must(uuid.NewV7()).String()
	m := payment.MoveSession{
		ID: id, Source: s.Source, Shop: s.Shop, Kind: kind, ExternalID: "m-" + id, GID: "gid://shopify/RefundSession/m-" + id,
		PaymentRef: s.ExternalID, Amount: amount, Test: s.Test, Locale: "de", ReceivedAt: b.clock.Now(),
	}
	if s.Source == payment.SourceAPI {
		m.GID = ""
	}
	for _, c := range change {
		c(&m)
	}
	return m
}

// asked accepts a session.
func (b *bundle) asked(s payment.Session, kind payment.Operation, amount money.Amount, change ...func(*payment.MoveSession)) payment.MoveSession {
	b.t.Helper()
	m := b.move(s, kind, amount, change...)
	accepted, err := b.AcceptMove(b.t.Context(), m)
	require.NoError(b.t, err)
	require.True(b.t, accepted.New)
	return m
}

func (b *bundle) refund(s payment.Session, minor int64) payment.MoveSession {
	b.t.Helper()
	return b.asked(s, payment.OpRefund, eur(minor))
}

func (b *bundle) capture(s payment.Session, minor int64) payment.MoveSession {
	b.t.Helper()
	return b.asked(s, payment.OpCapture, eur(minor))
}

func (b *bundle) void(s payment.Session) payment.MoveSession {
	b.t.Helper()
	return b.asked(s, payment.OpVoid, money.Amount{})
}

// claim claims a session and answers how it stands.
func (b *bundle) claim(m payment.MoveSession) payment.MoveView {
	b.t.Helper()
	v, err := b.ClaimMove(b.t.Context(), m.ID)
	require.NoError(b.t, err)
	require.Equal(b.t, v, b.stands(m), "what was answered is what is read")
	return v
}

func (b *bundle) claimed(m payment.MoveSession) payment.MoveView {
	b.t.Helper()
	v := b.claim(m)
	require.True(b.t, v.Claimed, "refused: %s, waits: %t", v.Refusal, v.Waits)
	return v
}

func (b *bundle) refusedFor(m payment.MoveSession, why payment.Refusal) {
	b.t.Helper()
	v := b.claim(m)
	require.Equal(b.t, why, v.Refusal)
	require.Equal(b.t, payment.Reject, v.Final)
	require.True(b.t, v.Refused)
	require.False(b.t, v.Claimed)
}

func (b *bundle) stands(m payment.MoveSession) payment.MoveView {
	b.t.Helper()
	v, err := b.LoadMove(b.t.Context(), m.ID)
	require.NoError(b.t, err)
	return v
}

// sent begins the attempt of a claimed session.
func (b *bundle) sent(m payment.MoveSession) payment.Send {
	b.t.Helper()
	send, err := b.BeginMove(b.t.Context(), m.ID)
	require.NoError(b.t, err)
	require.False(b.t, send.Nothing, "nothing to send")
	return send
}

// through claims, sends and finds a session done.
func (b *bundle) through(m payment.MoveSession) payment.Send {
	b.t.Helper()
	b.claimed(m)
	send := b.sent(m)
	b.find(send, payment.Done, named(send))
	require.True(b.t, b.stands(m).Done)
	return send
}

// named gives a finding the provider's id of the move.
func named(send payment.Send) func(*payment.Finding) {
	return func(f *payment.Finding) { f.Ref = "re_" + send.Attempt.ID }
}

func (b *bundle) moveTold(m payment.MoveSession, refusal string) payment.MoveView {
	b.t.Helper()
	v, err := b.RecordMoveTold(b.t.Context(), payment.MoveTold{OperationID: m.ID, Refused: refusal, RequestID: "req"})
	require.NoError(b.t, err)
	return v
}

// sale is a paid sale of 100.00 EUR, told to its shop.
func (b *bundle) sale(change ...func(*payment.Session)) (payment.Session, payment.Send) {
	b.t.Helper()
	s := b.accept(append([]func(*payment.Session){hundred}, change...)...)
	send, _ := b.paid(s)
	if s.Source == payment.SourceShopify {
		b.told(payment.Told{PaymentID: s.ID})
	}
	return s, send
}

// hold is an authorization of 100.00 EUR for a week, told to its shop.
func (b *bundle) hold() (payment.Session, payment.Send) {
	b.t.Helper()
	s := b.accept(hundred, authorization)
	send := b.opened(s)
	b.find(send, payment.Held, func(f *payment.Finding) { f.ExpiresAt = b.clock.Now().Add(7 * 24 * time.Hour) })
	b.told(payment.Told{PaymentID: s.ID})
	return s, send
}

func hundred(s *payment.Session) { s.Amount = eur(10000) }

// on is a store on the same database with other options.
func (b *bundle) on(terms payment.HoldTerms) *bundle {
	b.t.Helper()
	other := *b
	var err error
	other.Store, err = store.Open(b.t.Context(), b.url, store.Options{
		Now: b.clock.Now, Vault: b.vault, Log: zerolog.Nop(), Holds: func(string) payment.HoldTerms { return terms },
	})
	require.NoError(b.t, err)
	b.t.Cleanup(other.Close)
	return &other
}

// account names of the ledger, short.
func (b *bundle) books() map[string]int64 {
	b.t.Helper()
	short := map[string]string{
		"live/provider:" + b.live + " EUR": "provider", "live/merchant:" + shop + " EUR": "merchant",
		"live/authorized:" + b.live + " EUR": "held", "live/authorized-contra:" + b.live + " EUR": "contra",
		"live/refunds:" + b.live + " EUR": "transit", "live/disputes:" + b.live + " EUR": "disputes",
	}
	out := map[string]int64{}
	for name, minor := range b.balances() {
		key, known := short[name]
		require.True(b.t, known, name)
		if key != "contra" {
			out[key] = minor
		}
	}
	return out
}

// elsewhere is a message about money of a charge that the provider moved.
func (b *bundle) elsewhere(id string, charge payment.Send, e payment.Elsewhere) payment.Stored {
	b.t.Helper()
	return b.store(b.awayEvent(id, charge, e))
}

func (b *bundle) awayEvent(id string, charge payment.Send, e payment.Elsewhere) payment.IncomingEvent {
	return payment.IncomingEvent{
		AccountID: charge.Attempt.AccountID, EventID: id, Type: "refund.created", BodyHash: []byte(id),
		PaymentRef: "pi_" + charge.Attempt.ID, At: b.clock.Now(), Elsewhere: &e,
	}
}

func awayRefund(ref string, state payment.AttemptState, minor int64) payment.Elsewhere {
	return payment.Elsewhere{Kind: payment.ElsewhereRefund, Ref: ref, State: state, Amount: eur(minor)}
}

func dispute(ref string, state payment.AttemptState, minor int64) payment.Elsewhere {
	return payment.Elsewhere{Kind: payment.ElsewhereDispute, Ref: ref, State: state, Amount: eur(minor)}
}

// requireSums proves from the rows alone that no money was claimed twice.
func requireSums(t *testing.T, ctx context.Context, pool *pgxpool.Pool) {
	t.Helper()
	rows, err := pool.Query(ctx, sums)
	require.NoError(t, err)
	var payment string
	var taken, gone, authorized, capturing int64
	for rows.Next() {
		require.NoError(t, rows.Scan(&payment, &taken, &gone, &authorized, &capturing))
		require.LessOrEqual(t, gone, taken, "of %s more is claimed back than was taken", payment)
		require.LessOrEqual(t, capturing, authorized, "of %s more is captured than was authorized", payment)
	}
	require.NoError(t, rows.Err())
}

// sums is written apart from the product's statement: per payment, what our own
// claims and everything elsewhere take, against what was taken and authorized.
const sums = `
	SELECT p.id::text,
	       coalesce((SELECT sum(a.actual_minor) FROM attempts a JOIN operations o ON o.id = a.operation_id
	                 WHERE a.payment_id = p.id AND a.state = 'done' AND o.kind IN ('charge', 'capture')), 0)::bigint,
	       coalesce((SELECT sum(o.amount_minor) FROM operations o
	                 WHERE o.payment_id = p.id AND o.state <> 'refused' AND o.kind IN ('refund', 'reversal', 'dispute')), 0)::bigint,
	       coalesce((SELECT sum(a.actual_minor) FROM attempts a JOIN operations o ON o.id = a.operation_id
	                 WHERE a.payment_id = p.id AND o.kind = 'charge' AND a.state IN ('authorized', 'done')), 0)::bigint,
	       coalesce((SELECT sum(o.amount_minor) FROM operations o
	                 WHERE o.payment_id = p.id AND o.state <> 'refused' AND o.kind IN ('capture', 'void')), 0)::bigint
	FROM payments p`
