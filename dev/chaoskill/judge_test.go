package chaoskill

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// session is one of a checkout of 100.00, answered as its state says.
func session(kind shopify.SessionType, id, amount string, state shopify.State) shopify.Session {
	op := string(kind) + "SessionResolve"
	if state == shopify.StateRejected {
		op = string(kind) + "SessionReject"
	}
	s := shopify.Session{
		ID: id, GID: "gid/" + id, Type: kind, Checkout: "c", Amount: amount, State: state, PaymentID: "p",
		Final: &shopify.Final{Op: op}, Mutations: []shopify.Mutation{{Op: op, Result: shopify.ResultEffective}},
	}
	if kind == shopify.PaymentSession {
		s.Kind, s.PaymentID = shopify.KindSale, ""
	}
	return s
}

const (
	yes = shopify.StateResolved
	no  = shopify.StateRejected
)

func sold(state shopify.State) shopify.Session {
	return session(shopify.PaymentSession, "p", "100.00", state)
}

func held() shopify.Session {
	s := sold(yes)
	s.Kind = shopify.KindAuthorization
	return s
}

func pi(id string, held, captured, refunded int64) stripe.IntentEntry {
	return stripe.IntentEntry{ID: id, Amount: 10000, Held: held, Captured: captured, Refunded: refunded}
}

func re(intent string, amount int64) stripe.RefundEntry {
	return stripe.RefundEntry{ID: "re", Intent: intent, Amount: amount, Status: "succeeded"}
}

// verdict judges books and answers the kinds of violation.
func verdict(sessions []shopify.Session, account stripe.AccountBooks) []string {
	b := &batch{}
	for _, s := range sessions {
		b.answer(s)
	}
	for _, c := range checkouts(sessions, account) {
		b.money(c)
	}
	kinds := []string{}
	for _, v := range b.found {
		kinds = append(kinds, v.Kind)
	}
	slices.Sort(kinds)
	return kinds
}

