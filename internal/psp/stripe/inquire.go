package stripe

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

const (
	// pageSize is the most that Stripe lists at once.
	pageSize = 100
	// maxPages bounds one walk through a list.
	maxPages = 20
	// clockSkew is how far Stripe's clock may be from the one that wrote FirstSent.
	clockSkew = 5 * time.Minute
	// promptly is the time around the first send in which nearly every lost
	// checkout was created; it is searched first because a shop may open
	// thousands a day and there is no list by reference.
	promptly = 15 * time.Minute
)

// Inquire implements psp.Connector.
func (c *Connector) Inquire(ctx context.Context, acc psp.Account, ref psp.Ref) (psp.Outcome, error) {
	out, err := c.look(ctx, acc, ref)
	if err != nil {
		return psp.Outcome{}, fmt.Errorf("inquire %s at stripe: %w", ref.Operation, err)
	}
	return out, nil
}

func (c *Connector) look(ctx context.Context, acc psp.Account, ref psp.Ref) (psp.Outcome, error) {
	if ref.AttemptID == "" {
		return psp.Outcome{}, payment.Errorf(payment.Bug, "look-up without an attempt")
	}
	if ref.Operation == payment.OpCharge && ref.Customer != "" {
		return c.lookAtRecurring(ctx, acc, ref)
	}
	if ref.Operation == payment.OpCharge {
		return c.lookAtCharge(ctx, acc, ref)
	}
	if ref.PaymentRef == "" {
		return psp.Outcome{}, payment.Errorf(payment.Bug, "look-up of a %s without its payment", ref.Operation)
	}
	switch ref.Operation {
	case payment.OpCapture:
		return c.lookAtIntent(ctx, acc, ref, captureOutcome(ref.AttemptID))
	case payment.OpVoid:
		return c.lookAtIntent(ctx, acc, ref, voidOutcome)
	case payment.OpRefund:
		return c.lookAtRefund(ctx, acc, ref)
	case payment.OpReversal:
		// It was a void if the money was held, else a refund.
		out, err := c.lookAtIntent(ctx, acc, ref, voidOutcome)
		if err != nil || out.Status != psp.Declined {
			return out, err
		}
		return c.lookAtRefund(ctx, acc, ref)
	case payment.OpCharge, payment.OpDispute: // above; and nobody here asks for a dispute
	}
	return psp.Outcome{}, payment.Errorf(payment.Unsupported, "no look-up for operation %q", ref.Operation)
}

func (c *Connector) lookAtCharge(ctx context.Context, acc psp.Account, ref psp.Ref) (psp.Outcome, error) {
	sessionID, err := c.sessionID(ctx, acc, ref)
	if err != nil {
		return psp.Outcome{}, err
	}
	var s session
	id, err := c.do(ctx, acc,
		get(under("checkout/sessions", sessionID, ""), url.Values{"expand[]": {expandSession}}), &s)
	if err != nil {
		return psp.Outcome{}, err
	}
	if err := c.checkSession(acc, s, ref.AttemptID); err != nil {
		return psp.Outcome{}, err
	}
	out, err := sessionOutcome(s)
	out.RequestID = id
	return out, err
}

func (c *Connector) lookAtIntent(
	ctx context.Context, acc psp.Account, ref psp.Ref, judge func(paymentIntent) (psp.Outcome, error),
) (psp.Outcome, error) {
	var p paymentIntent
	id, err := c.do(ctx, acc,
		get(under("payment_intents", ref.PaymentRef, ""), url.Values{"expand[]": {expandIntent}}), &p)
	if err != nil {
		return psp.Outcome{}, err
	}
	if err := sameMode(acc, p.Livemode, p.ID); err != nil {
		return psp.Outcome{}, err
	}
	out, err := judge(p)
	out.RequestID = id
	return out, err
}

func (c *Connector) lookAtRefund(ctx context.Context, acc psp.Account, ref psp.Ref) (psp.Outcome, error) {
	if ref.Ref != "" && ref.Ref != ref.PaymentRef {
		var r refund
		id, err := c.do(ctx, acc, get(under("refunds", ref.Ref, ""), nil), &r)
		if err != nil {
			return psp.Outcome{}, err
		}
		out, err := refundOutcome(r)
		out.RequestID = id
		return out, err
	}
	var listed refunded
	r, err := find(ctx, c, acc, search[refund]{
		path: "/v1/refunds", query: url.Values{"payment_intent": {ref.PaymentRef}},
		match: func(r refund) bool {
			listed.add(r)
			return r.Metadata[metaAttempt] == ref.AttemptID
		},
	})
	if payment.ClassOf(err, payment.Unavailable) == payment.NotFound {
		return psp.Outcome{}, c.proveAbsence(ctx, acc, ref, listed, err)
	}
	if err != nil {
		return psp.Outcome{}, err
	}
	return refundOutcome(r)
}

