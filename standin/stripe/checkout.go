package stripe

import (
	"crypto/rand"
	"fmt"
	"iter"
	"strings"
	"time"
)

type checkoutStatus string

const (
	checkoutOpen     checkoutStatus = "open"
	checkoutComplete checkoutStatus = "complete"
	checkoutExpired  checkoutStatus = "expired"
)

type paymentStatus string

const (
	statusPaid   paymentStatus = "paid"
	statusUnpaid paymentStatus = "unpaid"
)

// expiresWithin are the bounds of expires_at, counted from creation.
const (
	minExpiry = 30 * time.Minute
	maxExpiry = 24 * time.Hour
)

// checkout is a Checkout Session. Maps and slices in objects are replaced, never changed: the journal reads them
// without the lock.
type checkout struct {
	row
	Status        checkoutStatus
	PaymentStatus paymentStatus
	Amount        int64
	Currency      string
	Lines         []line
	Reference     string // client_reference_id
	Metadata      map[string]string
	SuccessURL    string
	CancelURL     string
	ExpiresAt     int64
	Email         string
	Locale        string
	SubmitType    string
	Methods       []string
	Spec          intentSpec
	NewCustomer   bool   // customer_creation=always
	Customer      string // made when it was completed
	Intent        string // "" until the first attempt
	Card          string // name of the test card in use; of what a buyer typed only its end is kept
	Expires       string // the card's last month, where he typed one
}

type line struct {
	Name       string
	UnitAmount int64
	Quantity   int64
}

// intentSpec is what payment_intent_data asks of the PaymentIntent.
type intentSpec struct {
	CaptureMethod captureMethod
	Description   string
	TransferGroup string
	Suffix        string
	FutureUsage   string
	Metadata      map[string]string
}

func checkoutParams() schema {
	return schema{
		"mode":                                   choice("payment").needed(),
		"ui_mode":                                choice("hosted_page"),
		"success_url":                            address().needed(),
		"cancel_url":                             address(),
		"client_reference_id":                    text(200),
		"expires_at":                             integer(),
		"customer_email":                         text(800),
		"customer_creation":                      choice("always", "if_required"),
		"locale":                                 text(10),
		"submit_type":                            choice("auto", "book", "donate", "pay"),
		"metadata[*]":                            text(500),
		"expand[#]":                              text(5000),
		"payment_method_types[#]":                choice("card", "sepa_debit"),
		"line_items[#][quantity]":                integer(),
		"line_items[#][price_data][currency]":    text(3),
		"line_items[#][price_data][unit_amount]": integer(),
		"line_items[#][price_data][product_data][name]":        text(5000),
		"line_items[#][price_data][product_data][description]": text(40000),
		"payment_intent_data[capture_method]":                  choice("automatic", "automatic_async", "manual"),
		"payment_intent_data[description]":                     text(1000),
		"payment_intent_data[transfer_group]":                  text(5000),
		"payment_intent_data[statement_descriptor_suffix]":     text(22),
		"payment_intent_data[setup_future_usage]":              choice("on_session", usageOffSession),
		"payment_intent_data[metadata][*]":                     text(500),
	}
}

func createCheckout(c *call) (object, *apiError) {
	cs := &checkout{
		Status: checkoutOpen, PaymentStatus: statusUnpaid,
		Reference: c.form.text("client_reference_id"), SuccessURL: c.form.text("success_url"),
		CancelURL: c.form.text("cancel_url"), Email: c.form.text("customer_email"), Locale: c.form.text("locale"),
		SubmitType: c.form.text("submit_type"), Methods: c.form.list("payment_method_types"),
		ExpiresAt: c.now.Add(maxExpiry).Unix(), NewCustomer: c.form.text("customer_creation") == "always",
		Spec: intentSpec{
			CaptureMethod: captureMethod(c.form.text("payment_intent_data[capture_method]")),
			Description:   c.form.text("payment_intent_data[description]"),
			TransferGroup: c.form.text("payment_intent_data[transfer_group]"),
			Suffix:        c.form.text("payment_intent_data[statement_descriptor_suffix]"),
			FutureUsage:   c.form.text("payment_intent_data[setup_future_usage]"),
		},
	}
	if cs.Spec.CaptureMethod == "" {
		cs.Spec.CaptureMethod = captureAsync
	}
	if len(cs.Methods) == 0 {
		cs.Methods = []string{methodCard, methodDebit}
	}
	var refusal *apiError
	if cs.Metadata, refusal = c.form.metadata("metadata"); refusal != nil {
		return nil, refusal
	}
	if cs.Spec.Metadata, refusal = c.form.metadata("payment_intent_data[metadata]"); refusal != nil {
		return nil, refusal
	}
	if refusal := cs.takeLines(c.form); refusal != nil {
		return nil, refusal
	}
	if refusal := cs.takeExpiry(c.form, c.now); refusal != nil {
		return nil, refusal
	}
	cs.row = c.newRow("cs_" + c.acct.mode() + "_" + rand.Text() + rand.Text())
	c.acct.addCheckout(cs)
	c.save(rowCheckout, cs.ID)
	c.s.schedule(cs.ExpiresAt, dueExpiry, c.acct, cs.ID)
	return c.s.checkoutObject(c.acct, cs, c.expand), nil
}

