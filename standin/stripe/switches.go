package stripe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"

	"tillflow/standin/faults"
)

// payByJSON does what a buyer does, for load tests: {"card": number or name, "authenticate": "complete" or "fail",
// "expires": "MM/YY"} answers {"return_url"}, or 402 with the decline.
func (s *Server) payByJSON(v *visit) faults.Reply {
	var in struct {
		Card         string `json:"card"`
		Authenticate string `json:"authenticate"`
		Expires      string `json:"expires"`
	}
	if err := decodeStrict(v.body, &in); err != nil {
		return problem(invalid("", "", err.Error()))
	}
	cs, ok := v.session()
	if !ok {
		return problem(missing("checkout.session", v.id, "session"))
	}
	if cs.Status != checkoutOpen {
		return problem(refused("", "This Checkout Session is "+string(cs.Status)+"."))
	}
	card, ok := s.card(in.Card)
	if !ok || !slices.Contains(cs.Methods, card.method) {
		return problem(invalid("", "card", "Not one of the test cards this session takes: send a number or a name."))
	}
	if card, ok = card.ending(in.Expires); !ok {
		return problem(invalid("", "expires", "expires must be MM/YY"))
	}
	result := v.attempt(cs, card, v.plan)
	if pi, _ := v.acct.intents.get(cs.Intent); pi.Status == needsAction {
		result = v.authenticate(cs, pi, in.Authenticate != "fail", v.plan)
	}
	if result.declined != nil {
		return problem(declined402(result.declined))
	}
	return jsonReply(http.StatusOK, encode(object{"return_url": result.next}))
}

// settleByHand decides a processing payment or a refund: POST /_settle/{cs_…, pi_… or re_…}?result=succeeded|failed, and
// canceled for a pending refund. A refund that succeeded may still fail, as at Stripe; reason= is why.
func (s *Server) settleByHand(v *visit) faults.Reply {
	result := v.form.Get("result")
	if !slices.Contains([]string{"succeeded", "failed", "canceled"}, result) {
		return problem(invalid("", "result", "result must be succeeded, failed or canceled"))
	}
	if cs, ok := v.session(); ok {
		pi, ok := v.acct.intents.get(cs.Intent)
		if !ok || pi.Status != processing || result == "canceled" {
			return problem(refused("", "Nothing is processing on "+cs.ID+"."))
		}
		v.settle(pi, result == "succeeded")
		return jsonReply(http.StatusOK, encode(v.acct.intentObject(pi, nil)))
	}
	if pi, ok := v.intent(v.id); ok {
		if pi.Status != processing || result == "canceled" {
			return problem(refused("", "Nothing is processing on "+pi.ID+"."))
		}
		v.settle(pi, result == "succeeded")
		return jsonReply(http.StatusOK, encode(v.acct.intentObject(pi, nil)))
	}
	for _, a := range s.accounts {
		if re, ok := a.refunds.get(v.id); ok {
			v.acct = a
			return v.settleRefundByHand(re, result)
		}
	}
	return problem(missing("checkout.session or refund", v.id, "id"))
}

func (v *visit) settleRefundByHand(re *refund, result string) faults.Reply {
	reason := v.form.Get("reason")
	switch {
	case re.Release, !re.Status.counts(), re.Status == refundSucceeded && result != "failed":
		return problem(refused("", "Refund "+re.ID+" is "+string(re.Status)+"."))
	case result == "succeeded":
		re.FailsAs = ""
		v.settleRefund(re)
	case result == "canceled":
		v.endRefund(re, refundCanceled, "merchant_request")
	default:
		if reason == "" {
			reason = "unknown"
		}
		v.endRefund(re, refundFailed, reason)
	}
	return jsonReply(http.StatusOK, encode(v.acct.refundObject(re, nil)))
}

// payLate is a fault that Stripe promises never to show: POST /_late/{cs_…} makes an expired session paid after all,
// with the card that always pays, as if the expiry had crossed a payment that was on its way.
func (s *Server) payLate(v *visit) faults.Reply {
	cs, ok := v.session()
	if !ok {
		return problem(missing("checkout.session", v.id, "session"))
	}
	if cs.Status != checkoutExpired {
		return problem(refused("", "This Checkout Session is "+string(cs.Status)+" and not expired."))
	}
	card, ok := s.card("success")
	if !ok {
		panic("stripe stand-in: the card that pays is gone")
	}
	cs.Intent = "" // what the expiry canceled stays so: the payment is another one
	result := v.attempt(cs, card, v.plan)
	if result.declined != nil {
		return problem(declined402(result.declined))
	}
	return jsonReply(http.StatusOK, encode(s.checkoutObject(v.acct, cs, nil)))
}

// refundByHand is a refund that somebody made at the dashboard: {"payment_intent", "amount"}; no amount is all of it.
func (s *Server) refundByHand(v *visit) faults.Reply {
	var in struct {
		Intent string `json:"payment_intent"`
		Amount int64  `json:"amount"`
	}
	if err := decodeStrict(v.body, &in); err != nil {
		return problem(invalid("", "", err.Error()))
	}
	return v.refundElsewhere(in.Intent, in.Amount)
}

// refundByButton is the same without a body: POST /_refund/{pi_…}?amount=.
func (s *Server) refundByButton(v *visit) faults.Reply {
	amount, refusal := v.amount()
	if refusal != nil {
		return problem(refusal)
	}
	return v.refundElsewhere(v.id, amount)
}

func (v *visit) refundElsewhere(intentID string, amount int64) faults.Reply {
	pi, ok := v.intent(intentID)
	if !ok {
		return problem(missing("payment_intent", intentID, "payment_intent"))
	}
	ch, ok := v.acct.charges.get(pi.LatestCharge)
	if !ok || amount < 0 {
		return problem(refused("", "Nothing to refund."))
	}
	if amount == 0 {
		amount = ch.left()
	}
	if refusal := v.refundable(ch, amount); refusal != nil {
		return problem(refusal)
	}
	re := &refund{
		Charge: ch.ID, Intent: pi.ID, Amount: amount, Currency: ch.Currency, Metadata: map[string]string{}, Dashboard: true,
	}
	v.refund(re, ch, v.plan)
	return jsonReply(http.StatusOK, encode(v.acct.refundObject(re, nil)))
}

// amount is the parameter of that name in minor units; zero when it is not given.
func (v *visit) amount() (int64, *apiError) {
	typed := v.form.Get("amount")
	if typed == "" {
		return 0, nil
	}
	amount, err := strconv.ParseInt(typed, 10, 64)
	if err != nil || amount < 1 {
		return 0, invalid("parameter_invalid_integer", "amount", "Invalid positive integer")
	}
	return amount, nil
}

// intent finds a PaymentIntent of any account and makes the change one of that account.
func (v *visit) intent(id string) (*intent, bool) {
	for _, a := range v.s.accounts {
		if pi, ok := a.intents.get(id); ok {
			v.acct = a
			return pi, true
		}
	}
	return nil, false
}

func decodeStrict(body []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("decode body: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("decode body: more than one JSON value")
	}
	return nil
}

func problem(e *apiError) faults.Reply { return jsonReply(e.status, e.body()) }
