package stripe

import "crypto/rand"

// usageOffSession is the setup_future_usage that lets a method be charged without its owner.
const usageOffSession = "off_session"

// customer is somebody whose payment methods are kept.
type customer struct {
	row
	Email   string
	Deleted bool
}

// method is a PaymentMethod that a checkout kept. Its owner or the merchant may take it from its customer, for good.
type method struct {
	row
	Customer string // empty: detached
	Card     usedCard
}

// remember keeps what a completed session was paid with, where the session asked for it.
func (c *change) remember(cs *checkout, pi *intent, card testCard) {
	if !cs.NewCustomer {
		return
	}
	owner := &customer{row: c.newRow("cus_" + rand.Text()), Email: cs.Email}
	c.acct.customers.add(owner)
	c.save(rowCustomer, owner.ID)
	c.raise("customer.created", cs.ID, c.acct.customerObject(owner))
	cs.Customer = owner.ID
	c.acct.giveIntent(pi, owner.ID)
	if cs.Spec.FutureUsage == "" {
		return
	}
	m := &method{row: c.newRow(pi.Method), Customer: owner.ID, Card: card.used()}
	c.acct.methods.add(m)
	c.save(rowMethod, m.ID)
	c.raise("payment_method.attached", cs.ID, c.acct.methodObject(m))
}

// giveIntent makes a PaymentIntent one of a customer's.
func (a *account) giveIntent(pi *intent, owner string) {
	pi.Customer = owner
	a.intentsByCustomer[owner] = append(a.intentsByCustomer[owner], pi.ID)
}

func retrieveCustomer(c *call) (object, *apiError) {
	owner, ok := c.acct.customers.get(c.id())
	if !ok {
		return nil, missing("customer", c.id(), "id")
	}
	return c.acct.customerObject(owner), nil
}

// deleteCustomer also takes the customer's methods from it, as Stripe does.
func deleteCustomer(c *call) (object, *apiError) {
	owner, ok := c.acct.customers.get(c.id())
	if !ok || owner.Deleted {
		return nil, missing("customer", c.id(), "id")
	}
	owner.Deleted = true
	c.save(rowCustomer, owner.ID)
	for _, m := range c.acct.methods.rows {
		if m.Customer == owner.ID {
			c.detach(m)
		}
	}
	c.raise("customer.deleted", owner.ID, c.acct.customerObject(owner))
	return object{"id": owner.ID, "object": "customer", "deleted": true}, nil
}

func retrieveMethod(c *call) (object, *apiError) {
	m, ok := c.acct.methods.get(c.id())
	if !ok {
		return nil, missing("PaymentMethod", c.id(), "payment_method")
	}
	return c.acct.methodObject(m), nil
}

func detachMethod(c *call) (object, *apiError) {
	m, ok := c.acct.methods.get(c.id())
	if !ok {
		return nil, missing("PaymentMethod", c.id(), "payment_method")
	}
	if m.Customer == "" {
		return nil, refused("", "The payment method you provided is not attached to a customer so detachment is impossible.")
	}
	c.detach(m)
	return c.acct.methodObject(m), nil
}

func (c *change) detach(m *method) {
	m.Customer = ""
	c.save(rowMethod, m.ID)
	c.raise("payment_method.detached", m.ID, c.acct.methodObject(m))
}

func (a *account) customerObject(owner *customer) object {
	if owner.Deleted {
		return object{"id": owner.ID, "object": "customer", "deleted": true}
	}
	return object{
		"id": owner.ID, "object": "customer", "created": owner.Created, "livemode": a.livemode, "email": orNull(owner.Email),
		"name": nil, "phone": nil, "address": nil, "description": nil, "metadata": object{}, "shipping": nil,
		"balance": 0, "delinquent": false, "invoice_prefix": nil,
	}
}

func (a *account) methodByID(id string, _ expansion) object {
	m, ok := a.methods.get(id)
	if !ok {
		// Used once and not kept: it is there to be read, and belongs to nobody.
		return object{
			"id": id, "object": kindMethod, "created": 0, "livemode": a.livemode, "type": methodCard, "customer": nil,
			"metadata": object{},
		}
	}
	return a.methodObject(m)
}

func (a *account) methodObject(m *method) object {
	o := object{
		"id": m.ID, "object": kindMethod, "created": m.Created, "livemode": a.livemode, "type": m.Card.Method,
		"customer": orNull(m.Customer), "metadata": object{}, "allow_redisplay": "limited",
		"billing_details": object{"address": nil, "email": nil, "name": nil, "phone": nil, "tax_id": nil},
	}
	if m.Card.Method == methodDebit {
		o[methodDebit] = object{"last4": m.Card.Last4, "bank_code": "37040044", "branch_code": nil, "country": "DE"}
		return o
	}
	o["card"] = object{
		"brand": m.Card.Brand, "last4": m.Card.Last4, "exp_month": m.Card.ExpMonth, "exp_year": m.Card.ExpYear, "country": "US",
		"funding": "credit", "display_brand": m.Card.Brand, "fingerprint": nil, "wallet": nil,
	}
	return o
}
