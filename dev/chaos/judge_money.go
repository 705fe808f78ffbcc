package chaos

import (
	"strings"

	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// sums is what the provider's books say about one payment of ours, in minor units.
type sums struct {
	captured, refunded, elsewhere, disputed, held int64

	failed bool // a refund failed, perhaps after it had succeeded
}

func (s *sums) add(pi stripe.IntentEntry) {
	s.captured += pi.Captured
	s.refunded += pi.Refunded
	s.elsewhere += pi.RefundedElsewhere
	s.disputed += pi.Disputed
	s.held += pi.Held
}

// kept says whether the buyer's money is held or taken.
func (s sums) kept() bool { return s.captured > s.refunded || s.held > 0 }

// attemptTag is where our reference stands in the metadata of what we create at the provider.
const attemptTag = "attempt_id"

// money judges the provider's books: each attempt moved money once at most, and what a buyer paid is with the merchant
// if and only if the shop was told so.
func (j *judge) money() {
	owner := map[string]string{} // attempt → payment
	for _, a := range j.record.attempts {
		owner[a.ID] = a.PaymentID
	}
	moved := map[string]int{}
	for name, books := range j.provider {
		for _, cs := range books.Checkouts {
			if owner[cs.Reference] == "" {
				j.find(unknownMoney, "%s: checkout %s of reference %q", name, cs.ID, cs.Reference)
			}
			moved["checkout of attempt "+cs.Reference]++
			if cs.Status == "open" {
				j.find(openDoor, "%s: checkout %s can still be paid", name, cs.ID)
			}
		}
		for _, re := range books.Refunds {
			attempt := re.Metadata[attemptTag]
			if !re.Dashboard && owner[attempt] == "" {
				j.find(unknownMoney, "%s: refund %s of reference %q", name, re.ID, attempt)
			}
			if attempt != "" {
				moved["refund of attempt "+attempt]++
			}
		}
	}
	for what, times := range moved {
		if times > 1 {
			j.find(movedTwice, "%s: %d times", what, times)
		}
	}
	winners := map[string][]string{}
	for _, session := range j.sessions {
		row, known := j.row(session.ID)
		if !known || session.Type != shopify.PaymentSession || session.Final == nil {
			continue
		}
		if j.agrees(session, row) {
			winners[session.Group] = append(winners[session.Group], session.ID)
		}
	}
	for group, ids := range winners {
		if len(ids) > 1 {
			j.find(twoWinners, "checkout %s: %s", group, strings.Join(ids, ", "))
		}
	}
}

// split adds up a payment's money: what the answer is about, and what came beside it and must have gone back.
func (j *judge) split(row paymentRow) (winner, rest sums) {
	mine := map[string]bool{}
	for _, a := range j.record.attempts {
		mine[a.ID] = a.PaymentID == row.ID
	}
	for _, books := range j.provider {
		of := map[string]string{} // intent → attempt
		for _, pi := range books.Intents {
			of[pi.ID] = pi.Reference
			switch {
			case pi.Reference == row.Winner:
				winner.add(pi)
			case mine[pi.Reference]:
				rest.add(pi)
			}
		}
		for _, re := range books.Refunds {
			if of[re.Intent] == row.Winner && (re.Status == "failed" || re.Status == "canceled") {
				winner.failed = true
			}
		}
	}
	return winner, rest
}

// agrees compares the money with what the shop was told, and says whether the session keeps any.
func (j *judge) agrees(session shopify.Session, row paymentRow) bool {
	winner, rest := j.split(row)
	if ours := winner.refunded - winner.elsewhere; ours > winner.captured {
		j.find(tooMuch, "session %s: we refunded %d of %d", session.ID, ours, winner.captured)
	}
	if rest.kept() {
		j.find(moneyLost, "session %s: %d captured, %d refunded, %d held beside the money that counts", session.ID, rest.captured, rest.refunded, rest.held)
	}
	if session.State != shopify.StateResolved {
		if winner.kept() {
			j.find(moneyLost, "session %s is %s: %d captured, %d refunded, %d held", session.ID, session.State, winner.captured, winner.refunded, winner.held)
		}
		return rest.kept() || winner.kept()
	}
	due := j.due(row)
	if winner.captured != due.captured || winner.refunded != due.refunded+winner.elsewhere || winner.held != due.held {
		j.find(moneyLost, "session %s is resolved (%s of %d): %d captured, %d refunded (%d of it elsewhere), %d held; due %d captured, %d refunded by us, %d held",
			session.ID, row.Kind, row.Minor, winner.captured, winner.refunded, winner.elsewhere, winner.held, due.captured, due.refunded, due.held)
	}
	return winner.kept() || rest.kept()
}

// due is what must be at the provider for a resolved session, by what the shop was told of its captures, voids and
// refunds.
func (j *judge) due(row paymentRow) sums {
	due := sums{captured: row.Minor}
	if row.Kind == string(shopify.KindAuthorization) {
		due = sums{held: row.Minor}
	}
	for _, session := range j.sessions {
		request, known := j.request(session.ID)
		if !known || request.PaymentID != row.ID || session.State != shopify.StateResolved {
			continue
		}
		switch session.Type {
		case shopify.CaptureSession: // the provider lets go of what is not captured
			due.captured += request.Minor
			due.held = 0
		case shopify.VoidSession:
			due.held = 0
		case shopify.RefundSession:
			if !j.failed(request) {
				due.refunded += request.Minor
			}
		case shopify.PaymentSession:
		}
	}
	return due
}

// failed says whether the provider gave a refund up that it had accepted: then the shop was told yes, and people know.
func (j *judge) failed(request requestRow) bool {
	for _, books := range j.provider {
		for _, re := range books.Refunds {
			for _, a := range j.record.attempts {
				if a.OperationID == request.ID && re.Metadata[attemptTag] == a.ID {
					return re.Status == "failed" || re.Status == "canceled"
				}
			}
		}
	}
	return false
}

// books judges our ledger against the provider's, per account and currency: what is there, less what is on its way
// back, and what is held; and what the merchant is owed in all.
func (j *judge) books() {
	type place struct{ account, currency string }
	there, held, total, owed := map[place]int64{}, map[place]int64{}, map[string]int64{}, map[string]int64{}
	for _, p := range j.record.postings {
		total[p.Currency] += p.Minor
		_, name, _ := strings.Cut(p.Account, "/")
		family, id, _ := strings.Cut(name, ":")
		switch family {
		case "provider", "fees", "refunds":
			there[place{id, p.Currency}] += p.Minor
		case "authorized":
			held[place{id, p.Currency}] += p.Minor
		case "merchant":
			owed[p.Currency] -= p.Minor
		}
	}
	for currency, sum := range total {
		if sum != 0 {
			j.find(booksUneven, "%s: %d", currency, sum)
		}
	}
	for _, currency := range []string{"EUR", "USD", "JPY"} {
		sum := int64(0)
		for i, row := range j.rows {
			theirs := j.provider[account(i)].Totals[strings.ToLower(currency)]
			at, net := place{row, currency}, theirs.Captured-theirs.Refunded-theirs.Disputed
			if ours := there[at]; ours != net {
				j.find(booksDiffer, "%s in %s: we say %d, the provider %d − %d − %d", account(i), currency, ours, theirs.Captured, theirs.Refunded, theirs.Disputed)
			}
			if ours := held[at]; ours != theirs.Held {
				j.find(booksDiffer, "%s in %s: we say %d is held, the provider %d", account(i), currency, ours, theirs.Held)
			}
			sum += net
		}
		if owed[currency] != sum {
			j.find(booksDiffer, "in %s the merchant is owed %d, our ledger says %d", currency, sum, owed[currency])
		}
	}
}
