package store

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tillflow/internal/subscription"
)

// portalUse separates the hashes of customers' links from all others.
const portalUse = "subscription link"

// portalProof is how many bytes of the keyed hash a link carries: 160 bits, which
// nobody guesses.
const portalProof = 20

// SubscriptionLink is the secret end of the address of a customer's own page. It
// is made of the subscription's id and a keyed hash of it, so nothing is kept of
// it, each mail has the same, and it holds as long as its master key is on the ring.
func (s *Store) SubscriptionLink(id string) (string, error) {
	const action = "make subscription link"
	name, err := uuid.Parse(id)
	if err != nil {
		return "", failure(action, known("subscription", id))
	}
	hash, err := s.vault.Hash(portalUse, name.String())
	if err != nil {
		return "", failure(action, bug("vault", "a link cannot be made"))
	}
	proof, err := proofOf(hash)
	if err != nil {
		return "", failure(action, err)
	}
	return base64.RawURLEncoding.EncodeToString(append(name[:], proof...)), nil
}

// proofOf is the part of a keyed hash that a link carries.
func proofOf(hash string) ([]byte, error) {
	_, digits, _ := strings.Cut(hash, ":")
	sum, err := hex.DecodeString(digits)
	if err != nil || len(sum) < portalProof {
		return nil, bug("vault", "a hash in an unknown form")
	}
	return sum[:portalProof], nil
}

// linked is the subscription of a link that we made, under whichever key of the
// ring; payment.NotFound for every other text.
func (s *Store) linked(link string) (string, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(link)
	if err != nil || len(raw) != len(uuid.UUID{})+portalProof {
		return "", pgx.ErrNoRows
	}
	name, err := uuid.FromBytes(raw[:len(uuid.UUID{})])
	if err != nil {
		return "", pgx.ErrNoRows
	}
	hashes, err := s.vault.Hashes(portalUse, name.String())
	if err != nil {
		return "", bug("vault", "a link cannot be checked")
	}
	for _, hash := range hashes {
		proof, err := proofOf(hash)
		if err != nil {
			return "", err
		}
		if subtle.ConstantTimeCompare(proof, raw[len(uuid.UUID{}):]) == 1 {
			return name.String(), nil
		}
	}
	return "", pgx.ErrNoRows
}

// Portal reads everything that a customer's own page shows. It writes nothing.
func (s *Store) Portal(ctx context.Context, link string) (subscription.Portal, error) {
	const action = "read customer's page"
	id, err := s.linked(link)
	if err != nil {
		return subscription.Portal{}, failure(action, err)
	}
	p := subscription.Portal{}
	if p.Record, err = s.Subscription(ctx, "", id); err != nil {
		return p, err
	}
	if err := s.portalShop(ctx, &p); err != nil {
		return p, failure(action, err)
	}
	m, err := s.glance(ctx, id)
	if err != nil {
		return p, failure(action, err)
	}
	p.Subscription, p.Plan, p.Zone, p.Price = m.is, m.names[m.is.Terms.Plan.ID], m.zone, m.full()
	p.Standing = p.Entitlement(m.now, m.policy, m.zone)
	if p.Owes() {
		if p.Step, err = p.NextStep(m.policy, m.moment()); err != nil {
			return p, failure(action, bug("step", "%s", err.Error()))
		}
	}
	if p.Next, p.Renews, err = p.Upcoming(m.moment()); err != nil {
		return p, failure(action, bug("upcoming", "%s", err.Error()))
	}
	return p, failure(action, s.portalMethod(ctx, &p))
}

// glance reads a subscription with the rules that it lives by, and locks nothing.
func (s *Store) glance(ctx context.Context, id string) (*member, error) {
	rows, err := s.pool.Query(ctx, subscriptionColumns+`WHERE s.id = @id`, pgx.NamedArgs{"id": id})
	if err != nil {
		return nil, err
	}
	m := &member{s: s, now: s.now()}
	if m.row, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[subscriptionRow]); err != nil {
		return nil, err
	}
	return m, m.read(ctx, s.pool)
}

// portalShop reads how the shop calls itself and looks.
func (s *Store) portalShop(ctx context.Context, p *subscription.Portal) error {
	const read = `
		SELECT CASE WHEN s.label = '' THEN s.shop ELSE s.label END, coalesce(b.colour, ''), coalesce(b.logo_sum, ''), coalesce(b.languages, '{}')
		FROM shops s LEFT JOIN brands b ON b.shop = s.shop WHERE s.shop = @shop`
	return s.pool.QueryRow(ctx, read, pgx.NamedArgs{"shop": p.Shop}).Scan(&p.Label, &p.Brand.Colour, &p.Brand.Logo, &p.Brand.Languages)
}

// portalMethod opens the label of the kept method; one that was forgotten is none.
func (s *Store) portalMethod(ctx context.Context, p *subscription.Portal) error {
	if p.Record.Method == "" {
		return nil
	}
	list, err := s.keptMethods(ctx, `m.id = @id`, p.Record.Method)
	if err == nil && len(list) > 0 {
		p.Method = list[0]
		p.Method.Customer, p.Method.Ref = "", "" // a page has no use for them
	}
	return err
}

// ChargeAgain commits that the customer of a link wants the owed charge sent once
// more with the method that is kept. After one decline there is one such wish: a
// double click, or one beside the clock's own attempt, charges nothing twice.
func (s *Store) ChargeAgain(ctx context.Context, link string) (subscription.Ref, error) {
	const action = "charge again"
	id, err := s.linked(link)
	if err != nil {
		return subscription.Ref{}, failure(action, err)
	}
	record, err := s.Subscription(ctx, "", id)
	if err != nil {
		return subscription.Ref{}, err
	}
	ref := subscription.Ref{ID: record.ID, Shop: record.Shop}
	if record.Open == nil || !record.Open.Owed {
		return ref, nil // nothing is owed any more, or an attempt is under way
	}
	_, err = s.InsertCommand(ctx, subscription.Request{
		SubscriptionID: record.ID, Shop: record.Shop, Command: subscription.CmdRetry, By: subscription.Customer,
		IdempotencyKey: fmt.Sprintf("customer page %s %d", record.Open.Key, len(record.Failures)),
	})
	return ref, err
}
