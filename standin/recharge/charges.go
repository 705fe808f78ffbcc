package recharge

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

func listCharges(c *call) (object, *apiError) {
	q := c.query
	cur, refusal := c.cursor()
	if refusal != nil {
		return nil, refusal
	}
	if cur != nil {
		q = cur.query()
	}
	keep, refusal := chargeFilter(q)
	if refusal != nil {
		return nil, refusal
	}
	compare, refusal := chargeOrder(q.Get("sort_by"))
	if refusal != nil {
		return nil, refusal
	}
	var rows []listed
	for _, ch := range c.st.Charges {
		if keep(ch) {
			rows = append(rows, listed{id: ch.ID, at: ch.sortTime(q.Get("sort_by")), render: func() object { return c.charge(ch) }})
		}
	}
	slices.SortFunc(rows, compare)
	return c.paginate("charges", rows, compare, cur), nil
}

// sortTime is the time a list in this order goes by; none for those by id.
func (ch *charge) sortTime(order string) time.Time {
	switch {
	case strings.HasPrefix(order, "updated_at"):
		return ch.UpdatedAt
	case strings.HasPrefix(order, "scheduled_at"):
		return ch.ScheduledAt
	}
	return time.Time{}
}

// chargeOrder compares rows by their time, then by id.
func chargeOrder(order string) (func(a, b listed) int, *apiError) {
	ascending := func(a, b listed) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id)) }
	switch order {
	case "", "id-asc", "updated_at-asc", "scheduled_at-asc":
		return ascending, nil
	case "id-desc", "updated_at-desc", "scheduled_at-desc":
		return func(a, b listed) int { return ascending(b, a) }, nil
	}
	return nil, invalid("sort_by", "not an order of charges")
}

// chargeFilter reads the filters of a list.
func chargeFilter(q url.Values) (func(*charge) bool, *apiError) {
	var tests []func(*charge) bool
	if status := q.Get("status"); status != "" {
		tests = append(tests, func(c *charge) bool { return strings.EqualFold(c.Status, status) })
	}
	for name, of := range map[string]func(*charge) time.Time{
		"updated_at":   func(c *charge) time.Time { return c.UpdatedAt },
		"created_at":   func(c *charge) time.Time { return c.CreatedAt },
		"scheduled_at": func(c *charge) time.Time { return c.ScheduledAt },
		"processed_at": func(c *charge) time.Time { return c.ProcessedAt },
	} {
		for suffix, sign := range map[string]int{"_min": 1, "_max": -1} {
			text := q.Get(name + suffix)
			if text == "" {
				continue
			}
			bound, err := readTime(text)
			if err != nil {
				return nil, invalid(name+suffix, "not a valid datetime")
			}
			tests = append(tests, func(c *charge) bool { return !of(c).IsZero() && of(c).Compare(bound)*sign >= 0 })
		}
	}
	for name, of := range map[string]func(*charge) int64{
		"customer_id":       func(c *charge) int64 { return c.Customer },
		"external_order_id": func(c *charge) int64 { return c.OrderID },
		"ids":               func(c *charge) int64 { return c.ID },
	} {
		if text := q.Get(name); text != "" {
			wanted := strings.Split(text, ",")
			tests = append(tests, func(c *charge) bool { return slices.Contains(wanted, strconv.FormatInt(of(c), 10)) })
		}
	}
	return func(c *charge) bool {
		return !slices.ContainsFunc(tests, func(test func(*charge) bool) bool { return !test(c) })
	}, nil
}

// readTime accepts a time with a zone, one without (UTC) and a date.
func readTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Parse(time.DateOnly, text)
}

func retrieveCharge(c *call) (object, *apiError) {
	ch, refusal := c.namedCharge()
	if refusal != nil {
		return nil, refusal
	}
	return object{"charge": c.charge(ch)}, nil
}

