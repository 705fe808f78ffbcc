package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// MethodOf implements psp.Recurrer. Stripe attaches what was paid with to the
// customer that the checkout made; a method without one cannot be charged again.
func (c *Connector) MethodOf(ctx context.Context, acc psp.Account, paymentRef string) (psp.Method, error) {
	if paymentRef == "" {
		return psp.Method{}, payment.Errorf(payment.Bug, "a kept method without the payment that left it")
	}
	var p paymentIntent
	_, err := c.do(ctx, acc,
		get(under("payment_intents", paymentRef, ""), url.Values{"expand[]": {"payment_method"}}), &p)
	if err != nil {
		return psp.Method{}, fmt.Errorf("look for the method of a payment at stripe: %w", err)
	}
	if err := sameMode(acc, p.Livemode, p.ID); err != nil {
		return psp.Method{}, err
	}
	switch p.Status {
	case "succeeded", "processing", "requires_capture":
	default:
		return psp.Method{}, payment.Errorf(payment.Conflict, "payment %s is %s: nothing was paid with a method yet", brief(p.ID), brief(p.Status))
	}
	if p.PaymentMethod.ID != "" && p.PaymentMethod.Object == nil {
		return psp.Method{}, payment.Errorf(payment.Unavailable, "method of payment %s was not expanded", brief(p.ID))
	}
	m := p.PaymentMethod.Object
	if m == nil || m.Customer.ID == "" || p.SetupFutureUsage != usageOffSession {
		return psp.Method{}, payment.Errorf(payment.NotFound, "payment %s left no method for later", brief(p.ID))
	}
	return m.kept(), nil
}

// ChargeMethod implements psp.Recurrer. A payment that would need the buyer is
// made to fail instead of waiting for him: whoever pays then opens a checkout,
// and nobody but us has the payment's secret, so it stays declined.
func (c *Connector) ChargeMethod(ctx context.Context, acc psp.Account, r psp.Recurring) (psp.Outcome, error) {
	if err := checkNames(r.AttemptID, r.Key); err != nil {
		return psp.Outcome{}, err
	}
	if r.Customer == "" || r.Method == "" {
		return psp.Outcome{}, payment.Errorf(payment.Bug, "a charge of a kept method without its names")
	}
	form, err := recurringForm(r)
	if err != nil {
		return inexpressible(), nil //nolint:nilerr // said as an outcome: another method may do
	}
	var p paymentIntent
	id, err := c.do(ctx, acc, post("/v1/payment_intents", form, r.Key), &p)
	if err != nil {
		return c.methodRefused(ctx, acc, r, id, err)
	}
	if err := sameMode(acc, p.Livemode, p.ID); err != nil {
		return psp.Outcome{}, err
	}
	out, err := recurringOutcome(r.AttemptID)(p)
	if err != nil {
		return psp.Outcome{}, payment.Errorf(payment.Unknown, "stripe accepted a charge: %w", err)
	}
	out.RequestID = id
	return out, nil
}

// recurringForm is the body that charges a kept method. It depends on nothing
// but r, like checkoutForm.
func recurringForm(r psp.Recurring) (url.Values, error) {
	units, currency, err := toStripe(r.Amount)
	if err != nil {
		return nil, err
	}
	form := url.Values{
		"amount": {strconv.FormatInt(units, 10)}, "currency": {currency},
		"customer": {r.Customer}, "payment_method": {r.Method},
		"confirm": {"true"}, "off_session": {"true"}, "error_on_requires_action": {"true"},
		// Nobody is there to be sent anywhere, and without this Stripe wants an address to send him back to.
		"automatic_payment_methods[enabled]": {"true"}, "automatic_payment_methods[allow_redirects]": {"never"},
		"transfer_group":                {r.AttemptID},
		"metadata[" + metaAttempt + "]": {r.AttemptID},
		"metadata[" + metaKind + "]":    {kindRecurring},
		"expand[]":                      {expandIntent},
	}
	if r.Description != "" {
		form.Set("description", r.Description)
	}
	return form, nil
}

// methodRefused reads the error of a charge of a kept method: a decline, or a
// method that is no longer there.
func (c *Connector) methodRefused(
	ctx context.Context, acc psp.Account, r psp.Recurring, requestID string, err error,
) (psp.Outcome, error) {
	e, ok := errors.AsType[*refusal](err)
	if !ok {
		return psp.Outcome{}, err
	}
	if out, ok := declined(err, requestID); ok {
		out.Decline = recurringReason(e)
		out.Ref, out.PaymentRef = e.Intent.ID, e.Intent.ID
		return out, nil
	}
	if e.Type != "invalid_request_error" || e.Status != http.StatusBadRequest && e.Status != http.StatusNotFound {
		return psp.Outcome{}, err
	}
	gone, look := c.gone(ctx, acc, r)
	if look != nil {
		// Nothing was charged, and why is not known yet: what became of the look decides who acts.
		return psp.Outcome{}, fmt.Errorf("look why a method was refused: %w, after %w", look, err)
	}
	if !gone {
		return psp.Outcome{}, err
	}
	return psp.Outcome{Status: psp.Declined, Decline: payment.NotSupported, Code: codeMethodGone, RequestID: requestID}, nil
}

// codeMethodGone is our code for a method that the customer, or the merchant at
// Stripe's dashboard, has taken away.
const codeMethodGone = "method_gone"

