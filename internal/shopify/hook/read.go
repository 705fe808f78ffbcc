package hook

import (
	"encoding/json"
	"regexp"
	"strings"

	"tillflow/internal/shopify/app"
)

// fields are the members of an object, undecoded.
type fields map[string]json.RawMessage

// read fills in what is kept of the body. Topics that we do not know keep nothing of it.
func read(d *app.Delivery, body []byte) error {
	var f fields
	if err := json.Unmarshal(body, &f); err != nil || f == nil {
		return bad("body", "is no JSON object")
	}
	switch d.Topic.Matter() {
	case app.AboutPrivacy:
		return readPrivacy(d, f)
	case app.AboutInstallation:
		return readInstallation(d, f)
	case app.AboutOrder:
		d.Resource = f.resource(orderKind(d.Topic))
		d.Facts = f.pick("order_id", "admin_graphql_api_order_id", "financial_status", "currency", "presentment_currency", "total_price",
			"test", "kind", "status", "amount", "payment_id", "parent_id", "error_code", "created_at", "updated_at", "cancelled_at")
	case app.AboutDispute:
		d.Resource = f.resource("ShopifyPaymentsDispute")
		d.Facts = f.pick("order_id", "type", "amount", "currency", "reason", "status", "network_reason_code", "evidence_due_by",
			"initiated_at", "finalized_on")
	case app.AboutSubscription:
		d.Resource = f.resource("")
		// error_message is for people and may quote them; its code says the same.
		d.Facts = f.pick("idempotency_key", "order_id", "admin_graphql_api_order_id", "subscription_contract_id",
			"admin_graphql_api_subscription_contract_id", "admin_graphql_api_origin_order_id", "ready", "error_code", "status", "revision_id", "currency_code")
	case app.AboutBulk:
		d.Resource = f.resource("BulkOperation")
		d.Facts = f.pick("status", "error_code", "type", "created_at", "completed_at")
	case app.AboutFulfillment:
		d.Resource = f.resource("FulfillmentOrder")
		d.Facts = f.pick("status")
	case app.AboutUnknown:
	}
	return nil
}

// orderKind is the resource that a topic is about.
func orderKind(topic app.Topic) string {
	kind, _, _ := strings.Cut(string(topic), "/")
	switch kind {
	case "orders":
		return "Order"
	case "order_transactions":
		return "OrderTransaction"
	case "tender_transactions":
		return "TenderTransaction"
	case "refunds":
		return "Refund"
	}
	return ""
}

// code is a text that cannot be a person's words: no space, no at sign, nothing beyond ASCII.
var code = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:/#+-]{0,199}$`)

// pick copies the members that are ids, codes, amounts, times or truth values. Whatever else a member holds is left out: personal
// data does not get past this line, whoever puts it where.
func (f fields) pick(names ...string) map[string]string {
	facts := map[string]string{}
	for _, name := range names {
		if value := f.text(name); code.MatchString(value) {
			facts[name] = value
		}
	}
	return facts
}

// text gives a scalar as text; empty for anything else. Numbers keep their digits.
func (f fields) text(name string) string {
	raw := f[name]
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	if len(raw) > 0 && strings.IndexByte("-0123456789tf", raw[0]) >= 0 {
		return string(raw)
	}
	return ""
}

// id gives the digits of an object's id, which Shopify writes as a number.
func (f fields) id() string {
	if digits := f.text("id"); numeric.MatchString(digits) {
		return digits
	}
	return ""
}

var numeric = regexp.MustCompile(`^[0-9]{1,20}$`)

// resource is the global id of what the message is about; kind completes a body that has the number alone.
func (f fields) resource(kind string) string {
	if gid := f.text("admin_graphql_api_id"); strings.HasPrefix(gid, "gid://shopify/") && code.MatchString(gid) {
		return gid
	}
	if id := f.id(); id != "" && kind != "" {
		return "gid://shopify/" + kind + "/" + id
	}
	return ""
}

// readInstallation: the shop in the body must be the header's, because headers are not signed and this one ends an installation.
func readInstallation(d *app.Delivery, f fields) error {
	if shop := f.text("myshopify_domain"); shop != "" && !strings.EqualFold(shop, d.Shop) {
		return malformed("myshopify_domain")
	}
	if d.Topic == app.AppScopesUpdate {
		var current []string
		if json.Unmarshal(f["current"], &current) == nil && len(current) > 0 {
			d.Facts = map[string]string{"scopes": strings.Join(app.Scopes(strings.Join(current, ",")), ",")}
		}
	}
	return nil
}

// readPrivacy keeps what an erasure or an export has to look for.
func readPrivacy(d *app.Delivery, f fields) error {
	if !strings.EqualFold(f.text("shop_domain"), d.Shop) {
		return malformed("shop_domain")
	}
	if d.Topic == app.ShopRedact {
		// The body of a person's redaction under this topic would erase a whole shop.
		if f["customer"] != nil || f["orders_to_redact"] != nil || f["data_request"] != nil {
			return malformed("shop/redact")
		}
		return nil
	}
	var customer, asked fields
	orders := f["orders_to_redact"]
	if d.Topic == app.CustomersDataRequest {
		orders = f["orders_requested"]
		if json.Unmarshal(f["data_request"], &asked) != nil || asked.id() == "" {
			return malformed("data_request")
		}
	}
	if json.Unmarshal(f["customer"], &customer) != nil {
		return malformed("customer")
	}
	request := app.Request{
		CustomerID: customer.id(), Email: customer.text("email"), Phone: customer.text("phone"), DataRequestID: asked.id(),
	}
	if request.CustomerID == "" && request.Email == "" && request.Phone == "" {
		return malformed("customer")
	}
	var list []json.RawMessage
	if len(orders) > 0 && json.Unmarshal(orders, &list) != nil {
		return malformed("list of orders")
	}
	for _, raw := range list {
		if id := (fields{"id": raw}).id(); id != "" {
			request.Orders = append(request.Orders, id)
		}
	}
	personal, err := json.Marshal(request)
	if err != nil {
		return malformed("customer")
	}
	d.Personal = personal
	return nil
}