func TestJudge(t *testing.T) {
	t.Parallel()
	refund := func(id, amount string, state shopify.State) shopify.Session {
		return session(shopify.RefundSession, id, amount, state)
	}
	capture := func(amount string, state shopify.State) shopify.Session {
		return session(shopify.CaptureSession, "cp", amount, state)
	}
	void := func(state shopify.State) shopify.Session { return session(shopify.VoidSession, "vd", "", state) }
	second := session(shopify.PaymentSession, "p2", "100.00", no)
	late := sold(yes)
	late.Mutations = append(late.Mutations, shopify.Mutation{Op: "paymentSessionReject", Result: shopify.ResultRefused})
	unbelieved := refund("a", "40.00", yes)
	unbelieved.Mutations = slices.Insert(unbelieved.Mutations, 0, shopify.Mutation{Op: unbelieved.Final.Op, Result: shopify.ResultRefused})
	twice := sold(yes)
	twice.Mutations = append(twice.Mutations, twice.Mutations...)
	open := sold(shopify.StateOpen)
	open.Final = nil
	links := sold(yes)
	links.Posts.OtherRedirects = 1
	all := func(s ...shopify.Session) []shopify.Session { return s }
	type books = stripe.AccountBooks
	paid := books{Intents: []stripe.IntentEntry{pi("pi", 0, 10000, 0)}}

	for rule, c := range map[string]struct {
		sessions []shopify.Session
		books    books
		want     []string
	}{
		"a sale":                                   {all(sold(yes)), paid, nil},
		"a sale that nobody paid":                  {all(sold(no)), books{}, nil},
		"a sale told without money":                {all(sold(yes)), books{}, []string{wrongMoney}},
		"money of a refused sale":                  {all(sold(no)), paid, []string{wrongMoney, wrongRefunds}},
		"a sale taken twice":                       {all(sold(yes)), books{Intents: []stripe.IntentEntry{pi("a", 0, 10000, 0), pi("b", 0, 10000, 0)}}, []string{wrongMoney, wrongRefunds}},
		"a second winner that was given back":      {all(sold(yes), second), books{Intents: []stripe.IntentEntry{pi("a", 0, 10000, 0), pi("b", 0, 10000, 10000)}, Refunds: []stripe.RefundEntry{re("b", 10000)}}, nil},
		"two winners":                              {all(sold(yes), session(shopify.PaymentSession, "p2", "100.00", yes)), paid, []string{twoWinners}},
		"money that belongs to nobody":             {all(sold(yes)), books{Intents: []stripe.IntentEntry{pi("pi", 0, 10000, 0), {ID: "x", Amount: 5, Captured: 5}}}, []string{wrongMoney, wrongRefunds}},
		"a refund":                                 {all(sold(yes), refund("a", "40.00", yes)), books{Intents: []stripe.IntentEntry{pi("pi", 0, 10000, 4000)}, Refunds: []stripe.RefundEntry{re("pi", 4000)}}, nil},
		"a refund told and not made":               {all(sold(yes), refund("a", "40.00", yes)), paid, []string{wrongMoney, wrongRefunds}},
		"a refund made twice":                      {all(sold(yes), refund("a", "40.00", yes)), books{Intents: []stripe.IntentEntry{pi("pi", 0, 10000, 8000)}, Refunds: []stripe.RefundEntry{re("pi", 4000), re("pi", 4000)}}, []string{wrongMoney, wrongRefunds}},
		"a refund made though refused":             {all(sold(yes), refund("a", "40.00", no)), books{Intents: []stripe.IntentEntry{pi("pi", 0, 10000, 4000)}, Refunds: []stripe.RefundEntry{re("pi", 4000)}}, []string{wrongMoney, wrongRefunds, inVain}},
		"refunds of the right sum, cut wrongly":    {all(sold(yes), refund("a", "40.00", yes), refund("b", "20.00", yes)), books{Intents: []stripe.IntentEntry{pi("pi", 0, 10000, 6000)}, Refunds: []stripe.RefundEntry{re("pi", 3000), re("pi", 3000)}}, []string{wrongRefunds}},
		"a refund refused for no cause":            {all(sold(yes), refund("a", "40.00", no)), paid, []string{inVain}},
		"a refund refused because it is too large": {all(sold(yes), refund("a", "100.01", no)), paid, nil},
		"a hold":                          {all(held()), books{Intents: []stripe.IntentEntry{pi("pi", 10000, 0, 0)}}, nil},
		"a hold that is gone":             {all(held()), books{Intents: []stripe.IntentEntry{pi("pi", 0, 0, 0)}}, []string{wrongMoney}},
		"a capture of a part":             {all(held(), capture("60.00", yes), void(no)), books{Intents: []stripe.IntentEntry{pi("pi", 0, 6000, 0)}}, nil},
		"a capture of another amount":     {all(held(), capture("60.00", yes)), books{Intents: []stripe.IntentEntry{pi("pi", 0, 7000, 0)}}, []string{wrongMoney, wrongRefunds}},
		"a capture and a void":            {all(held(), capture("60.00", yes), void(yes)), books{Intents: []stripe.IntentEntry{pi("pi", 0, 6000, 0)}}, []string{wrongMoney}},
		"a void":                          {all(held(), void(yes), capture("60.00", no)), books{Intents: []stripe.IntentEntry{pi("pi", 0, 0, 0)}}, nil},
		"a void that let nothing go":      {all(held(), void(yes)), books{Intents: []stripe.IntentEntry{pi("pi", 10000, 0, 0)}}, []string{wrongMoney}},
		"a void refused for no cause":     {all(held(), void(no)), books{Intents: []stripe.IntentEntry{pi("pi", 10000, 0, 0)}}, []string{inVain}},
		"a capture refused for no cause":  {all(held(), capture("60.00", no)), books{Intents: []stripe.IntentEntry{pi("pi", 10000, 0, 0)}}, []string{inVain}},
		"the other answer":                {all(late), paid, []string{otherAnswer}},
		"an answer that was not believed": {all(sold(yes), unbelieved), books{Intents: []stripe.IntentEntry{pi("pi", 0, 10000, 4000)}, Refunds: []stripe.RefundEntry{re("pi", 4000)}}, []string{refusedAnswer}},
		"an answer twice":                 {all(twice), paid, []string{answeredTwice}},
		"no answer":                       {all(open), books{}, []string{unanswered}},
		"another link":                    {all(links), paid, []string{otherLink}},
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			if c.want == nil {
				c.want = []string{}
			}
			slices.Sort(c.want)
			require.Equal(t, c.want, verdict(c.sessions, c.books))
		})
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := newReport()
	require.Len(t, r.Faults, len(deck()))
	require.Len(t, r.thin(), len(deck())*len(operations()), "nothing was struck yet")
	for seed := range uint64(enough) {
		b := &batch{plan: Plan{Seed: 9 - seed}, faults: map[string]int{string(KillAPI): 1}, hits: table{}, sessions: map[string]int{"refund resolved": 2}}
		b.hits.add(string(KillAPI), "refund", 1)
		if seed > 2 {
			b.find(wrongMoney, "seed %d", seed)
		}
		r.add(b)
	}
	require.Equal(t, enough, r.Runs)
	require.Equal(t, enough, r.Faults[string(KillAPI)])
	require.Len(t, r.thin(), len(deck())*len(operations())-1)
	require.Equal(t, map[string]int{wrongMoney: 2}, r.Violations)
	require.Equal(t, uint64(5), *r.SmallestFailingSeed)
	require.Equal(t, 10, r.Sessions["refund resolved"])
}
