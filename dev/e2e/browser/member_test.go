package browser_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tillflow/dev/stack"
	"tillflow/internal/subscription"
)

// TestMember tells the stories of customers whose card expires, on a stack of its
// own: they move its clock by months. Not parallel: a second stack would only slow
// the other one down.
func TestMember(t *testing.T) {
	w := begin(t, "member", func(o *stack.Options) {
		o.Settings["SWEEP_EVERY"], o.Settings["SWEEP_AFTER"] = "1s", "1s"
		o.DynamicConfig = map[string]any{"history.timerProcessorMaxTimeShift": 20 * time.Millisecond}
	})
	site := w.opensMembersArea(t)
	t.Run("a merchant makes a plan, and a price that cannot be is refused", func(t *testing.T) { makesPlan(t, w) })
	for name, who := range map[string]person{
		"a card at Stripe expires, and its owner gives another one": {
			ref: "greta", mail: "greta@example.com", locale: "de-DE", speaks: german, leaves: expiresAtStripe, replaces: givesAnotherAtStripe,
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &member{tab: w.alone().open(t), person: who, site: site}
			m.wants()
			m.subscribes()
			m.isOverdue()
			m.reads()
			m.pays()
			m.isRecovered()
			m.renewsByItself()
		})
	}
}

const (
	planID   = "studio"
	planName = "Studio am Fluss"
)

// makesPlan is the merchant in the console.
func makesPlan(t *testing.T, w *world) {
	b := w.enter(t, "admin")
	b.visit(w.PayURL + "/console/subscriptions/plans")
	b.sees("Plans", "This shop has no plan.")
	b.press("Make a plan")
	b.sees("A new plan", "The currency stays for ever.")
	b.soundInAll("member-plan-new")
	b.fills("id", planID)
	b.fills("name", planName)
	b.fills("price", "30.005")
	b.fills("notice", "7")
	b.press("Make the plan")
	b.sees("A new plan", "more digits than EUR allows")
	b.answered(422)
	b.keep("member-plan-refused")
	b.fills("price", "30,00")
	b.press("Make the plan")
	b.sees(planName, "Saved.", "30.00 EUR a month", "version 1")
	b.soundInAll("member-plan")
	b.visit(w.PayURL + "/console/subscriptions/plans")
	b.sees("Plans", planName, "30.00 EUR a month")
	b.keep("member-plans")
	b.quiet()
}

// person is a customer: who, in which language, and with what.
type person struct {
	ref, mail, locale string

	speaks   tongue
	leaves   func(*member) // pays on the provider's page with a card that will be expired next time
	replaces func(*member) // pays there with another one
}

// member is a customer in front of a window.
type member struct {
	*tab
	person
	site string // the merchant's own
	id   string // of the subscription
}

// wants presses the merchant's button; its site asks /api/v1 and leads to our page.
func (m *member) wants() {
	m.Helper()
	m.asks(m.locale)
	m.visit(m.site + "/join/" + m.ref + "?mail=" + m.mail + "&locale=" + m.locale)
	m.sees(m.speaks.choose, "30.00 EUR", m.speaks.keeps, "Card", "Sandbox")
	m.soundInAll("member-" + m.ref + "-choose")
	record, err := m.world.Service.Store.SubscriptionByRef(m.Context(), stack.Shop, m.ref)
	require.NoError(m, err)
	m.id = record.ID
	m.entitled(false, subscription.StandingPending)
}

// subscribes pays for the first time, which leaves the card, and reads the mails.
func (m *member) subscribes() {
	m.Helper()
	m.leaves(m)
	m.sees("Members’ area", "You are in.")
	m.becomes("it has begun, and the card is kept", func(r subscription.Record) bool {
		return r.State == subscription.Active && r.Method != "" && r.Open == nil
	})
	m.entitled(true, subscription.StandingPaid)
	m.gets("welcome", m.speaks.welcome)
	m.press(m.linkOf(m.speaks.welcome))
	m.sees(m.speaks.isPaid, planName, "30.00 EUR", m.speaks.chargedWith)
	m.looks("paid")
	require.NotContains(m, m.source(), m.mail, "a page names nobody")
}

// isOverdue lets the month and the merchant's patience pass.
func (m *member) isOverdue() {
	m.Helper()
	m.skips("the notice", subscription.TaskNotice)
	m.gets("notice", m.speaks.renews)
	m.skips("the renewal, which the bank declines", subscription.TaskRenew)
	r := m.becomes("it is declined", func(r subscription.Record) bool {
		return r.State == subscription.PastDue && r.Task == subscription.TaskGiveUp
	})
	require.Equal(m, "expired_card", string(r.Failures[0].Reason))
	m.entitled(true, subscription.StandingGrace)
	m.world.Clock.Skip(8 * 24 * time.Hour) // the merchant's patience lasts for seven days
	m.entitled(false, subscription.StandingOverdue)
	m.visit(m.site + "/members/" + m.ref)
	m.sees("Members’ area", "Please pay first.")
	m.merchantSees(func(b *tab) {
		b.sees("Figures", "expired card 1, 30.00 EUR 0, 0.00 EUR 1, 30.00 EUR", "Recovered None.")
		b.keep("member-" + m.ref + "-figures-owed")
	})
}

