package shopify

import (
	"hash/fnv"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// The bodies of webhooks are REST resources. Members that mean nothing in this shop (taxes, fulfilment, discounts) are
// left out: receivers must not rely on their absence or presence.

// numericID makes a stable number of a text, small enough for every JSON reader.
func numericID(text string) int64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(text)) // never fails
	return int64(hash.Sum64() & (1<<52 - 1))
}

func numberText(text string) string { return strconv.FormatInt(numericID(text), 10) }

func shopID(sh *shop) int64 { return numericID(sh.Domain) }

func orderID(sh *shop, c *checkout) int64 { return numericID(sh.Domain + "/" + c.ID) }

func adminGID(resource string, id int64) string {
	return "gid://shopify/" + resource + "/" + strconv.FormatInt(id, 10)
}

// customerID is stable for an address, so that several orders belong to one customer; zero without one.
func customerID(sh *shop, customer *Customer) int64 {
	if customer == nil || customer.Email == "" && customer.PhoneNumber == "" {
		return 0
	}
	who := customer.Email
	if who == "" {
		who = customer.PhoneNumber
	}
	return numericID(sh.Domain + "/customer/" + strings.ToLower(who))
}

func restShop(sh *shop) map[string]any {
	return map[string]any{
		"id": shopID(sh), "name": sh.Domain, "domain": sh.Domain, "myshopify_domain": sh.Domain,
		"email": "owner@" + sh.Domain, "currency": "EUR", "timezone": "(GMT+00:00) UTC", "iana_timezone": "Etc/UTC",
	}
}

// transaction is one movement of an order's money, as Admin shows it. Open sessions are none yet.
type transaction struct {
	id, parent int64 // parent is zero for a payment
	session    *Session
	kind       string // in the API's spelling: SALE, AUTHORIZATION, CAPTURE, REFUND, VOID
	status     string
	at         time.Time
	amount     string
	currency   string
}

// transactions lists an order's, in the order in which they were asked for. The caller holds mu.
func (sh *shop) transactions(c *checkout) []transaction {
	var list []transaction
	for _, gid := range c.Sessions {
		session := &sh.Sessions[gid].Session
		if session.State == StateOpen {
			continue
		}
		list = append(list, sh.transaction(session))
	}
	return list
}

func (sh *shop) transaction(session *Session) transaction {
	t := transaction{
		id: numericID(session.GID), session: session, kind: strings.ToUpper(string(session.Type)), at: session.ProposedAt,
		amount: session.Amount, currency: session.Currency,
	}
	switch session.State {
	case StateResolved:
		t.status = "SUCCESS"
	case StateRejected:
		t.status = "FAILURE"
	case StatePending, StateOpen:
		t.status = "PENDING"
	default:
		t.status = "UNKNOWN"
	}
	if session.Final != nil {
		t.at = session.Final.At
	}
	if session.Type == PaymentSession {
		t.kind = strings.ToUpper(string(session.Kind))
		return t
	}
	payment := sh.Sessions[PaymentSession.gid(session.PaymentID)]
	t.parent = numericID(payment.Session.GID)
	if session.Type == VoidSession {
		t.amount, t.currency = payment.Session.Amount, payment.Session.Currency
	}
	return t
}

// restTransaction writes a transaction. That payment_id is the id of the session it came from is an assumption:
// Shopify does not say so.
func (s *Server) restTransaction(sh *shop, c *checkout, t transaction) map[string]any {
	return map[string]any{
		"id": t.id, "admin_graphql_api_id": adminGID("OrderTransaction", t.id), "order_id": orderID(sh, c),
		"parent_id": numberOrNil(t.parent), "kind": strings.ToLower(t.kind), "status": strings.ToLower(t.status),
		"gateway": s.gateway(), "amount": t.amount, "currency": t.currency, "test": t.session.Test, "message": nil,
		"authorization": nil, "payment_id": t.session.ID, "error_code": textValue(strings.ToLower(t.session.RejectCode)),
		"created_at": restTime(t.at), "processed_at": restTime(t.at),
	}
}

// gateway is how orders call the payments app.
func (s *Server) gateway() string { return s.apps[0].listing.Name }

