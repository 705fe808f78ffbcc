package shopify

import (
	"math/big"
	"slices"
	"strings"
	"time"
)

// visibleOrders are a shop's orders that an app may see: without read_all_orders only those of the last 60 days. The
// caller holds mu.
func (s *Server) visibleOrders(call prepared) []*checkout {
	oldest := s.opts.Now().Add(-ordersWithoutMore)
	var list []*checkout
	for _, id := range call.shop.CheckoutIDs {
		c := call.shop.Checkouts[id]
		if c.Number != 0 && (call.inst.has(scopeAllOrders) || !c.orderedAt().Before(oldest)) {
			list = append(list, c)
		}
	}
	return list
}

func (s *Server) orderByID(call prepared, args map[string]any) any {
	for _, c := range s.visibleOrders(call) {
		if adminGID("Order", orderID(call.shop, c)) == args["id"] {
			return s.orderValue(call.shop, c)
		}
	}
	return nil
}

func (s *Server) ordersPage(call prepared, args map[string]any) (any, *apiError) {
	text, _ := args["query"].(string)
	matches, err := s.search(call.shop, text)
	if err != nil {
		return nil, badInput("%v", err)
	}
	sortKey, _ := args["sortKey"].(string)
	var rows []row
	for _, c := range s.visibleOrders(call) {
		if matches(c) {
			rows = append(rows, row{
				key: orderKey(sortKey, c), id: orderID(call.shop, c),
				value: func() map[string]any { return s.orderValue(call.shop, c) },
			})
		}
	}
	return paginate("Order", rows, args)
}

// orderKey is what a sort key compares, in an order of texts.
func orderKey(sortKey string, c *checkout) string {
	switch sortKey {
	case "UPDATED_AT":
		return sortableTime(c.updatedAt())
	case "ID":
		return ""
	case "ORDER_NUMBER":
		return sortableNumber(int64(c.Number))
	default: // CREATED_AT and PROCESSED_AT are one here
		return sortableTime(c.orderedAt())
	}
}

// search reads a query such as "updated_at:>='2026-11-20T10:00:00Z' AND test:true" and returns who matches. Shopify
// ignores a term it does not know; here it is an error, because a filter that is ignored returns orders that a client
// believes it did not ask for.
func (s *Server) search(sh *shop, text string) (func(*checkout) bool, error) {
	var terms []func(*checkout) bool
	for _, word := range strings.Fields(text) {
		if strings.EqualFold(word, "AND") {
			continue
		}
		field, value, ok := strings.Cut(word, ":")
		if !ok {
			return nil, errSearch(word)
		}
		term, err := s.term(sh, field, value)
		if err != nil {
			return nil, err
		}
		terms = append(terms, term)
	}
	return func(c *checkout) bool {
		return !slices.ContainsFunc(terms, func(term func(*checkout) bool) bool { return !term(c) })
	}, nil
}

type errSearch string

func (e errSearch) Error() string { return "the search term " + string(e) + " is not understood here" }

func (s *Server) term(sh *shop, field, value string) (func(*checkout) bool, error) {
	comparator := value[:len(value)-len(strings.TrimLeft(value, "<>="))]
	plain := strings.Trim(strings.TrimPrefix(value, comparator), `'"`)
	switch field {
	case "created_at", "processed_at", "updated_at":
		at, err := time.Parse(time.RFC3339, plain)
		if err != nil {
			at, err = time.Parse(time.DateOnly, plain)
		}
		if err != nil {
			return nil, errSearch(field + ":" + value)
		}
		return func(c *checkout) bool {
			when := c.orderedAt()
			if field == "updated_at" {
				when = c.updatedAt()
			}
			return compares(when.Compare(at), comparator)
		}, nil
	case "financial_status":
		return func(c *checkout) bool { return strings.EqualFold(string(sh.status(c, s.opts.Now())), plain) }, nil
	case "name":
		return func(c *checkout) bool { return strings.TrimPrefix(orderName(c), "#") == strings.TrimPrefix(plain, "#") }, nil
	case "test":
		return func(c *checkout) bool { return c.Test == (plain == "true") }, nil
	default:
		return nil, errSearch(field + ":" + value)
	}
}

func compares(order int, comparator string) bool {
	switch comparator {
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	default:
		return order == 0
	}
}

