package psptest

import (
	"context"
	"time"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// Exercise makes a connector send every kind of request that it can, with
// optional parts present and absent, and gives what each call came to, by name.
// The caller looks at the requests: it records them, or has them judged by the
// provider's published description. What the answers mean does not matter, so
// an error here is no failure; now is a moment at which the look-ups are old.
func Exercise(ctx context.Context, c psp.Connector, acc psp.Account, now time.Time) map[string]error {
	e := exercise{ctx: ctx, connector: c, acc: acc, now: now, results: map[string]error{}}
	if v, ok := c.(psp.Verifier); ok {
		e.results["verify"] = v.VerifyAccount(ctx, acc)
	}
	if r, ok := c.(psp.Redirector); ok {
		e.checkouts(r)
	}
	if r, ok := c.(psp.Recurrer); ok {
		e.recurring(r)
	}
	m := psp.Move{AttemptID: "att-2", Key: "tf:p:move:2", PaymentRef: "pi_1", Amount: money.New(1230, "EUR")}
	explained := m
	explained.Reason, explained.Key = "requested_by_customer", "tf:p:move:3"
	if capturer, ok := c.(psp.Capturer); ok {
		_, e.results["capture"] = capturer.Capture(ctx, acc, m)
	}
	if voider, ok := c.(psp.Voider); ok {
		_, e.results["void"] = voider.Void(ctx, acc, m)
		_, e.results["void with a reason"] = voider.Void(ctx, acc, explained)
	}
	if refunder, ok := c.(psp.Refunder); ok {
		_, e.results["refund"] = refunder.Refund(ctx, acc, m)
		_, e.results["refund with a reason"] = refunder.Refund(ctx, acc, explained)
	}
	if lister, ok := c.(psp.ElsewhereLister); ok {
		_, e.results["list what moved elsewhere"] = lister.ListElsewhere(ctx, acc, "pi_1")
	}
	for _, op := range []payment.Operation{payment.OpCapture, payment.OpVoid, payment.OpRefund, payment.OpReversal} {
		e.inquire("look at a "+string(op), psp.Ref{AttemptID: "att-2", Operation: op, PaymentRef: "pi_1"})
	}
	e.inquire("look at a refund by id", psp.Ref{
		AttemptID: "att-2", Operation: payment.OpRefund, PaymentRef: "pi_1", Ref: "re_1",
	})
	return e.results
}

type exercise struct {
	ctx       context.Context //nolint:containedctx // lives as long as the one call of Exercise
	connector psp.Connector
	acc       psp.Account
	now       time.Time
	results   map[string]error
}

func (e *exercise) checkouts(r psp.Redirector) {
	c := psp.Checkout{
		AttemptID: "att-1", Key: "tf:p:charge:1", Kind: payment.Sale, Amount: money.New(1230, "EUR"),
		Description: "Order 1001", ReturnURL: "https://pay.example.test/return/x", CancelURL: "https://pay.example.test/pay/x",
		ExpiresAt: e.now.Add(time.Hour), Locale: "de-AT",
	}
	_, e.results["open a sale"] = r.OpenCheckout(e.ctx, e.acc, c)
	for _, currency := range []money.Currency{"JPY", "BHD", "ISK"} {
		c.Amount, c.Key = money.New(12340, currency), "tf:p:charge:"+string(currency)
		_, e.results["open a sale in "+string(currency)] = r.OpenCheckout(e.ctx, e.acc, c)
	}
	_, e.results["open an authorization with the least"] = r.OpenCheckout(e.ctx, e.acc, psp.Checkout{
		AttemptID: "att-1", Key: "tf:p:charge:2", Kind: payment.Authorization, Amount: money.New(1230, "USD"),
		ReturnURL: "https://pay.example.test/return/x",
	})
	known := psp.Ref{AttemptID: "att-1", Operation: payment.OpCharge, Kind: payment.Sale, Ref: "cs_1"}
	_, e.results["close"] = r.CloseCheckout(e.ctx, e.acc, known)
	e.inquire("look at a charge", known)
	e.inquire("look for a charge by its payment", psp.Ref{
		AttemptID: "att-1", Operation: payment.OpCharge, Kind: payment.Sale, PaymentRef: "pi_1",
	})
	e.inquire("look for a charge by reference", psp.Ref{
		AttemptID: "att-1", Operation: payment.OpCharge, Kind: payment.Sale, FirstSent: e.now.Add(-24 * time.Hour),
	})
}

func (e *exercise) recurring(r psp.Recurrer) {
	if redirector, ok := r.(psp.Redirector); ok {
		_, e.results["open a sale whose method is kept"] = redirector.OpenCheckout(e.ctx, e.acc, psp.Checkout{
			AttemptID: "att-1", Key: "tf:p:charge:3", Kind: payment.Sale, Amount: money.New(1230, "EUR"),
			ReturnURL: "https://pay.example.test/return/x", Remember: true,
		})
	}
	_, e.results["look for a kept method"] = r.MethodOf(e.ctx, e.acc, "pi_1")
	charge := psp.Recurring{
		AttemptID: "att-3", Key: "tf:p:charge:4", Customer: "cus_1", Method: "pm_1", Amount: money.New(1230, "EUR"),
	}
	_, e.results["charge a kept method"] = r.ChargeMethod(e.ctx, e.acc, charge)
	charge.Key, charge.Description, charge.Amount = "tf:p:charge:5", "Membership, November", money.New(12340, "BHD")
	_, e.results["charge a kept method with a description"] = r.ChargeMethod(e.ctx, e.acc, charge)
	ref := psp.Ref{AttemptID: "att-3", Operation: payment.OpCharge, Kind: payment.Sale, Customer: "cus_1", Ref: "pi_1"}
	e.inquire("look at a charge of a kept method", ref)
	ref.Ref, ref.FirstSent = "", e.now.Add(-24*time.Hour)
	e.inquire("look for a charge of a kept method by reference", ref)
}

func (e *exercise) inquire(name string, ref psp.Ref) {
	_, e.results[name] = e.connector.Inquire(e.ctx, e.acc, ref)
}
