package chaos

import "tillflow/standin/shopify"

// settled is a paid sale of which the shop has heard.
func (a *author) settled(kind shopify.PaymentKind) []Step { return a.settledBy(kind, "success") }

func (a *author) settledBy(kind shopify.PaymentKind, card string) []Step {
	s := a.alone(kind)
	return []Step{{Do: Begin, Sale: s}, {Do: Choose, Sale: s}, {Do: Pay, Sale: s, Card: card}, {Do: Await, Sale: s}}
}

// anyRefund is a plot in which money goes back, wanted or not.
func (a *author) anyRefund() []Step {
	return one(a, a.refunded, a.refunded, func() []Step { return a.twoTabs(shopify.KindSale) })()
}

func (a *author) refunded() []Step { return a.refundedBy("success") }

// refundedBy refunds once, in parts, or more than there is, at the same time or not.
func (a *author) refundedBy(card string) []Step {
	steps := a.settledBy(shopify.KindSale, card)
	if a.IntN(5) == 0 {
		steps = steps[:len(steps)-1] // the shop does not wait for the answer
	}
	return append(steps, a.refunds(steps[0].Sale)...)
}

func (a *author) refunds(sale int) []Step {
	parts := one(a, []int{100}, []int{40, 60}, []int{60, 60}, []int{50, 50, 50}, []int{30, 200, 30}, []int{100, 100}, []int{0, 10})
	var steps []Step
	for _, part := range parts {
		steps = append(steps, Step{Do: Refund, Sale: sale, N: part, Along: len(steps) > 0 && a.IntN(3) > 0})
	}
	if a.IntN(3) == 0 {
		steps = append(steps, Step{Do: MoveAgain, Sale: sale, N: 1 + a.IntN(3), Along: a.IntN(2) == 0})
	}
	return steps
}

// captured captures all or a part of a hold, and goes on from there.
func (a *author) captured() []Step {
	steps := a.settled(shopify.KindAuthorization)
	sale := steps[0].Sale
	steps = append(steps, Step{Do: Capture, Sale: sale, N: one(a, 100, 100, 70, 30)})
	switch a.IntN(5) {
	case 0:
		steps = append(steps, Step{Do: Capture, Sale: sale, N: one(a, 100, 30), Along: a.IntN(2) == 0})
	case 1:
		steps = append(steps, Step{Do: Void, Sale: sale, Along: a.IntN(2) == 0})
	case 2, 3:
		steps = append(steps, a.refunds(sale)...)
	}
	return steps
}

func (a *author) voided() []Step {
	steps := a.settled(shopify.KindAuthorization)
	sale := steps[0].Sale
	steps = append(steps, Step{Do: Void, Sale: sale})
	switch a.IntN(4) {
	case 0:
		steps = append(steps, Step{Do: Capture, Sale: sale, N: 100, Along: a.IntN(2) == 0})
	case 1:
		steps = append(steps, Step{Do: Void, Sale: sale, Along: a.IntN(2) == 0})
	case 2:
		steps = append(steps, Step{Do: Refund, Sale: sale, N: 50, Along: a.IntN(2) == 0})
	}
	return steps
}

// refusable asks for what cannot be.
func (a *author) refusable(mutation string) []Step {
	switch mutation {
	case captureReject:
		steps := a.settled(one(a, shopify.KindSale, shopify.KindAuthorization))
		return append(steps, Step{Do: Capture, Sale: steps[0].Sale, N: one(a, 0, 200)})
	case voidReject:
		steps := a.settled(shopify.KindSale)
		return append(steps, Step{Do: Void, Sale: steps[0].Sale})
	}
	steps := a.settled(one(a, shopify.KindSale, shopify.KindAuthorization))
	return append(steps, Step{Do: Refund, Sale: steps[0].Sale, N: one(a, 0, 200)})
}

// elsewhere refunds in the dashboard too.
func (a *author) elsewhere() []Step {
	steps := a.settled(shopify.KindSale)
	sale := steps[0].Sale
	return append(steps,
		Step{Do: Refund, Sale: sale, N: one(a, 30, 60)},
		Step{Do: Dashboard, Sale: sale, N: one(a, 30, 60, 100), Along: a.IntN(2) == 0},
		Step{Do: Refund, Sale: sale, N: one(a, 30, 60), Along: a.IntN(2) == 0})
}

// disputed has the bank take money back, and perhaps return it.
func (a *author) disputed(won bool) []Step {
	steps := a.settled(shopify.KindSale)
	sale := steps[0].Sale
	if a.IntN(2) == 0 {
		steps = append(steps, Step{Do: Refund, Sale: sale, N: 30})
	}
	steps = append(steps, Step{Do: Object, Sale: sale, N: one(a, 40, 100)})
	if a.IntN(2) == 0 {
		steps = append(steps, Step{Do: Refund, Sale: sale, N: one(a, 30, 60), Along: a.IntN(2) == 0})
	}
	if won {
		steps = append(steps, Step{Do: Win, Sale: sale, Wait: one(a, 0, 500)})
	}
	return steps
}

// meddled says that money moves without the service in this story.
func (s Story) meddled() bool {
	for _, step := range s.Steps {
		if step.Do == Dashboard || step.Do == Object {
			return true
		}
	}
	return false
}
