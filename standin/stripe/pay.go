package stripe

import (
	"crypto/rand"
	"strings"
	"time"

	"tillflow/standin/faults"
)

// paid is what an attempt came to, for the page that asked.
type paid struct {
	// next is where the buyer goes: the shop, or the authentication page. Empty after a decline.
	next string
	// declined is why the attempt failed; the session stays open.
	declined *cardError
}

// attempt charges a card on an open session. The caller checked that the session is open.
func (c *change) attempt(cs *checkout, card testCard, plan *faults.Plan) paid {
	pi, ok := c.acct.intents.get(cs.Intent)
	if !ok {
		pi = c.newIntent(cs)
	}
	cs.Card, cs.Expires = card.name, card.used().expires()
	c.save(rowCheckout, cs.ID)
	pi.Method = "pm_" + rand.Text()
	if code, ok := plan.Decline(); ok {
		card.does, card.code = declines, code
	}
	pi.Short = 0
	if plan.Has(faults.WrongAmount) {
		pi.Short = 1
	}
	if slow, ok := plan.Rule(faults.SlowSettle); ok && (card.does == pays || card.does == paysLater) {
		card.does = paysLater
		return c.startSettling(cs, pi, card, time.Duration(slow.DelayMS)*time.Millisecond)
	}
	if card.used().expired(c.now) {
		return c.decline(pi, card, declineError("expired_card"))
	}
	switch card.does {
	case declines:
		return c.decline(pi, card, declineError(card.code))
	case asksBuyer:
		pi.Status, pi.LastError = needsAction, nil
		c.raiseIntent("payment_intent.requires_action", pi)
		return paid{next: c.s.payURL(cs) + "/authenticate"}
	case paysLater, failsLater:
		return c.startSettling(cs, pi, card, c.s.opts.SettleDelay)
	case neverSettles:
		return c.startSettling(cs, pi, card, 0)
	case pays, isDisputed, isInquired, refundsSlowly, refundsFail:
		return c.authorize(cs, pi, card)
	default:
		panic("stripe stand-in: unknown behaviour " + string(card.does))
	}
}

// authenticate ends 3-D Secure, which the buyer passed or did not.
func (c *change) authenticate(cs *checkout, pi *intent, passed bool, plan *faults.Plan) paid {
	card, _ := c.s.card(cs.Card)
	card, _ = card.ending(cs.Expires)
	if code, ok := plan.Decline(); ok {
		return c.decline(pi, card, declineError(code))
	}
	if !passed {
		pi.Status, pi.LastError = needsMethod, authenticationFailed()
		pi.Attempts++
		c.raiseIntent("payment_intent.payment_failed", pi)
		return paid{declined: pi.LastError}
	}
	if plan.Has(faults.WrongAmount) {
		pi.Short = 1
	}
	return c.authorize(cs, pi, card)
}

func (c *change) decline(pi *intent, card testCard, e *cardError) paid {
	ch := c.newCharge(pi, card, pi.Amount)
	e.Charge = ch.ID
	ch.Status, ch.Failure = chargeFailed, e
	pi.Status, pi.LastError = needsMethod, e
	c.raiseCharge("charge.failed", ch, pi.lane())
	c.raiseIntent("payment_intent.payment_failed", pi)
	return paid{declined: e}
}

// authorize takes the money, or holds it when capture is manual, and completes the session.
func (c *change) authorize(cs *checkout, pi *intent, card testCard) paid {
	ch := c.newCharge(pi, card, max(1, pi.Amount-pi.Short))
	ch.Status = chargeSucceeded
	pi.LastError = nil
	cs.Status = checkoutComplete
	c.remember(cs, pi, card)
	if pi.Spec.CaptureMethod == captureManual {
		pi.Status, pi.Capturable = needsCapture, ch.Amount
		pi.CaptureBefore = c.now.Add(holdFor).Unix()
		ch.CaptureBefore = pi.CaptureBefore
		c.s.schedule(pi.CaptureBefore, dueHold, c.acct, pi.ID)
		c.raiseCharge("charge.succeeded", ch, cs.ID)
		c.raiseIntent("payment_intent.amount_capturable_updated", pi)
	} else {
		c.take(pi, ch)
	}
	c.save(rowCheckout, cs.ID)
	c.raise("checkout.session.completed", cs.ID, c.s.checkoutObject(c.acct, cs, nil))
	c.objected(ch)
	return paid{next: successURL(cs)}
}