// orderValue is an order as the selection walker reads it.
func (s *Server) orderValue(sh *shop, c *checkout) map[string]any {
	b, status := sh.balance(c), sh.status(c, s.opts.Now())
	list := sh.transactions(c)
	transactions, refunds := make([]any, 0, len(list)), []any{}
	for _, t := range list {
		transactions = append(transactions, s.transactionValue(sh, t))
		if t.session.Type == RefundSession && t.session.State == StateResolved {
			refunds = append(refunds, refundValue(t))
		}
	}
	id := orderID(sh, c)
	order := map[string]any{
		"__typename": "Order", "id": adminGID("Order", id), "legacyResourceId": id, "name": orderName(c), "number": c.Number,
		"test": c.Test, "displayFinancialStatus": string(status), "currencyCode": c.Currency,
		"presentmentCurrencyCode": c.Currency, "createdAt": restTime(c.orderedAt()), "processedAt": restTime(c.orderedAt()),
		"updatedAt": restTime(c.updatedAt()), "cancelledAt": timeValue(c.CancelledAt), "email": nil, "phone": nil, "customer": nil,
		"paymentGatewayNames": []any{s.gateway()}, "transactions": transactions, "refunds": refunds,
		"totalPriceSet":       moneyBag(c.Amount, c.Currency),
		"totalReceivedSet":    moneyBag(formatAmount(b.captured, c.Currency), c.Currency),
		"totalRefundedSet":    moneyBag(formatAmount(b.refunded, c.Currency), c.Currency),
		"totalOutstandingSet": moneyBag(formatAmount(c.outstanding(b), c.Currency), c.Currency),
		"fullyPaid":           c.outstanding(b).Sign() == 0 && b.captured.Sign() > 0,
		"unpaid":              b.captured.Cmp(new(big.Rat)) == 0,
	}
	if c.Customer != nil {
		order["email"], order["phone"] = textValue(c.Customer.Email), textValue(c.Customer.PhoneNumber)
		order["customer"] = customerValue(sh, c.Customer)
	}
	return order
}

func (s *Server) transactionValue(sh *shop, t transaction) map[string]any {
	value := map[string]any{
		"__typename": "OrderTransaction", "id": adminGID("OrderTransaction", t.id), "kind": t.kind, "status": t.status,
		"gateway": s.gateway(), "formattedGateway": s.gateway(), "test": t.session.Test, "paymentId": t.session.ID,
		"createdAt": restTime(t.at), "processedAt": restTime(t.at), "errorCode": errorCode(t.session.RejectCode),
		"authorizationExpiresAt": timeValue(t.session.AuthorizationExpiresAt), "manualPaymentGateway": false,
		"multiCapturable": t.kind == "AUTHORIZATION" && s.opts.App.MultipleCapture, "parentTransaction": nil,
		"amountSet": moneyBag(t.amount, t.currency),
	}
	if t.session.Type != PaymentSession {
		payment := sh.Sessions[PaymentSession.gid(t.session.PaymentID)]
		value["parentTransaction"] = s.transactionValue(sh, sh.transaction(&payment.Session))
	}
	return value
}

// errorCode is a reject code as transactions show it: those that are unknown there become GENERIC_ERROR.
func errorCode(rejectCode string) any {
	switch rejectCode {
	case "":
		return nil
	case "CONFIRMATION_REJECTED", "RISKY", "HIGH_RISK_FRAUD_SUSPECTED", "INVALID_REQUEST":
		return "GENERIC_ERROR"
	default:
		return rejectCode
	}
}

func refundValue(t transaction) map[string]any {
	id := refundID(t)
	return map[string]any{
		"__typename": "Refund", "id": adminGID("Refund", id), "legacyResourceId": id, "note": nil,
		"createdAt": restTime(t.at), "processedAt": restTime(t.at), "updatedAt": restTime(t.at),
		"totalRefundedSet": moneyBag(t.amount, t.currency),
	}
}

func customerValue(sh *shop, customer *Customer) any {
	id := customerID(sh, customer)
	if id == 0 {
		return nil
	}
	value := map[string]any{
		"__typename": "Customer", "id": adminGID("Customer", id), "legacyResourceId": id, "displayName": customer.Email,
		"firstName": nil, "lastName": nil,
	}
	if a := customer.BillingAddress; a != nil && a.GivenName+a.FamilyName != "" {
		value["displayName"] = strings.TrimSpace(a.GivenName + " " + a.FamilyName)
		value["firstName"], value["lastName"] = textValue(a.GivenName), textValue(a.FamilyName)
	}
	return value
}

// moneyBag has one currency: buyers here pay in the shop's.
func moneyBag(amount, currency string) map[string]any {
	money := map[string]any{"__typename": "MoneyV2", "amount": amount, "currencyCode": currency}
	return map[string]any{"__typename": "MoneyBag", "shopMoney": money, "presentmentMoney": money}
}