// gone reports whether a method is no longer its customer's. Which words Stripe
// has for that in the refusal of a charge is (U), so the method is looked at
// instead. Where it is not known at all, its customer tells whether the account
// is still the one that it was kept at: a deleted customer is still answered.
func (c *Connector) gone(ctx context.Context, acc psp.Account, r psp.Recurring) (bool, error) {
	var m paymentMethod
	_, err := c.do(ctx, acc, get(under("payment_methods", r.Method, ""), nil), &m)
	if err == nil {
		return m.Customer.ID != r.Customer, nil
	}
	if e, ok := errors.AsType[*refusal](err); !ok || e.Code != "resource_missing" {
		return false, err
	}
	var owner customer
	_, err = c.do(ctx, acc, get(under("customers", r.Customer, ""), nil), &owner)
	return err == nil, err
}

// recurringOutcome says what became of a charge of a kept method.
func recurringOutcome(attempt string) func(paymentIntent) (psp.Outcome, error) {
	return func(p paymentIntent) (psp.Outcome, error) {
		if p.Metadata[metaAttempt] != attempt {
			return psp.Outcome{}, payment.Errorf(payment.Bug, "payment %s belongs to another attempt than %s", brief(p.ID), attempt)
		}
		out, err := chargeOutcome(p)
		out.Ref = p.ID
		if err != nil {
			return out, err
		}
		switch p.Status {
		case "requires_payment_method":
			if p.LastPaymentError != nil {
				out.Decline = recurringReason(p.LastPaymentError)
			}
		case "requires_action":
			// Stripe was asked to fail it instead; should it wait all the same, nobody can come.
			return psp.Outcome{
				Status: psp.Declined, Ref: p.ID, PaymentRef: p.ID, Decline: payment.AuthenticationFailed, Code: "requires_action",
			}, nil
		}
		return out, nil
	}
}

// recurringReason is declineReason for a charge that nobody watches. There what
// the issuer advises decides whether it may be tried again, so a decline that
// says nothing else follows the advice: never again is the end of the mandate.
func recurringReason(e *refusal) payment.DeclineReason {
	if reason := declineReason(e.Code, e.DeclineCode); reason != payment.DeclinedOther {
		return reason
	}
	switch e.DeclineCode {
	case "revocation_of_authorization", "revocation_of_all_authorizations", "stop_payment_order":
		return payment.Cancelled
	}
	switch e.AdviceCode {
	case "do_not_try_again":
		return payment.Cancelled
	case "confirm_card_data":
		return payment.IncorrectNumber
	}
	return payment.DeclinedOther
}

// lookAtRecurring inquires a charge of a kept method.
func (c *Connector) lookAtRecurring(ctx context.Context, acc psp.Account, ref psp.Ref) (psp.Outcome, error) {
	id, err := c.recurringID(ctx, acc, ref)
	if err != nil {
		return psp.Outcome{}, err
	}
	ref.PaymentRef = id
	return c.lookAtIntent(ctx, acc, ref, recurringOutcome(ref.AttemptID))
}

// recurringID is the payment of an attempt: the one we know, else the one among
// its customer's that carries our reference, else the one of a charge in our
// transfer group. Only both lists together prove that there is none: what one of
// them hid would be charged a second time.
func (c *Connector) recurringID(ctx context.Context, acc psp.Account, ref psp.Ref) (string, error) {
	if ref.PaymentRef != "" {
		return ref.PaymentRef, nil
	}
	if ref.Ref != "" {
		return ref.Ref, nil
	}
	if ref.FirstSent.IsZero() {
		return "", payment.Errorf(payment.Bug, "look-up of a charge without id and without time of sending")
	}
	query := url.Values{
		"customer":     {ref.Customer},
		"created[gte]": {strconv.FormatInt(ref.FirstSent.Add(-clockSkew).Unix(), 10)},
	}
	p, err := find(ctx, c, acc, search[paymentIntent]{
		path: "/v1/payment_intents", query: query,
		match: func(p paymentIntent) bool { return p.Metadata[metaAttempt] == ref.AttemptID },
	})
	if payment.ClassOf(err, payment.Unavailable) != payment.NotFound {
		return p.ID, err
	}
	ch, err := find(ctx, c, acc, search[charge]{
		path: "/v1/charges", query: url.Values{"transfer_group": {ref.AttemptID}},
		match: func(ch charge) bool { return ch.Metadata[metaAttempt] == ref.AttemptID },
	})
	return ch.PaymentIntent.ID, err
}

// paymentMethod is what a buyer paid with, as Stripe keeps it.
type paymentMethod struct {
	ID       string               `json:"id"`
	Type     string               `json:"type"`
	Customer expandable[customer] `json:"customer"`
	Card     *struct {
		Brand    string `json:"brand"`
		Last4    string `json:"last4"`
		ExpMonth int    `json:"exp_month"`
		ExpYear  int    `json:"exp_year"`
	} `json:"card"`
	Debit *struct {
		Last4 string `json:"last4"`
	} `json:"sepa_debit"`
}

type customer struct {
	ID string `json:"id"`
}

// kept is the method in our words. Types that we do not know by more have their
// name for a label, so that a new one of Stripe's can be charged from its first day.
func (m *paymentMethod) kept() psp.Method {
	k := psp.Method{Customer: m.Customer.ID, Ref: m.ID, Kind: brief(m.Type), Label: brief(m.Type)}
	switch {
	case m.Card != nil:
		k.Label = brief(m.Card.Brand) + " " + brief(m.Card.Last4)
		if m.Card.ExpMonth >= int(time.January) && m.Card.ExpMonth <= int(time.December) {
			k.ExpiresYear, k.ExpiresMonth = m.Card.ExpYear, m.Card.ExpMonth
		}
	case m.Debit != nil:
		k.Label = "SEPA " + brief(m.Debit.Last4)
	}
	return k
}