func (s *Server) restOrder(sh *shop, c *checkout) map[string]any {
	b := sh.balance(c)
	id := orderID(sh, c)
	order := map[string]any{
		"id": id, "admin_graphql_api_id": adminGID("Order", id), "name": orderName(c), "number": c.Number - 1000,
		"order_number": c.Number, "test": c.Test, "confirmed": true,
		"financial_status": strings.ToLower(string(sh.status(c, s.opts.Now()))),
		"currency":         c.Currency, "presentment_currency": c.Currency, "total_price": c.Amount,
		"current_total_price": c.Amount, "total_price_set": restMoney(c.Amount, c.Currency),
		"total_outstanding":     formatAmount(c.outstanding(b), c.Currency),
		"payment_gateway_names": []string{s.gateway()}, "created_at": restTime(c.orderedAt()),
		"processed_at": restTime(c.orderedAt()), "updated_at": restTime(c.updatedAt()), "cancelled_at": timeValue(c.CancelledAt),
		"line_items": []any{map[string]any{
			"id": numericID(c.ID + "/1"), "title": itemName(c), "name": itemName(c), "quantity": 1, "price": c.Amount,
		}},
		"email": nil, "phone": nil, "customer": nil, "billing_address": nil, "shipping_address": nil,
	}
	if c.Customer != nil {
		order["email"], order["phone"] = textValue(c.Customer.Email), textValue(c.Customer.PhoneNumber)
		order["customer"] = restCustomer(sh, c.Customer)
		order["billing_address"] = restAddress(c.Customer.BillingAddress)
		order["shipping_address"] = restAddress(c.Customer.ShippingAddress)
	}
	return order
}

// restRefund writes one refund of an order.
func (s *Server) restRefund(sh *shop, c *checkout, t transaction) map[string]any {
	id := refundID(t)
	return map[string]any{
		"id": id, "admin_graphql_api_id": adminGID("Refund", id), "order_id": orderID(sh, c), "note": nil, "user_id": nil,
		"restock": false, "created_at": restTime(t.at), "processed_at": restTime(t.at), "refund_line_items": []any{},
		"order_adjustments": []any{}, "transactions": []any{s.restTransaction(sh, c, t)},
	}
}

func refundID(t transaction) int64 { return numericID("refund/" + t.session.GID) }

func restCustomer(sh *shop, customer *Customer) any {
	id := customerID(sh, customer)
	if id == 0 {
		return nil
	}
	out := map[string]any{
		"id": id, "admin_graphql_api_id": adminGID("Customer", id), "email": textValue(customer.Email),
		"phone": textValue(customer.PhoneNumber), "first_name": nil, "last_name": nil,
	}
	if address := customer.BillingAddress; address != nil {
		out["first_name"], out["last_name"] = textValue(address.GivenName), textValue(address.FamilyName)
	}
	return out
}

func restAddress(a *Address) any {
	if a == nil {
		return nil
	}
	return map[string]any{
		"first_name": a.GivenName, "last_name": a.FamilyName, "address1": a.Line1, "address2": textValue(a.Line2),
		"city": a.City, "zip": a.PostalCode, "province": a.Province, "province_code": a.ProvinceCode,
		"country_code": a.CountryCode, "phone": textValue(a.PhoneNumber), "company": textValue(a.Company),
	}
}

func restMoney(amount, currency string) map[string]any {
	money := map[string]any{"amount": amount, "currency_code": currency}
	return map[string]any{"shop_money": money, "presentment_money": money}
}

func restTime(at time.Time) string { return at.UTC().Format(time.RFC3339) }

func numberOrNil(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

// outstanding is what the order still has to be paid; a pending payment has not been.
func (c *checkout) outstanding(b balance) *big.Rat {
	total, err := parseAmount(c.Amount)
	if err != nil {
		return new(big.Rat)
	}
	left := total.Sub(total, b.captured)
	if left.Sign() < 0 || b.voided || c.CancelledAt != nil {
		return new(big.Rat)
	}
	return left
}

// orderedAt is when the checkout became an order; orders of older snapshots have only the checkout's own time.
func (c *checkout) orderedAt() time.Time {
	if c.OrderedAt == nil {
		return c.CreatedAt
	}
	return *c.OrderedAt
}

func (c *checkout) updatedAt() time.Time {
	if c.UpdatedAt == nil {
		return c.orderedAt()
	}
	return *c.UpdatedAt
}
