package chaos

import (
	"math/rand/v2"
	"slices"

	"tillflow/standin/faults"
	"tillflow/standin/shopify"
)

// author draws one story.
type author struct {
	*rand.Rand
	story Story
	plots [][]Step
}

// stride leads neighbouring seeds to cells far from each other, so that a short run is a fair sample. It is a prime
// larger than any number of cells.
const stride = 7919

// Draw makes the story of a seed. Each seed leads with one cell, in turn, so that a run of some length meets every
// fault at every operation; what happens around it is random.
func Draw(seed uint64) Story {
	//nolint:gosec // stories are repeatable on purpose
	a := &author{Rand: rand.New(rand.NewPCG(seed, 0x7469_6c6c_666c_6f77)), story: Story{Seed: seed}}
	all := Cells()
	a.lead(leading(seed))
	for a.IntN(3) == 0 && len(a.story.Sales) < 4 {
		a.plots = append(a.plots, a.anyPlot())
	}
	a.weave()
	a.spice()
	for a.IntN(2) == 0 && len(a.story.Faults) < 5 {
		a.fault(all[a.IntN(len(all))])
	}
	return a.story
}

// leading is the cell that a seed leads with. Those that a story only meets with
// luck are led with twice as often.
func leading(seed uint64) Cell {
	all := Cells()
	for _, c := range Cells() {
		if c.On == runOfBack || c.On == disputeClosed {
			all = append(all, c)
		}
	}
	return all[(seed*stride)%uint64(len(all))]
}

// one picks one of a list.
func one[T any](a *author, list ...T) T { return list[a.IntN(len(list))] }

// sale adds a sale and answers its number.
func (a *author) sale(kind shopify.PaymentKind, group int) int {
	s := Sale{Kind: kind, Minor: 100 + a.Int64N(100_000), Currency: one(a, "EUR", "EUR", "USD", "JPY"), Group: group}
	if n := len(a.story.Sales); group < n {
		first := a.story.Sales[group]
		s.Minor, s.Currency = first.Minor, first.Currency // the same basket
	}
	a.story.Sales = append(a.story.Sales, s)
	return len(a.story.Sales) - 1
}

func (a *author) alone(kind shopify.PaymentKind) int { return a.sale(kind, len(a.story.Sales)) }

func (a *author) anyKind() shopify.PaymentKind {
	return one(a, shopify.KindSale, shopify.KindSale, shopify.KindAuthorization)
}

// The plots: what ordinary and less ordinary buyers do.

func (a *author) paid(kind shopify.PaymentKind) []Step {
	s := a.alone(kind)
	steps := []Step{{Do: Begin, Sale: s}, {Do: Choose, Sale: s}}
	if a.IntN(4) == 0 {
		steps = append(steps, Step{Do: Pay, Sale: s, Card: one(a, "insufficient_funds", "generic_decline")})
	}
	steps = append(steps, Step{Do: Pay, Sale: s, Card: one(a, "success", "success", "three_d_secure")})
	if a.IntN(4) > 0 {
		steps = append(steps, Step{Do: Return, Sale: s})
	}
	return steps
}

func (a *author) debit(card string) []Step {
	s := a.alone(shopify.KindSale)
	steps := []Step{{Do: Begin, Sale: s}, {Do: Choose, Sale: s}, {Do: Pay, Sale: s, Card: card}, {Do: Return, Sale: s}}
	if card == "delayed_failure" && a.IntN(2) == 0 {
		steps = append(steps, Step{Do: Choose, Sale: s, Wait: 2500}, Step{Do: Pay, Sale: s, Card: "success"})
	}
	return steps
}

func (a *author) left() []Step {
	s := a.alone(a.anyKind())
	steps := []Step{{Do: Begin, Sale: s}, {Do: Choose, Sale: s}, {Do: Leave, Sale: s}}
	if a.IntN(3) == 0 {
		steps = append(steps, Step{Do: PayLate, Sale: s, Wait: 500})
	}
	if a.IntN(3) == 0 { // pays while the page is being shut
		steps = append(steps, Step{Do: Pay, Sale: s, Card: "success", Along: true})
	}
	return steps
}

func (a *author) abandoned() []Step {
	s := a.alone(a.anyKind())
	steps := []Step{{Do: Begin, Sale: s}}
	if a.IntN(2) == 0 {
		steps = append(steps, Step{Do: Choose, Sale: s})
	}
	return steps
}