func (c *call) namedCharge() (*charge, *apiError) {
	id, refusal := c.id()
	if refusal != nil {
		return nil, refusal
	}
	ch, ok := c.st.charge(id)
	if !ok {
		return nil, &apiError{status: http.StatusNotFound, text: "Not Found"}
	}
	return ch, nil
}

// processCharge charges now. It is not idempotent: a charge that is still in error is tried again by every call.
func processCharge(c *call) (object, *apiError) {
	ch, refusal := c.namedCharge()
	switch {
	case refusal != nil:
		return nil, refusal
	case !c.st.conf.Plus:
		return nil, &apiError{status: http.StatusForbidden, text: "not available on this plan"}
	case ch.Status != statusError:
		return nil, &apiError{status: http.StatusConflict, text: "charge is " + ch.Status}
	}
	decline, _ := c.plan.Decline()
	c.s.attempt(c.st, ch, "process", decline)
	if ch.Status == statusError {
		return nil, &apiError{status: http.StatusPaymentRequired, text: ch.Error}
	}
	return object{"charge": c.charge(ch)}, nil
}

// charge renders one with what was asked to be included.
func (c *call) charge(ch *charge) object {
	o := c.st.chargeObject(ch)
	if payer, ok := c.st.customer(ch.Customer); ok && slices.Contains(c.includes(), "customer") {
		o["include"] = object{"customer": payer.object()}
	}
	return o
}

func (st *store) chargeObject(c *charge) object {
	payer, _ := st.customer(c.Customer)
	if payer == nil {
		payer = &customer{}
	}
	at := func(t time.Time) any { return showTime(t, c.ID%2 == 1) }
	zero := "0.00"
	o := object{
		"id": c.ID, "address_id": c.Address, "status": c.Status, "type": c.Type, "error": orNull(c.Error),
		"error_type": orNull(c.ErrorType), "charge_attempts": c.Attempts, "retry_date": at(c.RetryAt),
		"scheduled_at": at(c.ScheduledAt), "original_scheduled_at": at(c.ScheduledAt), "processed_at": at(c.ProcessedAt),
		"created_at": at(c.CreatedAt), "updated_at": at(c.UpdatedAt), "merged_at": nil,
		"customer": object{
			"id": c.Customer, "email": payer.Email, "hash": "h" + strconv.FormatInt(c.Customer, 36),
			"external_customer_id": object{"ecommerce": strconv.FormatInt(payer.Shopify, 10)},
		},
		"external_order_id":       object{"ecommerce": orNull(number(c.OrderID))},
		"external_transaction_id": object{"payment_processor": orNull(c.Transaction)},
		"payment_processor":       "stripe", "currency": c.Total.Currency, "subtotal_price": c.Total.Decimal(),
		"total_price": c.Total.Decimal(), "total_line_items_price": c.Total.Decimal(), "total_tax": zero, "total_discounts": zero,
		"total_refunds": zero, "total_duties": zero, "taxes_included": false, "taxable": false, "tags": "Subscription, Recurring",
		"line_items": []object{{
			"purchase_item_id": c.Address + 1, "purchase_item_type": "subscription", "title": c.Title, "variant_title": "",
			"external_product_id": object{"ecommerce": "801"}, "external_variant_id": object{"ecommerce": "901"}, "sku": "BOX-1",
			"quantity": 1, "unit_price": c.Total.Decimal(), "total_price": c.Total.Decimal(),
		}},
		"orders_count": 0, "has_uncommitted_changes": false, "note": orNull(c.Note), "order_attributes": []object{},
	}
	if c.OrderID != 0 {
		o["orders_count"] = 1
	}
	maps.Copy(o, c.Override)
	return o
}

// showTime renders a time with a zone or without; zero is null.
func showTime(t time.Time, zoneless bool) any {
	switch {
	case t.IsZero():
		return nil
	case zoneless:
		return t.UTC().Format("2006-01-02T15:04:05")
	}
	return t.UTC().Format("2006-01-02T15:04:05-07:00")
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