func (cs *checkout) takeLines(f form) *apiError {
	indexes := f.indexes("line_items")
	if len(indexes) == 0 {
		return invalid("parameter_missing", "line_items", "Missing required param: line_items.")
	}
	for _, i := range indexes {
		at := fmt.Sprintf("line_items[%d]", i)
		currency := strings.ToLower(f.text(at + "[price_data][currency]"))
		name := f.text(at + "[price_data][product_data][name]")
		unit, hasUnit := f.int(at + "[price_data][unit_amount]")
		quantity, hasQuantity := f.int(at + "[quantity]")
		switch {
		case currency == "":
			return invalid("parameter_missing", at+"[price_data][currency]", "Missing required param: currency.")
		case name == "":
			return invalid("parameter_missing", at+"[price_data][product_data][name]", "Missing required param: name.")
		case !hasUnit:
			return invalid("parameter_missing", at+"[price_data][unit_amount]", "Missing required param: unit_amount.")
		case !hasQuantity || quantity < 1 || quantity > maxAmount:
			return invalid("", at+"[quantity]", "Quantity is required and must be positive.")
		case unit < 0 || unit > maxAmount:
			return invalid("parameter_invalid_integer", at+"[price_data][unit_amount]", "Invalid non-negative integer")
		case cs.Currency != "" && cs.Currency != currency:
			return invalid("", at+"[price_data][currency]", "All line items must have the same currency.")
		}
		cs.Currency = currency
		cs.Amount += unit * quantity // at most 100 lines of 10^16: no overflow
		cs.Lines = append(cs.Lines, line{Name: name, UnitAmount: unit, Quantity: quantity})
	}
	return checkAmount(cs.Currency, cs.Amount, "line_items")
}

func (cs *checkout) takeExpiry(f form, now time.Time) *apiError {
	at, given := f.int("expires_at")
	if !given {
		return nil
	}
	switch {
	case at < now.Add(minExpiry).Unix():
		return invalid("", "expires_at", "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.")
	case at > now.Add(maxExpiry).Unix():
		return invalid("", "expires_at", "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.")
	}
	cs.ExpiresAt = at
	return nil
}

func retrieveCheckout(c *call) (object, *apiError) {
	cs, ok := c.acct.checkouts.get(c.id())
	if !ok {
		return nil, missing("checkout.session", c.id(), "session")
	}
	return c.s.checkoutObject(c.acct, cs, c.expand), nil
}

func listCheckouts(c *call) (object, *apiError) {
	status, of := checkoutStatus(c.form.text("status")), c.form.text("payment_intent")
	return page(c, lister[*checkout]{
		what: "checkout.session",
		rows: func(after string) (iter.Seq[*checkout], bool) {
			if of == "" {
				return c.acct.checkouts.newestFirst(after)
			}
			var ids []string
			if id, ok := c.acct.checkoutByIntent[of]; ok {
				ids = []string{id}
			}
			return c.acct.checkouts.pick(ids, after)
		},
		keep:   func(cs *checkout) bool { return status == "" || cs.Status == status },
		render: func(cs *checkout, x expansion) object { return c.s.checkoutObject(c.acct, cs, x) },
	})
}

func expireCheckout(c *call) (object, *apiError) {
	cs, ok := c.acct.checkouts.get(c.id())
	if !ok {
		return nil, missing("checkout.session", c.id(), "session")
	}
	if cs.Status != checkoutOpen {
		return nil, refused("", "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of `"+
			string(cs.Status)+"`.")
	}
	c.expireSession(cs)
	return c.s.checkoutObject(c.acct, cs, c.expand), nil
}

// expireSession closes an open session: nothing can be paid on it any more.
func (c *change) expireSession(cs *checkout) {
	cs.Status = checkoutExpired
	c.save(rowCheckout, cs.ID)
	if pi, ok := c.acct.intents.get(cs.Intent); ok && !pi.Status.final() {
		c.cancelIntent(pi, "expired")
	}
	c.raise("checkout.session.expired", cs.ID, c.s.checkoutObject(c.acct, cs, nil))
}

func (s *Server) checkoutObject(a *account, cs *checkout, x expansion) object {
	var page any
	if cs.Status == checkoutOpen {
		page = s.opts.PublicURL + "/c/pay/" + cs.ID
	}
	return object{
		"id": cs.ID, "object": kindCheckout, "created": cs.Created, "livemode": a.livemode, "mode": "payment",
		"status": cs.Status, "payment_status": cs.PaymentStatus, "url": page, "ui_mode": "hosted_page",
		"amount_subtotal": cs.Amount, "amount_total": cs.Amount, "currency": cs.Currency,
		"client_reference_id": orNull(cs.Reference), "metadata": cs.Metadata,
		"success_url": cs.SuccessURL, "cancel_url": orNull(cs.CancelURL), "expires_at": cs.ExpiresAt,
		"payment_intent":       x.refer("payment_intent", cs.Intent, a.intentByID),
		"payment_method_types": cs.Methods, "customer": orNull(cs.Customer), "customer_email": orNull(cs.Email),
		"locale": orNull(cs.Locale), "submit_type": orNull(cs.SubmitType),
		"subscription": nil, "setup_intent": nil, "payment_link": nil, "invoice": nil,
		"automatic_tax": object{"enabled": false, "liability": nil, "provider": nil, "status": nil},
		"custom_fields": []object{}, "shipping_options": []object{},
		"custom_text": object{
			"after_submit": nil, "shipping_address": nil, "submit": nil, "terms_of_service_acceptance": nil,
		},
		"total_details": object{"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
	}
}
