package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
)

// maxChoices bounds how often one buyer may change their mind about one
// payment: each choice may open a checkout at a provider.
const maxChoices = 30

const selectPageOptions = `
	SELECT c.id::text AS account_id, c.provider, c.label
	FROM payments p
	JOIN accounts c ON c.shop = p.shop AND c.enabled AND c.live = NOT p.test AND c.provider = ANY (p.providers)
	LEFT JOIN LATERAL (
		SELECT m.accounts FROM markets m WHERE m.shop = p.shop AND m.live = NOT p.test
		AND m.currency IN ('', p.currency) AND m.country IN ('', p.country) ` + nearestMarket + `) m ON true
	WHERE p.id = %s AND (m.accounts IS NULL OR c.id = ANY (m.accounts))
	ORDER BY array_position(m.accounts, c.id), c.position, c.label, c.id`

// Page reads everything that a buyer's page shows, in one round trip. It writes
// nothing. An unknown token is payment.NotFound.
func (s *Store) Page(ctx context.Context, token string) (payment.Page, error) {
	var options []payment.Option
	var brand payment.Brand
	r, err := s.read(ctx, byLink, token, func(b *pgx.Batch) {
		queueOptions(b, token, &options)
		queueBrand(b, token, &brand)
	})
	if err != nil {
		return payment.Page{}, failure("read page", err)
	}
	page := payment.Page{
		Payment: r.p.run(), State: r.p.State, CancelURL: r.p.CancelURL, NextURL: r.p.NextURL, Locale: r.p.Locale,
		Label: orElse(r.p.ShopLabel, r.p.Shop), Brand: brand, Options: options, ChoiceOpen: r.wanted() > 0, Left: r.hasLeft(),
		LastNo: r.lastNo(), Shut: r.p.Shut, Final: r.p.Final, Closed: r.p.ClosedAt != nil,
	}
	for _, o := range options {
		page.Providers = append(page.Providers, o.Provider)
	}
	if open := r.unfinished(); len(open) > 0 {
		brief := open[0].brief()
		page.Unfinished = &brief
		if brief.State == payment.Open {
			page.URL = open[0].URL
		}
	}
	return page, nil
}

func queueOptions(b *pgx.Batch, token string, options *[]payment.Option) {
	b.Queue(within(selectPageOptions, byLink), pgx.NamedArgs{"id": token}).Query(func(rows pgx.Rows) (err error) {
		*options, err = pgx.CollectRows(rows, pgx.RowToStructByName[payment.Option])
		return err
	})
}

// lastNo is the last refusal the buyer met, also one inside an open checkout.
func (r *record) lastNo() payment.DeclineReason {
	var last payment.DeclineReason
	for _, a := range r.attempts {
		if a.Operation == payment.OpCharge && a.Decline != "" {
			last = a.Decline
		}
	}
	return last
}

// Choose notes the buyer's choice of a way to pay. The account of the checkout
// that is open or about to be opened is no new choice, so a double click is
// harmless. payment.Invalid "unknown_option" for an account that is not offered;
// payment.Conflict "decided", "shut", "late", "processing" or "too_many_choices"
// when nothing can be chosen.
func (s *Store) Choose(ctx context.Context, token, accountID string) (payment.RunRef, error) {
	var run payment.RunRef
	_, err := s.change(ctx, byLink, token, func(tx pgx.Tx, r *record) error {
		var options []payment.Option
		b := &pgx.Batch{}
		queueOptions(b, token, &options)
		if err := send(ctx, tx, b); err != nil {
			return err
		}
		for _, o := range options {
			if o.AccountID == accountID {
				err := r.choose(o)
				run = r.p.run()
				return err
			}
		}
		return invalid("unknown_option", "this way to pay is not offered")
	})
	return run, failure("choose", err)
}

func (r *record) choose(o payment.Option) error {
	switch {
	case r.p.Final != payment.Undecided:
		return conflict("decided", "the payment's answer is decided")
	case r.p.Shut != "":
		return conflict("shut", "no new checkout may be opened")
	case !r.now.Before(r.p.DeadlineAt.Add(-r.s.decideAhead)):
		return conflict("late", "the time to pay is over")
	case r.working() || len(r.unreturned()) > 0:
		return conflict("processing", "the provider works on an earlier choice")
	case r.serves(o.AccountID):
		return nil
	case r.p.ChoiceSeq >= maxChoices:
		return conflict("too_many_choices", "the choice was changed too often")
	}
	r.p.ChoiceSeq++
	r.p.ChoiceAccount, r.p.ChoiceProvider, r.p.ChoiceEnabled, r.p.ChoiceMethod = &o.AccountID, o.Provider, true, nil
	r.note("chosen", "", o.Provider, o.AccountID)
	return nil
}

// serves reports whether the account is being opened or open for this buyer,
// who has not asked to leave it.
func (r *record) serves(accountID string) bool {
	if r.hasLeft() || r.p.ChoiceMethod != nil || r.p.ChoiceAccount == nil || *r.p.ChoiceAccount != accountID {
		return false
	}
	if r.wanted() > 0 {
		return true
	}
	for _, a := range r.unfinished() {
		if a.AccountID == accountID && a.ChoiceSeq == r.p.ChoiceSeq {
			return true
		}
	}
	return false
}

// Leave notes that the buyer goes back to the shop; the workflow shuts the open
// checkout before. What the provider works on cannot be left: payment.Conflict
// "processing". On a payment that is decided or shut it changes nothing.
func (s *Store) Leave(ctx context.Context, token string) (payment.RunRef, error) {
	var run payment.RunRef
	_, err := s.change(ctx, byLink, token, func(_ pgx.Tx, r *record) error {
		run = r.p.run()
		switch {
		case r.p.Final != payment.Undecided || r.p.Shut != "" || r.hasLeft() || r.p.ChoiceSeq == 0:
			return nil
		case r.working() || len(r.unreturned()) > 0:
			return conflict("processing", "the provider works on the payment")
		}
		r.p.LeftSeq = r.p.ChoiceSeq
		r.note("left", "", "", "")
		return nil
	})
	return run, failure("leave", err)
}

// Revision grows with every change that a waiting page may show. It costs a
// fraction of a Page, for pages that look again and again.
func (s *Store) Revision(ctx context.Context, token string) (int64, error) {
	var n int64
	err := s.pool.QueryRow(ctx, `
		SELECT coalesce((SELECT max(t.id) FROM timeline t WHERE t.payment_id = p.id), 0) FROM payments p WHERE p.token = $1`, token).Scan(&n)
	return n, failure("read revision", err)
}
