package chaos

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// Violation is one rule that a story broke.
type Violation struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// Kinds of violation.
const (
	movedTwice     = "moved twice"     // one attempt of ours moved money more than once
	unknownMoney   = "unknown money"   // money at the provider that no attempt of ours knows
	moneyLost      = "money lost"      // the buyer's money and the shop's answer do not agree
	tooMuch        = "too much"        // more was refunded by us than was captured
	openDoor       = "open door"       // the provider's page can still be paid after everything is over
	twoWinners     = "two winners"     // two sessions of one checkout keep money
	unanswered     = "unanswered"      // a session has no final answer
	answeredTwice  = "answered twice"  // more than one effective final mutation
	otherAnswer    = "other answer"    // the other final mutation was sent too
	otherLink      = "other link"      // one session was answered with different links
	holdUndated    = "hold undated"    // resolved without the end of the hold
	booksDiffer    = "books differ"    // our ledger and the provider's books
	booksUneven    = "books uneven"    // our ledger does not sum to zero
	rowsDiffer     = "rows differ"     // our row and the shop's books
	noEvidence     = "no evidence"     // an attempt changed without evidence of that change
	personForNil   = "person for nil"  // a person is still called though nothing is open
	personUntold   = "person untold"   // money moved without us and nobody was told
	notLinear      = "not linear"      // no order of a payment's captures, voids and refunds explains their answers
	moveUntrue     = "move untrue"     // the answer about a capture, void or refund and the provider's books
	restless       = "restless"        // the story did not come to rest
	acceptanceLost = "acceptance lost" // the shop was told yes and there is no row
	brokenPlay     = "broken play"     // the play itself failed: no verdict
)

// judge compares the books of the neighbours with each other and with ours.
type judge struct {
	story    Story
	keys     bool     // the provider knows idempotency keys and shows them
	rows     []string // our account ids, in the order of the options
	open     unrest
	sessions []shopify.Session
	sent     map[string]time.Time           // when each session was sent first
	provider map[string]stripe.AccountBooks // by the provider's account
	record   record
	found    []Violation
}

func (s *scene) judge(ctx context.Context, open unrest) ([]Violation, error) {
	r, err := s.record(ctx)
	if err != nil {
		return nil, err
	}
	j := &judge{
		story: s.story, keys: s.profile != NoKeys, rows: s.rows, open: open, record: r, sent: s.sent(),
		provider: s.stripe.Books("").Accounts, sessions: s.shopify.Books(s.shop, false).Shops[s.shop].Sessions,
	}
	return j.verdict(), nil
}

// verdict applies every rule.
func (j *judge) verdict() []Violation {
	if j.open.String() != "" {
		j.find(restless, "%s", j.open)
	}
	j.answers()
	j.money()
	j.moves()
	j.people()
	j.books()
	j.evidence()
	j.linear()
	return j.found
}

func (j *judge) find(kind, format string, args ...any) {
	j.found = append(j.found, Violation{Kind: kind, Text: fmt.Sprintf(format, args...)})
}

// answers judges what each session heard.
func (j *judge) answers() {
	for _, session := range j.sessions {
		if session.Posts.OtherRedirects > 0 {
			j.find(otherLink, "session %s: %d answers with another link", session.ID, session.Posts.OtherRedirects)
		}
		if session.Posts.Accepted > 0 {
			j.answer(session)
		}
	}
}

func (j *judge) answer(session shopify.Session) {
	final, told, known := j.ours(session)
	if !known {
		j.find(acceptanceLost, "%s session %s was accepted and has no row", session.Type, session.ID)
		return
	}
	if session.Final == nil {
		j.find(unanswered, "session %s is %s", session.ID, session.State)
		return
	}
	effective := 0
	for _, m := range session.Mutations {
		if strings.HasSuffix(m.Op, "Pending") {
			continue
		}
		if m.Op != session.Final.Op {
			j.find(otherAnswer, "session %s: %s was sent beside %s", session.ID, m.Op, session.Final.Op)
		}
		if m.Result == shopify.ResultEffective {
			effective++
		}
	}
	if effective != 1 {
		j.find(answeredTwice, "session %s: %d effective finals", session.ID, effective)
	}
	if session.Kind == shopify.KindAuthorization && session.State == shopify.StateResolved && session.AuthorizationExpiresAt == nil {
		j.find(holdUndated, "session %s", session.ID)
	}
	want := map[shopify.State]string{shopify.StateResolved: "resolve", shopify.StateRejected: "reject"}[session.State]
	if final != want || !told {
		j.find(rowsDiffer, "%s session %s is %s, our row says %q, told %v", session.Type, session.ID, session.State, final, told)
	}
}

// ours is what our row says about a session of any type.
func (j *judge) ours(session shopify.Session) (final string, told, known bool) {
	if session.Type == shopify.PaymentSession {
		row, known := j.row(session.ID)
		return row.Final, row.Told, known
	}
	row, known := j.request(session.ID)
	return row.Final, row.Told, known
}

func (j *judge) request(external string) (requestRow, bool) {
	i := slices.IndexFunc(j.record.requests, func(r requestRow) bool { return r.ExternalID == external })
	if i < 0 {
		return requestRow{}, false
	}
	return j.record.requests[i], true
}

func (j *judge) row(external string) (paymentRow, bool) {
	i := slices.IndexFunc(j.record.payments, func(p paymentRow) bool { return p.ExternalID == external })
	if i < 0 {
		return paymentRow{}, false
	}
	return j.record.payments[i], true
}

// evidence judges that nothing became known without a reason: each change of an attempt that says more than "we sent
// it" or "we do not know" names evidence of the very state.
func (j *judge) evidence() {
	for _, t := range j.record.lines {
		switch t.After {
		case "allocated", "sent", "in_doubt":
			continue
		}
		switch {
		case t.Evidence == nil:
			j.find(noEvidence, "attempt %s: %s → %s", t.AttemptID, t.Before, t.After)
		case t.Shows == nil || *t.Shows != t.After:
			j.find(noEvidence, "attempt %s: %s → %s on evidence of %v", t.AttemptID, t.Before, t.After, t.Shows)
		}
	}
	for _, a := range j.record.attempts {
		if !slices.ContainsFunc(j.record.lines, func(t transition) bool { return t.AttemptID == a.ID && t.After == a.State }) {
			j.find(noEvidence, "attempt %s is %s and no line of the timeline says so", a.ID, a.State)
		}
	}
}
