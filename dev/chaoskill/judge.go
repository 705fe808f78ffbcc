package chaoskill

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// Violation is one rule that a batch broke.
type Violation struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// Kinds of violation.
const (
	notAtRest     = "not at rest"          // something was still open long after all faults were lifted
	crashed       = "process crashed"      // a process ended by itself as only a broken one does
	unanswered    = "unanswered"           // a session has no final answer
	answeredTwice = "answered twice"       // more than one effective final mutation
	otherAnswer   = "other answer"         // the other final mutation was sent too
	refusedAnswer = "answer refused"       // Shopify could not believe our answer
	otherLink     = "other link"           // one session was answered with different links
	twoWinners    = "two winners"          // two sessions of one checkout are resolved
	wrongMoney    = "wrong money"          // what is at Stripe and what Shopify was told do not agree
	wrongRefunds  = "wrong refunds"        // the refunds at Stripe are not those that Shopify was told of
	inVain        = "refused for no cause" // a refusal of what was possible to the end
	booksDiffer   = "books differ"         // our ledger and Stripe's books
	rowsDiffer    = "rows differ"          // our rows and Shopify's books
	noEvidence    = "no evidence"          // an attempt changed without evidence of that change
	personCalled  = "person called"        // a person is still called though nothing is open
)

// operations are the kinds of session, as they are counted.
func operations() []shopify.SessionType {
	return []shopify.SessionType{shopify.PaymentSession, shopify.CaptureSession, shopify.VoidSession, shopify.RefundSession}
}

// judge compares the books of the witnesses with each other, and ours with both. What belongs together it finds
// without our help: no two checkouts of a batch have the same amount.
func (b *batch) judge(ctx context.Context, open unrest) error {
	if open != (unrest{}) {
		b.find(notAtRest, "%s", open)
	}
	for _, p := range b.world.process {
		if n := p.crashes(); n > 0 {
			b.find(crashed, "%s, %d times: see its log", p.name, n)
		}
	}
	shops, accounts := b.world.stack.Shopify.Books("", false).Shops, b.world.stack.Stripe.Books("").Accounts
	for n := range shopCount {
		sessions, account := shops[shopName(n)].Sessions, accounts[accountName(n)]
		for _, session := range sessions {
			b.sessions[string(session.Type)+" "+string(session.State)]++
			b.answer(session)
		}
		for _, c := range checkouts(sessions, account) {
			b.money(c)
		}
		if err := b.books(ctx, shopName(n), sessions, account); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) find(kind, format string, args ...any) {
	b.found = append(b.found, Violation{kind, fmt.Sprintf(format, args...)})
}

// answer judges what one session heard.
func (b *batch) answer(s shopify.Session) {
	if s.Posts.OtherRedirects > 0 {
		b.find(otherLink, "%s", s.GID)
	}
	if s.Final == nil {
		b.find(unanswered, "%s of %s is %s", s.GID, s.Shop, s.State)
		return
	}
	effective := 0
	for _, m := range s.Mutations {
		switch {
		case strings.HasSuffix(m.Op, "Pending"):
		case m.Op != s.Final.Op:
			b.find(otherAnswer, "%s of %s: %s beside %s", s.GID, s.Shop, m.Op, s.Final.Op)
		case m.Result == shopify.ResultRefused:
			b.find(refusedAnswer, "%s of %s: %s, %s", s.GID, s.Shop, m.Op, m.Problem)
		case m.Result == shopify.ResultEffective:
			effective++
		}
	}
	if effective != 1 {
		b.find(answeredTwice, "%s of %s: %d effective finals", s.GID, s.Shop, effective)
	}
}

// checkout is one purchase: what Shopify knows of it, and the money at Stripe.
type checkout struct {
	minor    int64
	sessions []shopify.Session
	intents  []stripe.IntentEntry
	refunds  []stripe.RefundEntry
}

// checkouts sorts the books of one shop.
func checkouts(sessions []shopify.Session, account stripe.AccountBooks) []*checkout {
	var all []*checkout
	byGroup, byAmount, byIntent := map[string]*checkout{}, map[int64]*checkout{}, map[string]*checkout{}
	for _, s := range sessions {
		c := byGroup[s.Checkout]
		if c == nil {
			c = &checkout{minor: minorOf(s)} // the first one is a payment: all others name it
			all, byGroup[s.Checkout], byAmount[c.minor] = append(all, c), c, c
		}
		c.sessions = append(c.sessions, s)
	}
	strange := &checkout{}
	for _, pi := range account.Intents {
		c := byAmount[pi.Amount]
		if c == nil {
			c = strange
		}
		c.intents, byIntent[pi.ID] = append(c.intents, pi), c
	}
	for _, re := range account.Refunds {
		if c := byIntent[re.Intent]; c != nil && (re.Status == "succeeded" || re.Status == "pending") {
			c.refunds = append(c.refunds, re)
		}
	}
	if len(strange.intents) > 0 {
		all = append(all, strange)
	}
	return all
}

// minorOf is a session's amount in minor units of a currency with two digits; zero when it has none.
func minorOf(s shopify.Session) int64 {
	minor, _ := strconv.ParseInt(strings.ReplaceAll(s.Amount, ".", ""), 10, 64) // the plan writes them, as decimal does
	return minor
}

// resolved lists the amounts of the checkout's sessions of a type that were answered yes.
func (c *checkout) resolved(t shopify.SessionType) []int64 {
	var list []int64
	for _, s := range c.sessions {
		if s.Type == t && s.State == shopify.StateResolved {
			list = append(list, minorOf(s))
		}
	}
	return list
}

func sum(list []int64) int64 {
	total := int64(0)
	for _, n := range list {
		total += n
	}
	return total
}

func (c *checkout) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "checkout of %s:", decimal(c.minor))
	for _, s := range c.sessions {
		fmt.Fprintf(&b, " [%s %s %s %s]", s.GID, s.Kind, s.Amount, s.State)
	}
	for _, pi := range c.intents {
		fmt.Fprintf(&b, " [%s %s: %d held, %d captured, %d refunded]", pi.ID, pi.Status, pi.Held, pi.Captured, pi.Refunded)
	}
	return b.String()
}

