package recharge

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func byID(a, b listed) int { return cmp.Compare(a.id, b.id) }

func listCustomers(c *call) (object, *apiError) {
	cur, refusal := c.cursor()
	if refusal != nil {
		return nil, refusal
	}
	q := c.query
	if cur != nil {
		q = cur.query()
	}
	var rows []listed
	for _, cu := range c.st.Customers {
		if matches(q.Get("external_customer_id"), cu.Shopify) && matches(q.Get("ids"), cu.ID) &&
			(q.Get("email") == "" || strings.EqualFold(q.Get("email"), cu.Email)) {
			rows = append(rows, listed{id: cu.ID, render: func() object { return c.customer(cu) }})
		}
	}
	return c.paginate("customers", rows, byID, cur), nil
}

// matches reports whether an id is in a comma list; an empty list has all.
func matches(list string, id int64) bool {
	return list == "" || slices.Contains(strings.Split(list, ","), strconv.FormatInt(id, 10))
}

func retrieveCustomer(c *call) (object, *apiError) {
	id, refusal := c.id()
	if refusal != nil {
		return nil, refusal
	}
	cu, ok := c.st.customer(id)
	if !ok {
		return nil, &apiError{status: http.StatusNotFound, text: "Not Found"}
	}
	return object{"customer": c.customer(cu)}, nil
}

// customer renders one with what was asked to be included.
func (c *call) customer(cu *customer) object {
	o := cu.object()
	if slices.Contains(c.includes(), "payment_methods") {
		status := "valid"
		if cu.Card != cardGood && cu.Card != cardSlow {
			status = "invalid"
		}
		o["include"] = object{"payment_methods": []object{{
			"id": cu.ID + 1_000_000, "customer_id": cu.ID, "default": true, "payment_type": "CREDIT_CARD", "status": status,
		}}}
	}
	return o
}

func (cu *customer) object() object {
	return object{
		"id": cu.ID, "email": cu.Email, "external_customer_id": object{"ecommerce": strconv.FormatInt(cu.Shopify, 10)},
		"hash": "h" + strconv.FormatInt(cu.ID, 36), "first_name": "Buyer", "last_name": strconv.FormatInt(cu.ID, 10),
		"has_valid_payment_method": cu.Card == cardGood || cu.Card == cardSlow,
	}
}

func listOrders(c *call) (object, *apiError) {
	cur, refusal := c.cursor()
	if refusal != nil {
		return nil, refusal
	}
	q := c.query
	if cur != nil {
		q = cur.query()
	}
	var rows []listed
	for _, o := range c.st.Orders {
		if matches(q.Get("charge_id"), o.Charge) && matches(q.Get("customer_id"), o.Customer) && matches(q.Get("ids"), o.ID) {
			rows = append(rows, listed{id: o.ID, render: func() object { return c.st.orderObject(o) }})
		}
	}
	return c.paginate("orders", rows, byID, cur), nil
}

func retrieveOrder(c *call) (object, *apiError) {
	id, refusal := c.id()
	if refusal != nil {
		return nil, refusal
	}
	i := slices.IndexFunc(c.st.Orders, func(o *order) bool { return o.ID == id })
	if i < 0 {
		return nil, &apiError{status: http.StatusNotFound, text: "Not Found"}
	}
	return object{"order": c.st.orderObject(c.st.Orders[i])}, nil
}

func (st *store) orderObject(o *order) object {
	paid := object{"id": o.Charge, "status": statusSuccess, "external_transaction_id": object{"payment_processor": nil}}
	total := ""
	if c, ok := st.charge(o.Charge); ok {
		paid["status"], paid["external_transaction_id"] = c.Status, object{"payment_processor": orNull(c.Transaction)}
		total = c.Total.Decimal()
	}
	return object{
		"id": o.ID, "charge": paid, "customer": object{"id": o.Customer}, "status": "success", "type": "recurring",
		"external_order_id": object{"ecommerce": number(o.Shopify)}, "note": orNull(o.Note), "order_attributes": []object{},
		"total_price": total, "created_at": showTime(o.CreatedAt, false), "updated_at": showTime(o.CreatedAt, false),
	}
}
