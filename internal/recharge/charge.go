package recharge

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"tillflow/internal/money"
)

// Status is the state of a charge in lower case. Recharge's older versions write upper case; a word that is not listed here stays
// in the charge, is not Known, and is told as an [Oddity].
type Status string

// Statuses of a charge.
const (
	StatusSuccess              Status = "success"
	StatusError                Status = "error"
	StatusQueued               Status = "queued"
	StatusSkipped              Status = "skipped"
	StatusRefunded             Status = "refunded"
	StatusPartiallyRefunded    Status = "partially_refunded"
	StatusPendingManualPayment Status = "pending_manual_payment"
	StatusPending              Status = "pending"
)

// ParseStatus normalises what Recharge writes.
func ParseStatus(text string) Status { return Status(strings.ToLower(strings.TrimSpace(text))) }

// Known reports whether the status is one that is documented.
func (s Status) Known() bool {
	switch s {
	case StatusSuccess, StatusError, StatusQueued, StatusSkipped, StatusRefunded, StatusPartiallyRefunded,
		StatusPendingManualPayment, StatusPending:
		return true
	default:
		return false
	}
}

// Paid reports that the charge's money was taken, whatever went back since.
func (s Status) Paid() bool {
	switch s {
	case StatusSuccess, StatusRefunded, StatusPartiallyRefunded:
		return true
	case StatusError, StatusQueued, StatusSkipped, StatusPendingManualPayment, StatusPending:
		return false
	default:
		return false
	}
}

// Charge is one charge of a subscription. Texts are as Recharge sends them; email, error, note and titles may be a person's words.
type Charge struct {
	ID        int64
	AddressID int64
	Customer  CustomerRef
	Status    Status
	// Type is checkout or recurring.
	Type string
	// Error is the processor's sentence, ErrorType Recharge's word for it in upper case; see [CategoryOf].
	Error     string
	ErrorType string
	// Attempts is how often it was tried (charge_attempts, in the older version number_times_tried).
	Attempts int64
	// Times in UTC, zero where Recharge says null. RetryAt is when Recharge itself tries again.
	RetryAt, ScheduledAt, OriginalScheduledAt, ProcessedAt, CreatedAt, UpdatedAt, MergedAt time.Time
	// ShopifyOrderID is external_order_id.ecommerce, TransactionID external_transaction_id.payment_processor.
	ShopifyOrderID, TransactionID, Processor string
	Currency                                 money.Currency
	// Amounts that could not be read exactly are the zero Amount, with an Oddity.
	Subtotal, Total, Tax, Discounts, Refunded money.Amount
	Lines                                     []Line
	OrdersCount                               int64
	// Uncommitted: Recharge is about to build the charge anew (has_uncommitted_changes).
	Uncommitted bool
	Tags        []string
	// Note is what stands on the charge; see the package comment for what is known of it.
	Note string
	// Oddities are the values that did not fit.
	Oddities []Oddity
}

// CustomerRef is the customer of a charge.
type CustomerRef struct {
	ID    int64 // at Recharge
	Email string
	// ShopifyID is the External Customer ID: the number of the customer at Shopify. Empty when Recharge does not send it.
	ShopifyID string
}

// Line is one line item.
type Line struct {
	PurchaseItemID           int64
	PurchaseItemType         string // subscription or onetime
	ProductID, VariantID     string // at Shopify
	Title, VariantTitle, SKU string
	Quantity                 int64
	UnitPrice, Total         money.Amount
}

// Unreadable is a row of a list that is no charge: not an object, or without an id. It is kept, so that nothing is lost in
// silence. Raw may hold a person's data and belongs into sealed storage.
type Unreadable struct {
	// Sum is the SHA-256 of Raw in hex: the same row is found again by it.
	Sum    string
	Reason string
	Raw    json.RawMessage
}

func unreadable(raw json.RawMessage, reason string) *Unreadable {
	sum := sha256.Sum256(raw)
	return &Unreadable{Sum: hex.EncodeToString(sum[:]), Reason: reason, Raw: raw}
}