// refunded sums what a list of refunds shows, in Stripe's units.
type refunded struct{ settled, pending int64 }

func (s *refunded) add(r refund) {
	switch r.Status {
	case "succeeded":
		s.settled += r.Amount
	case "pending", "requires_action":
		s.pending += r.Amount
	}
}

// proveAbsence gives absent if the list that lacks our refund is complete: the
// charge, which is read by its id, says itself how much of it was refunded, and
// the list must explain that. Whether refunds that are on their way count there
// is not documented; either reading explains it.
func (c *Connector) proveAbsence(ctx context.Context, acc psp.Account, ref psp.Ref, listed refunded, absent error) error {
	var p paymentIntent
	_, err := c.do(ctx, acc,
		get(under("payment_intents", ref.PaymentRef, ""), url.Values{"expand[]": {expandIntent}}), &p)
	if err != nil {
		return err
	}
	if err := sameMode(acc, p.Livemode, p.ID); err != nil {
		return err
	}
	known := int64(0)
	switch {
	case p.LatestCharge.Object != nil:
		known = p.LatestCharge.Object.AmountRefunded
	case p.LatestCharge.ID != "":
		return payment.Errorf(payment.Unknown, "charge %s was not expanded", brief(p.LatestCharge.ID))
	}
	if known != listed.settled && known != listed.settled+listed.pending {
		return payment.Errorf(payment.Unavailable, "the refunds listed of %s do not explain what its charge shows", brief(ref.PaymentRef))
	}
	return absent
}

// sessionID is the id of an attempt's session: the one we know, else the one
// that Stripe lists with our reference.
func (c *Connector) sessionID(ctx context.Context, acc psp.Account, ref psp.Ref) (string, error) {
	if ref.Ref != "" {
		return ref.Ref, nil
	}
	ours := func(s session) bool { return s.ClientReferenceID == ref.AttemptID }
	if ref.PaymentRef != "" {
		s, err := find(ctx, c, acc, search[session]{
			path: "/v1/checkout/sessions", query: url.Values{"payment_intent": {ref.PaymentRef}}, match: ours,
		})
		return s.ID, err
	}
	if ref.FirstSent.IsZero() {
		return "", payment.Errorf(payment.Bug, "look-up of a checkout without id and without time of sending")
	}
	from, near := ref.FirstSent.Add(-clockSkew), ref.FirstSent.Add(promptly)
	s, err := find(ctx, c, acc, search[session]{path: "/v1/checkout/sessions", query: created(from, near), match: ours})
	if payment.ClassOf(err, payment.Unavailable) != payment.NotFound || !c.now().After(near) {
		return s.ID, err
	}
	// The first send may have got lost and a later one not.
	s, err = find(ctx, c, acc, search[session]{
		path: "/v1/checkout/sessions", query: created(near, ref.FirstSent.Add(keyRetention+clockSkew)), match: ours,
	})
	return s.ID, err
}

// search is a walk through a list for one element of ours.
type search[T identified] struct {
	path  string
	query url.Values
	match func(T) bool
}

type identified interface{ id() string }

// find gives the newest element that matches, payment.NotFound if there is none,
// and payment.Unavailable if the list is too long to know.
func find[T identified](ctx context.Context, c *Connector, acc psp.Account, s search[T]) (T, error) {
	var found, none T
	hit := false
	err := walk(ctx, c, acc, search[T]{path: s.path, query: s.query, match: func(element T) bool {
		if hit = s.match(element); hit {
			found = element
		}
		return hit
	}})
	switch {
	case err != nil:
		return none, err
	case !hit:
		return none, payment.Errorf(payment.NotFound, "nothing of ours in %s", s.path)
	}
	return found, nil
}

// walk shows every element of a list to match, newest first, until it answers
// true. payment.Unavailable if the list is too long.
func walk[T identified](ctx context.Context, c *Connector, acc psp.Account, s search[T]) error {
	s.query.Set("limit", strconv.Itoa(pageSize))
	for range maxPages {
		var p page[T]
		if _, err := c.do(ctx, acc, get(s.path, s.query), &p); err != nil {
			return err
		}
		if slices.ContainsFunc(p.Data, s.match) || !p.HasMore || len(p.Data) == 0 {
			return nil
		}
		s.query.Set("starting_after", p.Data[len(p.Data)-1].id())
	}
	return payment.Errorf(payment.Unavailable, "%s lists more than %d elements", s.path, maxPages*pageSize)
}

func created(from, to time.Time) url.Values {
	return url.Values{
		"created[gte]": {strconv.FormatInt(from.Unix(), 10)},
		"created[lte]": {strconv.FormatInt(to.Unix(), 10)},
	}
}