// money judges one checkout: what is at Stripe is what Shopify was told, once.
func (b *batch) money(c *checkout) {
	winners := c.resolved(shopify.PaymentSession)
	if len(winners) > 1 {
		b.find(twoWinners, "%s", c)
		return
	}
	var held, taken, net int64
	var returned []int64 // what was taken and is nobody's
	for _, pi := range c.intents {
		held += pi.Held
		net += pi.Captured - pi.Refunded
		if pi.Captured > 0 {
			returned = append(returned, pi.Captured)
		}
	}
	captures := c.resolved(shopify.CaptureSession)
	refunds := c.resolved(shopify.RefundSession)
	voids := len(c.resolved(shopify.VoidSession))
	dueHeld := int64(0)
	switch {
	case len(winners) == 0:
	case c.sessions[0].Kind == shopify.KindAuthorization:
		if taken = sum(captures); taken == 0 && voids == 0 {
			dueHeld = c.minor
		}
	default:
		taken = c.minor
	}
	if i := slices.Index(returned, taken); taken > 0 && i >= 0 {
		returned = slices.Delete(returned, i, i+1) // the winner's
	}
	if held != dueHeld || net != taken-sum(refunds) {
		b.find(wrongMoney, "%s: due are %d held and %d taken, less %d refunded", c, dueHeld, taken, sum(refunds))
	}
	if len(captures)+voids > 1 {
		b.find(wrongMoney, "%s: one hold was captured or voided %d times", c, len(captures)+voids)
	}
	there := make([]int64, len(c.refunds))
	for i, re := range c.refunds {
		there[i] = re.Amount
	}
	due := append(slices.Clone(refunds), returned...)
	slices.Sort(there)
	slices.Sort(due)
	if !slices.Equal(there, due) {
		b.find(wrongRefunds, "%s: at Stripe are %v, due are %v", c, there, due)
	}
	b.possible(c, taken, sum(refunds), dueHeld)
}

// possible judges refusals: what was possible to the end must not have been refused.
func (b *batch) possible(c *checkout, taken, refunded, held int64) {
	if len(c.sessions) == 0 || len(c.resolved(shopify.PaymentSession)) == 0 {
		return
	}
	for _, s := range c.sessions {
		if s.State != shopify.StateRejected {
			continue
		}
		minor := minorOf(s)
		switch s.Type {
		case shopify.RefundSession: // of a hold it may have come before the capture
			if c.sessions[0].Kind == shopify.KindSale && b.winner(c, s) && refunded+minor <= taken {
				b.find(inVain, "%s: %s", c, s.GID)
			}
		case shopify.CaptureSession:
			if b.winner(c, s) && held > 0 && minor <= held {
				b.find(inVain, "%s: %s", c, s.GID)
			}
		case shopify.VoidSession:
			if b.winner(c, s) && held > 0 {
				b.find(inVain, "%s: %s", c, s.GID)
			}
		case shopify.PaymentSession:
		}
	}
}

// winner says whether a session is about the payment session that keeps the money: of two tabs one does not.
func (b *batch) winner(c *checkout, s shopify.Session) bool {
	return slices.ContainsFunc(c.sessions, func(p shopify.Session) bool {
		return p.Type == shopify.PaymentSession && p.ID == s.PaymentID && p.State == shopify.StateResolved
	})
}
