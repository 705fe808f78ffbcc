package stripe

import (
	"crypto/rand"
	"iter"
	"maps"
	"time"

	"tillflow/standin/faults"
)

type intentStatus string

const (
	needsMethod  intentStatus = "requires_payment_method"
	needsAction  intentStatus = "requires_action"
	processing   intentStatus = "processing"
	needsCapture intentStatus = "requires_capture"
	succeeded    intentStatus = "succeeded"
	canceled     intentStatus = "canceled"
)

// final reports whether nothing can happen to the PaymentIntent any more.
func (s intentStatus) final() bool { return s == succeeded || s == canceled }

type captureMethod string

const (
	captureAsync  captureMethod = "automatic_async"
	captureManual captureMethod = "manual"
)

// holdFor is how long an authorization lasts before it is canceled automatically.
const holdFor = 7 * 24 * time.Hour

// intent is a PaymentIntent.
type intent struct {
	row
	Checkout      string
	Status        intentStatus
	Amount        int64
	Capturable    int64
	Received      int64
	Currency      string
	Spec          intentSpec
	Metadata      map[string]string
	Methods       []string
	Method        string // pm_…
	Customer      string // of a kept method, or of a checkout that made one
	Key           string // idempotency key of the request, of one without a checkout
	LastError     *cardError
	LatestCharge  string
	Attempts      int
	CanceledAt    int64
	CancelReason  string
	CaptureBefore int64
	SettleAt      int64 // when a processing payment is decided; 0: by hand only
	SettleFails   bool
	Short         int64  // minor units moved less than asked, by fault
	CaptureKey    string // idempotency key of the capture
}

func (c *change) newIntent(cs *checkout) *intent {
	pi := &intent{
		row: c.newRow("pi_" + rand.Text()), Checkout: cs.ID, Status: needsMethod, Amount: cs.Amount,
		Currency: cs.Currency, Spec: cs.Spec, Metadata: cs.Spec.Metadata, Methods: cs.Methods,
	}
	c.acct.addIntent(pi)
	c.save(rowIntent, pi.ID)
	cs.Intent = pi.ID
	c.save(rowCheckout, cs.ID)
	c.raiseIntent("payment_intent.created", pi)
	return pi
}

func (c *change) raiseIntent(eventType string, pi *intent) {
	c.save(rowIntent, pi.ID)
	c.raise(eventType, pi.lane(), c.acct.intentObject(pi, nil))
}

// lane keeps the events of one checkout in order; a PaymentIntent without one has its own.
func (pi *intent) lane() string {
	if pi.Checkout != "" {
		return pi.Checkout
	}
	return pi.ID
}

func retrieveIntent(c *call) (object, *apiError) {
	pi, ok := c.acct.intents.get(c.id())
	if !ok {
		return nil, missing("payment_intent", c.id(), "intent")
	}
	return c.acct.intentObject(pi, c.expand), nil
}

func listIntents(c *call) (object, *apiError) {
	owner := c.form.text("customer")
	return page(c, lister[*intent]{
		what: "payment_intent",
		rows: func(after string) (iter.Seq[*intent], bool) {
			if owner != "" {
				return c.acct.intents.pick(c.acct.intentsByCustomer[owner], after)
			}
			return c.acct.intents.newestFirst(after)
		},
		render: c.acct.intentObject,
	})
}

func captureIntent(c *call) (object, *apiError) {
	pi, ok := c.acct.intents.get(c.id())
	if !ok {
		return nil, missing("payment_intent", c.id(), "intent")
	}
	if c.form.text("final_capture") == "false" {
		return nil, invalid("", "final_capture", "This account is not enabled for multiple captures.")
	}
	metadata, refusal := c.form.metadata("metadata")
	if refusal != nil {
		return nil, refusal
	}
	if pi.Status != needsCapture {
		return nil, c.unexpected(pi, "This PaymentIntent could not be captured because it has a status of "+
			string(pi.Status)+". Only a PaymentIntent with one of the following statuses may be captured: requires_capture.")
	}
	amount, given := c.form.int("amount_to_capture")
	if !given {
		amount = pi.Capturable
	}
	if amount < 1 || amount > pi.Capturable {
		return nil, invalid("amount_too_large", "amount_to_capture",
			"The amount to capture must be positive and no more than "+formatAmount(pi.Capturable, pi.Currency)+".")
	}
	if refusal := checkStep(pi.Currency, amount, "amount_to_capture"); refusal != nil {
		return nil, refusal
	}
	if code, declined := c.plan.Decline(); declined {
		e := declined402(declineError(code))
		e.intent = c.acct.intentObject(pi, nil)
		return nil, e
	}
	if c.plan.Has(faults.WrongAmount) && amount > 1 {
		amount--
	}
	pi.addMetadata(c.acct, metadata)
	c.capture(pi, amount)
	return c.acct.intentObject(pi, c.expand), nil
}

