package stripe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"tillflow/standin/faults"
)

// payByJSON does what a buyer does, for load tests: {"card": number or name, "authenticate": "complete" or "fail"}
// answers {"return_url"}, or 402 with the decline.
func (s *Server) payByJSON(v *visit) faults.Reply {
	var in struct {
		Card         string `json:"card"`
		Authenticate string `json:"authenticate"`
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
	result := v.attempt(cs, card, v.plan)
	if pi, _ := v.acct.intents.get(cs.Intent); pi.Status == needsAction {
		result = v.authenticate(cs, pi, in.Authenticate != "fail", v.plan)
	}
	if result.declined != nil {
		return problem(declined402(result.declined))
	}
	return jsonReply(http.StatusOK, encode(object{"return_url": result.next}))
}

// settleByHand decides a processing payment or a refund: POST /_settle/{cs_… or re_…}?result=succeeded|failed. A
// refund that succeeded may still fail, as at Stripe.
func (s *Server) settleByHand(v *visit) faults.Reply {
	result := v.form.Get("result")
	if result != "succeeded" && result != "failed" {
		return problem(invalid("", "result", "result must be succeeded or failed"))
	}
	if cs, ok := v.session(); ok {
		pi, ok := v.acct.intents.get(cs.Intent)
		if !ok || pi.Status != processing {
			return problem(refused("", "Nothing is processing on "+cs.ID+"."))
		}
		v.settle(pi, result == "succeeded")
		return jsonReply(http.StatusOK, encode(v.acct.intentObject(pi, nil)))
	}
	for _, a := range s.accounts {
		re, ok := a.refunds.get(v.id)
		if !ok {
			continue
		}
		v.acct = a
		if re.Status == refundFailed || (re.Status == refundSucceeded && result == "succeeded") {
			return problem(refused("", "Refund "+re.ID+" is "+string(re.Status)+"."))
		}
		failure := ""
		if result == "failed" {
			failure = "unknown"
		}
		v.settleRefund(re, failure)
		return jsonReply(http.StatusOK, encode(a.refundObject(re, nil)))
	}
	return problem(missing("checkout.session or refund", v.id, "id"))
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
	for _, a := range s.accounts {
		pi, ok := a.intents.get(in.Intent)
		if !ok {
			continue
		}
		v.acct = a
		ch, ok := a.charges.get(pi.LatestCharge)
		if !ok || in.Amount < 0 {
			return problem(refused("", "Nothing to refund."))
		}
		amount := in.Amount
		if amount == 0 {
			amount = ch.AmountCaptured - ch.AmountRefunded
		}
		if refusal := v.refundable(ch, amount); refusal != nil {
			return problem(refusal)
		}
		re := &refund{
			Charge: ch.ID, Intent: pi.ID, Amount: amount, Currency: ch.Currency, Metadata: map[string]string{}, Dashboard: true,
		}
		v.refund(re, ch, v.plan)
		return jsonReply(http.StatusOK, encode(a.refundObject(re, nil)))
	}
	return problem(missing("payment_intent", in.Intent, "payment_intent"))
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
