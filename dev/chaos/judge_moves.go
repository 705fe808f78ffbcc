package chaos

import (
	"slices"

	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// moves judges each capture, void and refund by itself: yes if and only if the provider did it, and once.
func (j *judge) moves() {
	for _, session := range j.sessions {
		request, known := j.request(session.ID)
		if session.Type == shopify.PaymentSession || !known || session.Final == nil {
			continue
		}
		done, amount := j.done(request)
		switch {
		case session.State == shopify.StateResolved && done != 1:
			j.find(moveUntrue, "%s session %s is resolved and the provider did it %d times", session.Type, session.ID, done)
		case session.State == shopify.StateResolved && session.Type != shopify.VoidSession && amount != request.Minor:
			j.find(moveUntrue, "%s session %s of %d is resolved and the provider moved %d", session.Type, session.ID, request.Minor, amount)
		case session.State == shopify.StateRejected && done != 0 && !j.failed(request):
			j.find(moneyLost, "%s session %s is rejected (%s) and the provider moved %d", session.Type, session.ID, request.Reason, amount)
		}
	}
}

// done counts how often the provider carried a request out, and what it moved.
func (j *judge) done(request requestRow) (times int, amount int64) {
	for _, a := range j.record.attempts {
		if a.OperationID != request.ID {
			continue
		}
		for _, books := range j.provider {
			for _, re := range books.Refunds {
				if re.Metadata[attemptTag] == a.ID {
					times, amount = times+1, amount+re.Amount
				}
			}
			for _, pi := range books.Intents {
				if request.Kind == "capture" && j.captures(pi, a) {
					times, amount = times+1, amount+pi.Captured
				}
			}
		}
		// The provider's books do not say who released a hold: our proven attempt and what is still held do.
		if request.Kind == "void" && a.State == "done" {
			times++
		}
	}
	return times, amount
}

// captures says whether the provider's books show an attempt of ours as the capture of a payment.
func (j *judge) captures(pi stripe.IntentEntry, a attemptRow) bool {
	if j.keys {
		return pi.CaptureKey == a.Key && pi.CaptureKey != ""
	}
	return a.State == "done" && a.PaymentRef == pi.ID && pi.Captured > 0
}

// people judges who was called: for what nobody here can settle, and for nothing else.
func (j *judge) people() {
	for _, row := range j.record.payments {
		winner, rest := j.split(row)
		allowed := map[string]bool{
			"": true, "refund_failed": winner.failed, "refund_elsewhere": winner.elsewhere+rest.elsewhere > 0, "dispute_lost": winner.disputed+rest.disputed > 0,
			"disputed": j.objected(row), "overdrawn": winner.refunded+winner.disputed > winner.captured,
		}
		if !allowed[row.Operator] {
			j.find(personForNil, "session %s: %s", row.ExternalID, row.Operator)
		}
		for reason, must := range map[string]bool{
			"refund_elsewhere": winner.elsewhere > 0, "dispute_lost": winner.disputed > 0, "refund_failed": j.gaveUp(row),
		} {
			if must && !slices.Contains(row.Notices, reason) {
				j.find(personUntold, "session %s: %s", row.ExternalID, reason)
			}
		}
	}
	for _, request := range j.record.requests {
		if request.Operator != "" && !j.failed(request) {
			j.find(personForNil, "%s session %s: %s", request.Kind, request.ExternalID, request.Operator)
		}
	}
}

// objected says whether the bank objected to money of a payment, won or lost.
func (j *judge) objected(row paymentRow) bool {
	for _, books := range j.provider {
		for _, d := range books.Disputes {
			if slices.ContainsFunc(books.Intents, func(pi stripe.IntentEntry) bool { return pi.ID == d.Intent && pi.Reference == row.Winner }) {
				return true
			}
		}
	}
	return false
}

// gaveUp says whether a refund failed that the shop believes in.
func (j *judge) gaveUp(row paymentRow) bool {
	return slices.ContainsFunc(j.record.requests, func(r requestRow) bool {
		return r.PaymentID == row.ID && r.Final == "resolve" && j.failed(r)
	})
}
