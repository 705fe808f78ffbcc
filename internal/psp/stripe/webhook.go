package stripe

import (
	"encoding/json"
	"net/http"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// ParseWebhook implements psp.WebhookParser. Events of the other mode are
// payment.Unauthorized. Events about connected accounts carry no attempt.
func (c *Connector) ParseWebhook(
	acc psp.Account, header http.Header, body []byte, now time.Time,
) (psp.Event, error) {
	secrets, err := webhookSecrets(acc)
	if err != nil {
		return psp.Event{}, err
	}
	if err := verify(header.Get("Stripe-Signature"), body, secrets, now); err != nil {
		return psp.Event{}, payment.Errorf(payment.Unauthorized, "stripe webhook: %w", err)
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		return psp.Event{}, payment.Errorf(payment.Invalid, "stripe webhook: %w", err)
	}
	if e.ID == "" || e.Type == "" || e.Livemode == nil || brief(e.ID) != e.ID || brief(e.Type) != e.Type {
		return psp.Event{}, payment.Errorf(payment.Invalid, "stripe webhook: id, type or livemode is missing or no such thing")
	}
	if *e.Livemode != acc.Live {
		return psp.Event{}, payment.Errorf(payment.Unauthorized, "stripe webhook: livemode is %t", *e.Livemode)
	}
	out := psp.Event{ID: e.ID, Type: e.Type, At: unix(e.Created)}
	if e.Account != "" {
		return out, nil
	}
	if err := read(e, &out); err != nil {
		return psp.Event{}, payment.Errorf(payment.Invalid, "stripe webhook %s: %w", out.Type, err)
	}
	return out, nil
}

// read fills in what the event's object is and, where the event proves it, what
// became of the attempt. All other events are a reason to look.
func read(e event, out *psp.Event) error {
	switch e.Type {
	case "checkout.session.completed", "checkout.session.async_payment_succeeded",
		"checkout.session.async_payment_failed", "checkout.session.expired":
		return readSession(e, out)
	case "payment_intent.succeeded", "payment_intent.amount_capturable_updated", "payment_intent.payment_failed",
		"payment_intent.canceled", "payment_intent.processing":
		return readIntent(e, out)
	case "charge.refunded", "charge.captured", "charge.expired", "charge.failed", "charge.succeeded",
		"charge.pending", "charge.updated":
		var ch charge
		if err := json.Unmarshal(e.Data.Object, &ch); err != nil {
			return err
		}
		out.AttemptID, out.Ref, out.PaymentRef = ch.Metadata[metaAttempt], ch.ID, ch.PaymentIntent.ID
	case "refund.created", "refund.updated", "refund.failed", "charge.refund.updated":
		return readRefund(e, out)
	case "charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed",
		"charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated":
		return readDispute(e, out)
	}
	return nil
}

// readRefund reads a refund: of our attempt, else one made elsewhere. That a
// refund succeeded proves nothing for good, because it may fail days later and
// its messages may overtake each other; that it failed or was cancelled does.
func readRefund(e event, out *psp.Event) error {
	var r refund
	if err := json.Unmarshal(e.Data.Object, &r); err != nil {
		return err
	}
	out.AttemptID, out.Ref, out.PaymentRef = r.Metadata[metaAttempt], r.ID, r.PaymentIntent.ID
	if out.AttemptID == "" {
		m, err := elsewhereRefund(r)
		moved(out, m, err)
		return nil
	}
	if r.Status != "failed" && r.Status != "canceled" {
		return nil
	}
	outcome, err := refundOutcome(r)
	if err != nil {
		return nil //nolint:nilerr // an amount we cannot read: a reason to look, not to refuse
	}
	out.Outcome = &outcome
	return nil
}

func readDispute(e event, out *psp.Event) error {
	var d dispute
	if err := json.Unmarshal(e.Data.Object, &d); err != nil {
		return err
	}
	out.Ref, out.PaymentRef = d.ID, d.PaymentIntent.ID
	m, err := elsewhereDispute(d)
	moved(out, m, err)
	return nil
}

// moved notes money that moved elsewhere. What names no payment cannot be of
// ours, and what we cannot read stays a reason to look, like in prove.
func moved(out *psp.Event, e *payment.Elsewhere, err error) {
	if err == nil && out.PaymentRef != "" {
		out.Elsewhere = e
	}
}

func readSession(e event, out *psp.Event) error {
	var s session
	if err := json.Unmarshal(e.Data.Object, &s); err != nil {
		return err
	}
	out.AttemptID, out.Ref, out.PaymentRef = s.Metadata[metaAttempt], s.ID, s.PaymentIntent.ID
	if out.AttemptID == "" {
		out.AttemptID = s.ClientReferenceID
	}
	switch {
	case e.Type == "checkout.session.async_payment_failed":
		out.Outcome = &psp.Outcome{
			Status: psp.Declined, Ref: out.Ref, PaymentRef: out.PaymentRef, Decline: payment.DeclinedOther,
		}
	case e.Type == "checkout.session.expired":
		out.Outcome = &psp.Outcome{Status: psp.Closed, Ref: out.Ref, PaymentRef: out.PaymentRef}
	}
	return nil
}

func readIntent(e event, out *psp.Event) error {
	var p paymentIntent
	if err := json.Unmarshal(e.Data.Object, &p); err != nil {
		return err
	}
	out.AttemptID, out.PaymentRef = p.Metadata[metaAttempt], p.ID
	if p.Metadata[metaKind] == kindRecurring {
		out.Ref = p.ID
	}
	// A message about a hold is a reason to look and no more: it names the charge
	// without showing it, and until when the money is held stands there only.
	if e.Type == "payment_intent.succeeded" && p.Status == "succeeded" {
		if capture := p.Metadata[metaCapture]; capture != "" {
			out.AttemptID, out.Ref = capture, p.ID // the money was taken by a capture of ours
		}
		prove(out, p.AmountReceived, p.Currency)
	}
	if e.Type == "payment_intent.payment_failed" && out.Ref != "" && out.AttemptID != "" && p.Status == "requires_payment_method" {
		// Without a buyer there is no second try: the decline is decided. On a page it is not.
		if outcome, err := recurringOutcome(out.AttemptID)(p); err == nil {
			out.Outcome = &outcome
		}
	}
	return nil
}

// prove sets the money that the event shows as taken. Where it cannot, because the
// object is not ours or its amount is not readable, the event stays a reason to
// look: refusing it would only make Stripe send it for three days.
func prove(out *psp.Event, units int64, currency string) {
	amount, err := fromStripe(units, currency)
	if err != nil || out.AttemptID == "" {
		return
	}
	out.Outcome = &psp.Outcome{Status: psp.Succeeded, Ref: out.Ref, PaymentRef: out.PaymentRef, Amount: amount}
}

// Events lists the event types that an endpoint of ours subscribes to: money
// that was taken or is held, with the amount that was received; the ends of a
// checkout, of a hold and of a charge of a kept method; money that goes back, at our wish or not. The success
// of a checkout session is not among them: it tells what the page asked for and
// not what came. More types are harmless and cost a stored row each.
func Events() []string {
	return []string{
		"payment_intent.succeeded", "payment_intent.amount_capturable_updated", "payment_intent.processing",
		"payment_intent.canceled", "payment_intent.payment_failed",
		"checkout.session.async_payment_failed", "checkout.session.expired",
		"refund.created", "refund.updated", "refund.failed",
		"charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed",
		"charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated",
	}
}