// decodeCharge reads one charge; what is no charge at all comes back as Unreadable.
func decodeCharge(raw json.RawMessage) (Charge, *Unreadable) {
	f, ok := readFields(raw)
	if !ok {
		return Charge{}, unreadable(raw, "not an object")
	}
	c := Charge{ID: f.whole("id")}
	if c.ID <= 0 {
		return Charge{}, unreadable(raw, "without a usable id")
	}
	c.Status = ParseStatus(f.text("status"))
	if !c.Status.Known() {
		f.note("status", string(c.Status), "not a known status")
	}
	c.ErrorType = normalise(f.text("error_type"))
	if c.ErrorType != "" && CategoryOf(c.ErrorType) == Unmapped {
		f.note("error_type", c.ErrorType, "not a known error type")
	}
	c.AddressID, c.Type, c.Error, c.Note = f.whole("address_id"), f.text("type"), f.text("error"), f.text("note")
	c.Attempts, c.OrdersCount = f.whole("charge_attempts", "number_times_tried"), f.whole("orders_count")
	c.Uncommitted, c.Tags = f.flag("has_uncommitted_changes"), splitTags(f.text("tags"))
	c.RetryAt, c.ScheduledAt, c.OriginalScheduledAt = f.moment("retry_date"), f.moment("scheduled_at"), f.moment("original_scheduled_at")
	c.ProcessedAt, c.CreatedAt = f.moment("processed_at"), f.moment("created_at")
	c.UpdatedAt, c.MergedAt = f.moment("updated_at"), f.moment("merged_at")
	c.ShopifyOrderID = firstOf(f.inside("external_order_id", "ecommerce"), f.text("shopify_order_id"))
	c.TransactionID = firstOf(f.inside("external_transaction_id", "payment_processor"), f.text("transaction_id"))
	c.Processor = f.text("payment_processor", "processor_name")
	c.readMoney(f)
	c.readCustomer(f)
	c.readLines(f)
	c.Oddities = f.odd
	return c, nil
}

func (c *Charge) readMoney(f *fields) {
	c.Currency = f.currency("currency")
	c.Subtotal, c.Total = f.amount("subtotal_price", c.Currency), f.amount("total_price", c.Currency)
	c.Tax, c.Discounts = f.amount("total_tax", c.Currency), f.amount("total_discounts", c.Currency)
	c.Refunded = f.amount("total_refunds", c.Currency)
	if f.text("total_price") == "" {
		f.note("total_price", "", "missing")
	}
}

// readCustomer reads the nested customer, or the members beside the charge that the older version has.
func (c *Charge) readCustomer(f *fields) {
	_, raw := f.member("customer")
	nested, ok := readFields(raw)
	if !ok {
		c.Customer = CustomerRef{ID: f.whole("customer_id"), Email: f.text("email")}
		return
	}
	c.Customer = CustomerRef{
		ID: nested.whole("id"), Email: nested.text("email"), ShopifyID: nested.inside("external_customer_id", "ecommerce"),
	}
	f.under("customer", nested)
}

func (c *Charge) readLines(f *fields) {
	name, raw := f.member("line_items")
	if raw == nil {
		return
	}
	var rows []json.RawMessage
	if json.Unmarshal(raw, &rows) != nil {
		f.note(name, "", "not a list")
		return
	}
	for _, row := range rows {
		line, ok := readFields(row)
		if !ok {
			f.note(name, "", "a line is not an object")
			continue
		}
		c.Lines = append(c.Lines, Line{
			PurchaseItemID:   line.whole("purchase_item_id", "subscription_id"),
			PurchaseItemType: line.text("purchase_item_type"), Title: line.text("title"), VariantTitle: line.text("variant_title"),
			ProductID: firstOf(line.inside("external_product_id", "ecommerce"), line.text("shopify_product_id")),
			VariantID: firstOf(line.inside("external_variant_id", "ecommerce"), line.text("shopify_variant_id")),
			SKU:       line.text("sku"), Quantity: line.whole("quantity"),
			UnitPrice: line.amount("unit_price", c.Currency), Total: line.amount("total_price", c.Currency),
		})
		f.under("line_items", line)
	}
}

// under takes over the oddities of a nested object.
func (f *fields) under(name string, nested *fields) {
	for _, o := range nested.odd {
		o.Field = name + "." + o.Field
		f.odd = append(f.odd, o)
	}
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// splitTags takes the comma list apart.
func splitTags(text string) []string {
	var tags []string
	for tag := range strings.SplitSeq(text, ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			tags = append(tags, tag)
		}
	}
	return tags
}
