package recharge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"tillflow/internal/payment"
)

// Customer is a customer of the store.
type Customer struct {
	ID    int64 // at Recharge
	Email string
	// ShopifyID is the External Customer ID: the number of the customer at Shopify, as text. Empty if Recharge knows none.
	ShopifyID string
	Oddities  []Oddity
}

// ShopifyGID is the customer's id as Shopify's GraphQL writes it, empty without a ShopifyID.
func (c Customer) ShopifyGID() string {
	if c.ShopifyID == "" {
		return ""
	}
	return "gid://shopify/Customer/" + c.ShopifyID
}

// Customer reads a customer by Recharge's id (scope read_customers). NotFound if there is none.
func (c *Client) Customer(ctx context.Context, id int64) (Customer, error) {
	r := get(object("customers", id), nil)
	members, err := c.call(ctx, r)
	if err != nil {
		return Customer{}, fmt.Errorf("read customer %d: %w", id, err)
	}
	customer, err := readCustomer(members["customer"])
	if err == nil && customer.ID != id {
		err = fmt.Errorf("it is about customer %d", customer.ID)
	}
	if err != nil {
		return Customer{}, fmt.Errorf("read customer %d: %w", id, r.cut(err))
	}
	return customer, nil
}

// CustomerByShopifyID finds the customer with an External Customer ID. NotFound if there is none, Conflict if there are several:
// nobody guesses whose charge it is.
func (c *Client) CustomerByShopifyID(ctx context.Context, shopifyID string) (Customer, error) {
	r := get("/customers", url.Values{"external_customer_id": {shopifyID}, "limit": {"2"}})
	members, err := c.call(ctx, r)
	if err != nil {
		return Customer{}, fmt.Errorf("find customer: %w", err)
	}
	var rows []json.RawMessage
	if json.Unmarshal(members["customers"], &rows) != nil || rows == nil {
		return Customer{}, fmt.Errorf("find customer: %w", r.cut(errors.New("it has no list of customers")))
	}
	switch len(rows) {
	case 0:
		return Customer{}, payment.Errorf(payment.NotFound, "recharge has no customer with this external customer id")
	case 1:
	default:
		return Customer{}, payment.Errorf(payment.Conflict, "recharge has several customers with this external customer id")
	}
	customer, err := readCustomer(rows[0])
	if err == nil && customer.ShopifyID != shopifyID {
		err = errors.New("it is about another external customer id")
	}
	if err != nil {
		return Customer{}, fmt.Errorf("find customer: %w", r.cut(err))
	}
	return customer, nil
}

func readCustomer(raw json.RawMessage) (Customer, error) {
	f, ok := readFields(raw)
	if !ok {
		return Customer{}, errors.New("it has no customer")
	}
	c := Customer{
		ID: f.whole("id"), Email: f.text("email"),
		ShopifyID: firstOf(f.inside("external_customer_id", "ecommerce"), f.text("shopify_customer_id")),
	}
	if c.ID <= 0 {
		return Customer{}, errors.New("its customer has no id")
	}
	c.Oddities = f.odd
	return c, nil
}

// PlacedOrder is an order that Recharge made from a charge.
type PlacedOrder struct {
	ID             int64
	ChargeID       int64
	Status         string
	ShopifyOrderID string
	// Note is what stands on the order; see the package comment for what is known of it.
	Note     string
	Oddities []Oddity
}

// OrdersOf reads the orders of a charge (scope read_orders): one, more for prepaid subscriptions, none while the charge has not
// succeeded. At most [MaxPage] of them.
//
// The filter charge_id is documented in the types of Recharge's storefront client; for the Admin API it is not verified, so orders
// of other charges are left out here too.
func (c *Client) OrdersOf(ctx context.Context, chargeID int64) ([]PlacedOrder, error) {
	r := get("/orders", url.Values{"charge_id": {strconv.FormatInt(chargeID, 10)}, "limit": {strconv.Itoa(MaxPage)}})
	members, err := c.call(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("read orders of charge %d: %w", chargeID, err)
	}
	var rows []json.RawMessage
	if json.Unmarshal(members["orders"], &rows) != nil || rows == nil {
		return nil, fmt.Errorf("read orders of charge %d: %w", chargeID, r.cut(errors.New("it has no list of orders")))
	}
	var orders []PlacedOrder
	for _, row := range rows {
		f, ok := readFields(row)
		if !ok {
			return nil, fmt.Errorf("read orders of charge %d: %w", chargeID, r.cut(errors.New("an order is not an object")))
		}
		order := PlacedOrder{
			ID: f.whole("id"), Status: f.text("status"), Note: f.text("note"),
			ShopifyOrderID: firstOf(f.inside("external_order_id", "ecommerce"), f.text("shopify_order_id")),
		}
		order.ChargeID = f.whole("charge_id")
		if _, raw := f.member("charge"); raw != nil {
			if nested, ok := readFields(raw); ok {
				order.ChargeID = nested.whole("id")
				f.under("charge", nested)
			}
		}
		if order.ChargeID != chargeID {
			continue
		}
		order.Oddities = f.odd
		orders = append(orders, order)
	}
	return orders, nil
}