// addMetadata merges into what the intent has, as Stripe does.
func (pi *intent) addMetadata(a *account, pairs map[string]string) {
	if len(pairs) == 0 {
		return
	}
	merged := maps.Clone(pi.Metadata)
	maps.Copy(merged, pairs)
	pi.Metadata = merged
	a.indexMetadata(pi)
}

// capture takes the money of an authorization and releases the rest.
func (c *change) capture(pi *intent, amount int64) {
	ch, _ := c.acct.charges.get(pi.LatestCharge)
	ch.Captured, ch.AmountCaptured = true, amount
	c.bookCharge(ch)
	pi.Status, pi.Received, pi.Capturable, pi.CaptureKey = succeeded, amount, 0, c.origin.IdempotencyKey
	c.raiseCharge("charge.captured", ch, pi.lane())
	c.release(ch, "")
	c.raiseIntent("payment_intent.succeeded", pi)
	if cs, ok := c.acct.checkouts.get(pi.Checkout); ok {
		cs.PaymentStatus = statusPaid
		c.save(rowCheckout, cs.ID)
	}
	c.objected(ch)
}

func cancelIntentCall(c *call) (object, *apiError) {
	pi, ok := c.acct.intents.get(c.id())
	if !ok {
		return nil, missing("payment_intent", c.id(), "intent")
	}
	if cs, ok := c.acct.checkouts.get(pi.Checkout); ok && cs.Status == checkoutOpen && pi.Status != needsCapture {
		return nil, c.unexpected(pi, "You cannot cancel this PaymentIntent because it belongs to an open Checkout Session ("+
			cs.ID+"). Expire the Checkout Session instead.")
	}
	switch pi.Status {
	case needsMethod, needsAction, needsCapture:
	case processing, succeeded, canceled:
		return nil, c.unexpected(pi, "You cannot cancel this PaymentIntent because it has a status of "+string(pi.Status)+".")
	default:
		panic("stripe stand-in: unknown intent status " + string(pi.Status))
	}
	c.cancelIntent(pi, c.form.text("cancellation_reason"))
	return c.acct.intentObject(pi, c.expand), nil
}

// cancelIntent ends a PaymentIntent without money and releases what was authorized.
func (c *change) cancelIntent(pi *intent, reason string) {
	held := pi.Status == needsCapture
	pi.Status, pi.Capturable, pi.CanceledAt, pi.CancelReason = canceled, 0, c.now.Unix(), reason
	if ch, ok := c.acct.charges.get(pi.LatestCharge); ok && held {
		why := ""
		if reason == "automatic" {
			why = "expired_uncaptured_charge"
			c.raiseCharge("charge.expired", ch, pi.lane())
		}
		c.release(ch, why)
	}
	c.raiseIntent("payment_intent.canceled", pi)
}

// unexpected is the refusal for a call that the state of the PaymentIntent does not allow.
func (c *call) unexpected(pi *intent, message string) *apiError {
	e := refused("payment_intent_unexpected_state", message)
	e.intent = c.acct.intentObject(pi, nil)
	return e
}

func (a *account) intentByID(id string, x expansion) object {
	pi, _ := a.intents.get(id)
	return a.intentObject(pi, x)
}

func (a *account) intentObject(pi *intent, x expansion) object {
	o := object{
		"id": pi.ID, "object": kindIntent, "created": pi.Created, "livemode": a.livemode, "status": pi.Status,
		"amount": pi.Amount, "amount_capturable": pi.Capturable, "amount_received": pi.Received, "currency": pi.Currency,
		"amount_details": object{"tip": object{}}, "capture_method": pi.Spec.CaptureMethod, "confirmation_method": "automatic",
		"client_secret": nil, "description": orNull(pi.Spec.Description), "metadata": pi.Metadata,
		"payment_method": x.refer("payment_method", pi.Method, a.methodByID), "payment_method_types": pi.Methods,
		"customer":                    orNull(pi.Customer),
		"latest_charge":               x.refer("latest_charge", pi.LatestCharge, a.chargeByID),
		"statement_descriptor":        nil,
		"statement_descriptor_suffix": orNull(pi.Spec.Suffix), "transfer_group": orNull(pi.Spec.TransferGroup),
		"transfer_data": nil, "application_fee_amount": nil, "on_behalf_of": nil, "setup_future_usage": orNull(pi.Spec.FutureUsage),
		"canceled_at": nil, "cancellation_reason": orNull(pi.CancelReason), "last_payment_error": nil,
		"next_action": nil, "processing": nil,
	}
	if pi.CanceledAt != 0 {
		o["canceled_at"] = pi.CanceledAt
	}
	if pi.LastError != nil {
		o["last_payment_error"] = pi.LastError.object()
	}
	if pi.Status == needsAction {
		o["next_action"] = object{"type": "use_stripe_sdk", "use_stripe_sdk": object{"type": "three_d_secure_redirect"}}
	}
	return o
}
