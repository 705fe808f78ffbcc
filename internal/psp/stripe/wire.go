package stripe

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strconv"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// Metadata keys that we set and read back.
const (
	metaAttempt = "attempt_id"
	metaKind    = "kind" // of a charge, for who reads the dashboard; kindRecurring tells a message about one without its buyer
	// metaCapture is written on the payment by its capture. A capture has no object
	// of its own, so this is how ours is told from one made at the dashboard.
	metaCapture = "capture_attempt_id"
)

// kindRecurring marks a charge of a kept method.
const kindRecurring = "recurring"

// usageOffSession says that a method may be charged without its owner.
const usageOffSession = "off_session"

// session is the part of a Checkout Session that we read.
type session struct {
	ID                string                    `json:"id"`
	Livemode          bool                      `json:"livemode"`
	Status            string                    `json:"status"`
	PaymentStatus     string                    `json:"payment_status"`
	URL               string                    `json:"url"`
	ClientReferenceID string                    `json:"client_reference_id"`
	Metadata          map[string]string         `json:"metadata"`
	AmountTotal       int64                     `json:"amount_total"`
	Currency          string                    `json:"currency"`
	ExpiresAt         int64                     `json:"expires_at"`
	PaymentIntent     expandable[paymentIntent] `json:"payment_intent"`
}

func (s session) id() string { return s.ID }

// paymentIntent is the money behind a session.
type paymentIntent struct {
	ID                 string                    `json:"id"`
	Livemode           bool                      `json:"livemode"`
	Status             string                    `json:"status"`
	Amount             int64                     `json:"amount"`
	AmountCapturable   int64                     `json:"amount_capturable"`
	AmountReceived     int64                     `json:"amount_received"`
	Currency           string                    `json:"currency"`
	CaptureMethod      string                    `json:"capture_method"`
	CancellationReason string                    `json:"cancellation_reason"`
	SetupFutureUsage   string                    `json:"setup_future_usage"`
	Metadata           map[string]string         `json:"metadata"`
	LastPaymentError   *refusal                  `json:"last_payment_error"`
	LatestCharge       expandable[charge]        `json:"latest_charge"`
	PaymentMethod      expandable[paymentMethod] `json:"payment_method"`
}

func (p paymentIntent) id() string { return p.ID }

type charge struct {
	ID                 string                         `json:"id"`
	PaymentIntent      expandable[paymentIntent]      `json:"payment_intent"`
	AmountRefunded     int64                          `json:"amount_refunded"`
	Metadata           map[string]string              `json:"metadata"`
	BalanceTransaction expandable[balanceTransaction] `json:"balance_transaction"`
	Details            struct {
		Card struct {
			CaptureBefore int64 `json:"capture_before"`
		} `json:"card"`
	} `json:"payment_method_details"`
}

func (ch charge) id() string { return ch.ID }

type balanceTransaction struct {
	ID       string `json:"id"`
	Fee      int64  `json:"fee"`
	Currency string `json:"currency"`
}

type refund struct {
	ID                 string                         `json:"id"`
	Status             string                         `json:"status"`
	Amount             int64                          `json:"amount"`
	Currency           string                         `json:"currency"`
	Reason             string                         `json:"reason"`
	FailureReason      string                         `json:"failure_reason"`
	Metadata           map[string]string              `json:"metadata"`
	PaymentIntent      expandable[paymentIntent]      `json:"payment_intent"`
	BalanceTransaction expandable[balanceTransaction] `json:"balance_transaction"`
}

func (r refund) id() string { return r.ID }

type dispute struct {
	ID                  string                    `json:"id"`
	Livemode            bool                      `json:"livemode"`
	Status              string                    `json:"status"`
	Amount              int64                     `json:"amount"`
	Currency            string                    `json:"currency"`
	PaymentIntent       expandable[paymentIntent] `json:"payment_intent"`
	BalanceTransactions []balanceTransaction      `json:"balance_transactions"` // funds withdrawn, then reinstated
}

func (d dispute) id() string { return d.ID }

// event is the envelope of a webhook.
type event struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Created  int64  `json:"created"`
	Livemode *bool  `json:"livemode"`
	Account  string `json:"account"` // set when it is about a connected account
	Data     struct {
		Object json.RawMessage `json:"object"`
	} `json:"data"`
}

// page is one page of a list, newest first.
type page[T any] struct {
	Data    []T  `json:"data"`
	HasMore bool `json:"has_more"`
}

// expandable is an object that Stripe writes as its id unless it was asked to
// expand it.
type expandable[T any] struct {
	ID     string
	Object *T // nil when not expanded
}

// UnmarshalJSON accepts an id, an object with an id, or null.
func (e *expandable[T]) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	if data[0] == '"' {
		return json.Unmarshal(data, &e.ID)
	}
	var named struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(data, &named); err != nil {
		return err
	}
	e.ID, e.Object = named.ID, new(T)
	return json.Unmarshal(data, e.Object)
}

// Expansions down to the fee; a path expands everything on its way.
const (
	expandSession = "payment_intent.latest_charge.balance_transaction"
	expandIntent  = "latest_charge.balance_transaction"
)

// checkoutForm is the body that opens a page. It depends on nothing but c: the
// same attempt must give the same body for as long as its key lives.
func checkoutForm(c psp.Checkout) (url.Values, error) {
	units, currency, err := toStripe(c.Amount)
	if err != nil {
		return nil, err
	}
	name := c.Description
	if name == "" {
		name = "Payment" // Stripe wants one
	}
	form := url.Values{
		"mode":                                   {"payment"},
		"client_reference_id":                    {c.AttemptID},
		"success_url":                            {c.ReturnURL},
		"locale":                                 {locale(c.Locale)},
		"line_items[0][quantity]":                {"1"},
		"line_items[0][price_data][currency]":    {currency},
		"line_items[0][price_data][unit_amount]": {strconv.FormatInt(units, 10)},
		"line_items[0][price_data][product_data][name]": {name},
		"payment_intent_data[capture_method]":           {captureMethod(c.Kind)},
		"payment_intent_data[transfer_group]":           {c.AttemptID},
	}
	// What the session carries is not copied to its payment.
	for _, at := range []string{"metadata", "payment_intent_data[metadata]"} {
		form.Set(at+"["+metaAttempt+"]", c.AttemptID)
		form.Set(at+"["+metaKind+"]", string(c.Kind))
	}
	if c.CancelURL != "" {
		form.Set("cancel_url", c.CancelURL)
	}
	if c.Remember {
		// Without a customer of its own the method could not be charged again.
		form.Set("customer_creation", "always")
		form.Set("payment_intent_data[setup_future_usage]", usageOffSession)
	}
	if !c.ExpiresAt.IsZero() {
		form.Set("expires_at", strconv.FormatInt(c.ExpiresAt.Unix(), 10))
	}
	return form, nil
}

// captureManual is the capture method of a payment that is held until we take it.
const captureManual = "manual"

func captureMethod(k payment.Kind) string {
	if k == payment.Authorization {
		return captureManual
	}
	return "automatic"
}