// reads opens the mail in the mail box and follows its link.
func (m *member) reads() {
	m.Helper()
	m.gets("expired", m.speaks.needsCard)
	m.press(m.linkOf(m.speaks.needsCard))
	m.sees(m.speaks.isDue, m.speaks.hasExpired, "30.00 EUR", planName, m.speaks.noAccess)
	m.soundInAll("member-" + m.ref + "-due")
}

// pays from that page, without a mouse.
func (m *member) pays() {
	m.Helper()
	m.pressByKeyboard(m.speaks.payAnother)
	m.sees(m.speaks.choose, "30.00 EUR")
	m.keep("member-" + m.ref + "-choose-again")
	m.replaces(m)
	m.sees("Members’ area", "You are in.")
	m.becomes("it is recovered, and the new card is kept", func(r subscription.Record) bool {
		return r.State == subscription.Active && r.Open == nil && r.Task != subscription.NoTask && !r.MethodAt.Before(r.Period.Start)
	})
	m.entitled(true, subscription.StandingPaid)
}

// isRecovered: both sides read that the money came.
func (m *member) isRecovered() {
	m.Helper()
	m.gets("recovered", m.speaks.arrived)
	m.press(m.linkOf(m.speaks.arrived))
	m.sees(m.speaks.isPaid)
	require.NotContains(m, m.text(), m.speaks.hasExpired)
	m.looks("recovered")
	m.tells("Recovered: €30.00, " + planName)
	m.merchantSees(func(b *tab) {
		b.sees("Figures", "expired card 1, 30.00 EUR 1, 30.00 EUR 0, 0.00 EUR", "Recovered Amount Number 30.00 EUR 1 ")
		b.soundInAll("member-" + m.ref + "-figures")
		sums := b.file("All sums as a file")
		require.Contains(m, sums, []string{"recovered", "", "1", "30.00", "EUR"})
		failed := b.file("Each one as a file", "failed")
		require.Len(m, failed, 2)
		require.Equal(m, m.id, failed[1][0])
		require.Equal(m, []string{"30.00", "EUR", "expired_card", "1", "paid"}, failed[1][5:10])
		b.visit(b.world.PayURL + "/console/subscriptions/" + m.id)
		b.sees(planID+", 30.00 EUR a month", "Paid up yes: paid", "past due → active", "another payment method is kept")
		require.NotContains(m, b.text(), "?", "a code of nothing")
		b.soundInAll("member-" + m.ref + "-subscription")
	})
}

// renewsByItself: the next month is charged to the new card, and nobody does anything.
func (m *member) renewsByItself() {
	m.Helper()
	m.skips("the notice", subscription.TaskNotice)
	m.skips("the next renewal", subscription.TaskRenew)
	m.becomes("it is paid", func(r subscription.Record) bool {
		return r.State == subscription.Active && r.Period.Number == 3 && r.Open == nil
	})
	m.entitled(true, subscription.StandingPaid)
	// Welcome, a notice, the expired card, its recovery, another notice.
	require.Eventually(m, func() bool { return len(m.mails()) == 5 }, patience, 50*time.Millisecond, "five mails; there are %v", lazy(func() string { return subjects(m.mails()) }))
	m.quiet()
	require.NoError(m, m.world.Service.Store.TrialBalance(m.Context()))
	m.Logf("PROOF 6.browser ok %s: subscribed, expired, overdue, paid up and recovered in the console and its file; %d pages opened or buttons pressed, %d pages kept and audited in %d looks, %d mails",
		m.ref, m.world.tally.steps.Load(), m.world.tally.pages.Load(), m.world.tally.looks.Load(), len(m.mails()))
}

// expiresAtStripe pays with a card whose last month is this one.
func expiresAtStripe(m *member) {
	m.press("Card")
	m.sees(atStripe, "30.00", "The shop keeps this payment method")
	m.soundInAll("member-stripe")
	m.fills("expiry", m.world.Clock.Now().UTC().Format("01/06"))
	m.press("Pay")
}

// givesAnotherAtStripe types the number of another card, with keys alone.
func givesAnotherAtStripe(m *member) {
	m.pressByKeyboard("Card")
	m.sees(atStripe, "30.00")
	m.fills("number", "5555 5555 5555 4444")
	m.pressByKeyboard("Pay 30.00 EUR")
}

// merchantSees opens the figures of test subscriptions in the console.
func (m *member) merchantSees(look func(*tab)) {
	m.Helper()
	b := m.world.enter(m.T, "finance")
	b.visit(b.world.PayURL + "/console/subscriptions")
	b.press("Figures")
	b.sees("Figures", "Monthly recurring revenue")
	b.do(chromedp.Click(chromedp.Search("#test"), chromedp.NodeVisible))
	b.press("Show")
	require.Eventually(m, func() bool { return strings.Contains(b.at(), "test=1") }, patience, 30*time.Millisecond)
	look(b)
	b.quiet()
}

// looks keeps a page that has nothing to press, in light and in dark, and has
// axe-core look at it.
func (m *member) looks(name string) {
	m.Helper()
	name = fmt.Sprintf("member-%s-%s", m.ref, name)
	m.keep(name)
	m.accessible()
	m.scheme("dark")
	m.keep(name + "-dark")
	m.accessible()
	m.scheme("")
}