// take books a charge that is captured at once.
func (c *change) take(pi *intent, ch *charge) {
	ch.Status, ch.Captured, ch.AmountCaptured = chargeSucceeded, true, ch.Amount
	c.bookCharge(ch)
	pi.Status, pi.Received = succeeded, ch.Amount
	if cs, ok := c.acct.checkouts.get(pi.Checkout); ok {
		cs.PaymentStatus = statusPaid
		c.save(rowCheckout, cs.ID)
	}
	c.raiseCharge("charge.succeeded", ch, pi.lane())
	c.raiseIntent("payment_intent.succeeded", pi)
}

// startSettling completes the session while the money is on its way; after is zero when only a hand can settle it.
func (c *change) startSettling(cs *checkout, pi *intent, card testCard, after time.Duration) paid {
	c.remember(cs, pi, card)
	c.process(pi, card, after)
	cs.Status = checkoutComplete
	c.save(rowCheckout, cs.ID)
	c.raise("checkout.session.completed", cs.ID, c.s.checkoutObject(c.acct, cs, nil))
	return paid{next: successURL(cs)}
}

// process puts money on its way.
func (c *change) process(pi *intent, card testCard, after time.Duration) {
	ch := c.newCharge(pi, card, max(1, pi.Amount-pi.Short))
	ch.Status = chargePending
	pi.Status, pi.LastError, pi.SettleFails, pi.SettleAt = processing, nil, card.does == failsLater, 0
	if after > 0 {
		pi.SettleAt = secondsUp(c.now.Add(after))
		c.s.schedule(pi.SettleAt, dueSettlement, c.acct, pi.ID)
	}
	c.raiseCharge("charge.pending", ch, pi.lane())
	c.raiseIntent("payment_intent.processing", pi)
}

// secondsUp rounds a deadline up to the seconds that timestamps have.
func secondsUp(t time.Time) int64 { return t.Add(time.Second - time.Nanosecond).Unix() }

// settle decides a processing payment.
func (c *change) settle(pi *intent, succeeds bool) {
	cs, page := c.acct.checkouts.get(pi.Checkout)
	ch, _ := c.acct.charges.get(pi.LatestCharge)
	pi.SettleAt = 0
	if !succeeds {
		ch.Status, ch.Failure = chargeFailed, bankFailed()
		ch.Failure.Charge = ch.ID
		pi.Status, pi.LastError = needsMethod, ch.Failure
		c.raiseCharge("charge.failed", ch, pi.lane())
		c.raiseIntent("payment_intent.payment_failed", pi)
		if page {
			c.raise("checkout.session.async_payment_failed", cs.ID, c.s.checkoutObject(c.acct, cs, nil))
		}
		return
	}
	if pi.Spec.CaptureMethod == captureManual {
		// Bank debits cannot be held at Stripe; only a slow_settle fault brings a card here. It is taken all the same.
		pi.Capturable = 0
	}
	c.take(pi, ch)
	if page {
		c.raise("checkout.session.async_payment_succeeded", cs.ID, c.s.checkoutObject(c.acct, cs, nil))
	}
}

// successURL is the shop's page with the session's id in it; only the literal placeholder is replaced.
func successURL(cs *checkout) string {
	return strings.ReplaceAll(cs.SuccessURL, "{CHECKOUT_SESSION_ID}", cs.ID)
}

func (s *Server) payURL(cs *checkout) string { return s.opts.PublicURL + "/c/pay/" + cs.ID }