// otherWay changes the way to pay, and may pay both.
func (a *author) otherWay() []Step {
	s := a.alone(a.anyKind())
	steps := []Step{
		{Do: Begin, Sale: s},
		{Do: Choose, Sale: s},
		{Do: Choose, Sale: s, N: 1, Along: a.IntN(2) == 0},
		{Do: Pay, Sale: s, N: 1, Card: "success"},
	}
	if a.IntN(2) == 0 {
		steps = append(steps, Step{Do: Pay, Sale: s, Card: "success", Along: true})
	}
	return steps
}

// twoTabs pays two sessions of one checkout.
func (a *author) twoTabs(kind shopify.PaymentKind) []Step {
	first := a.alone(kind)
	second := a.sale(kind, first)
	return []Step{
		{Do: Begin, Sale: first},
		{Do: Begin, Sale: second, Along: a.IntN(2) == 0},
		{Do: Choose, Sale: first},
		{Do: Choose, Sale: second, Along: true},
		{Do: Pay, Sale: first, Card: "success"},
		{Do: Pay, Sale: second, Card: "success", Along: a.IntN(3) > 0},
	}
}

func (a *author) anyPlot() []Step {
	switch a.IntN(14) {
	case 0, 1:
		return a.paid(a.anyKind())
	case 2:
		return a.debit(one(a, "delayed_success", "delayed_failure"))
	case 3:
		return a.left()
	case 4:
		return a.abandoned()
	case 5:
		return a.otherWay()
	case 6, 7:
		return a.twoTabs(a.anyKind())
	case 8, 9:
		return a.anyRefund()
	case 10:
		return a.captured()
	case 11:
		return a.voided()
	case 12:
		return one(a, a.elsewhere, func() []Step { return a.disputed(true) })()
	default:
		return a.paid(shopify.KindAuthorization)
	}
}

// weave mixes the plots; each keeps its own order.
func (a *author) weave() {
	for len(a.plots) > 0 {
		i := a.IntN(len(a.plots))
		a.story.Steps = append(a.story.Steps, a.plots[i][0])
		if a.plots[i] = a.plots[i][1:]; len(a.plots[i]) == 0 {
			a.plots = slices.Delete(a.plots, i, i+1)
		}
	}
}

// spice puts what nobody plans between the steps.
func (a *author) spice() {
	for a.IntN(3) > 0 && len(a.story.Steps) < 16 {
		step := Step{Sale: a.IntN(len(a.story.Sales)), N: a.IntN(3), Along: a.IntN(3) == 0}
		step.Do = one(a, Repeat, Repeat, DoubleClick, Choose, Return, Retry, Note, Expire, Decide, Reset, Terminate, Delete,
			ResetBack, StopBack, DeleteBack, Echo, Forge, Foreign, Leave, Refund, MoveAgain, MoveAgain, ResetMove, StopMove, LoseMove)
		switch step.Do {
		case Repeat:
			step.N = 1 + a.IntN(4)
		case MoveAgain:
			step.N = 1 + a.IntN(3)
		case Refund:
			step.N = one(a, 30, 60, 100)
		case Reset, ResetBack, ResetMove:
			step.N = a.IntN(4)
		}
		at := 1 + a.IntN(len(a.story.Steps))
		a.story.Steps = slices.Insert(a.story.Steps, at, step)
	}
	for i := range a.story.Steps {
		if a.IntN(4) == 0 && a.story.Steps[i].Wait == 0 {
			a.story.Steps[i].Wait = one(a, 20, 100, 300, 1200)
		}
	}
	if a.IntN(10) == 0 {
		a.story.StaleToken = true
	}
	if a.IntN(120) == 0 { // such a story has the world to itself for some seconds
		skip := Step{Do: Skip, N: one(a, 5, 45, 25*60)}
		a.story.Steps = slices.Insert(a.story.Steps, 1+a.IntN(len(a.story.Steps)), skip)
	}
}

// fault arms a cell somewhere in the story; cells of runs are steps and are left out here.
func (a *author) fault(c Cell) {
	if c.Side == OfRun || c.Fault == string(faults.WebhookDrop) && a.story.meddled() && !slices.Contains(charges.messages, c.On) {
		return
	}
	f := Fault{At: c.Side, Call: c.On, Kind: faults.Kind(c.Fault), Nth: 1 + a.IntN(2), Times: one(a, 1, 1, 1, 2, 3)}
	if a.IntN(12) == 0 {
		f.Times = -1
	}
	a.story.Faults = append(a.story.Faults, f)
}

// strike arms a fault that must meet its call: the first one.
func (a *author) strike(side Side, call string, kind faults.Kind) {
	a.story.Faults = append(a.story.Faults, Fault{At: side, Call: call, Kind: kind, Nth: 1, Times: 1})
}
