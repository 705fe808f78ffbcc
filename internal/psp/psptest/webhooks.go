package psptest

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// staleAfter is older than any provider lets a signature be.
const staleAfter = 24 * time.Hour

func runWebhooks(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "every message is read and has an id of its own", func(t *testing.T, s *story) {
		s.paid(t, payment.Sale, eur(1230))
		seen := map[string]bool{}
		for _, e := range s.events(t) {
			require.NotEmpty(t, e.ID)
			require.NotEmpty(t, e.Type)
			require.False(t, e.At.IsZero())
			require.False(t, seen[e.ID], e.ID)
			seen[e.ID] = true
		}
		require.NotEmpty(t, seen)
	})
	rule(t, fresh, "a message proves the sale with its amount and our reference", func(t *testing.T, s *story) {
		c, paid := s.paid(t, payment.Sale, eur(1230))
		proofs := 0
		for _, e := range s.events(t) {
			if e.Outcome == nil || e.Outcome.Status != psp.Succeeded {
				continue
			}
			proofs++
			require.Equal(t, c.AttemptID, e.AttemptID)
			require.Equal(t, paid.PaymentRef, e.PaymentRef)
			require.Equal(t, eur(1230), e.Outcome.Amount)
		}
		require.Positive(t, proofs)
	})
	rule(t, fresh, "no message about an unpaid or refused page proves money", func(t *testing.T, s *story) {
		c := s.checkout(payment.Sale, eur(1230))
		open := s.opened(t, c)
		s.Pay(t, open, Refuse)
		s.close(t, c, open.Ref)
		for _, e := range s.events(t) {
			if e.Outcome != nil {
				require.Equal(t, psp.Closed, e.Outcome.Status, e.Type)
			}
		}
	})
	for how, want := range map[How]psp.Status{SlowSuccess: psp.Succeeded, SlowFailure: psp.Declined} {
		rule(t, fresh, string(how)+" proves nothing before its end", func(t *testing.T, s *story) {
			c := s.checkout(payment.Sale, eur(1230))
			s.Pay(t, s.opened(t, c), how)
			for _, e := range s.events(t) {
				require.Nil(t, e.Outcome, e.Type)
			}
			s.Settle(t)
			proofs := 0
			for _, e := range s.events(t) {
				if e.Outcome != nil {
					require.Equal(t, want, e.Outcome.Status, e.Type)
					require.Equal(t, c.AttemptID, e.AttemptID)
					proofs++
				}
			}
			require.Positive(t, proofs)
		})
	}
	if psp.Covers(fresh(t).Connector, payment.Authorization) {
		runHoldMessages(t, fresh)
	}
	runForgeries(t, fresh)
}

func runHoldMessages(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "a hold is never proved as taken before its capture", func(t *testing.T, s *story) {
		_, held := s.paid(t, payment.Authorization, eur(5000))
		for _, e := range s.events(t) {
			if e.Outcome != nil {
				require.Equal(t, psp.Authorized, e.Outcome.Status, e.Type)
				require.Equal(t, eur(5000), e.Outcome.Amount)
			}
		}
		capture(t, s, s.move(payment.OpCapture, held.PaymentRef, eur(2000)))
		for _, e := range s.events(t) {
			if e.Outcome != nil && e.Outcome.Status == psp.Succeeded {
				require.Equal(t, eur(2000), e.Outcome.Amount, "what was captured, not what was held")
			}
		}
	})
}

func runForgeries(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "a changed byte is Unauthorized, wherever it is", func(t *testing.T, s *story) {
		s.paid(t, payment.Sale, eur(1230))
		m := s.Messages(t)[0]
		for i := range m.Body {
			forged := bytes.Clone(m.Body)
			forged[i] ^= 1
			_, err := s.parse(Message{Header: m.Header, Body: forged}, s.Now())
			requireClass(t, payment.Unauthorized, err)
		}
		_, err := s.parse(Message{Header: m.Header, Body: append(bytes.Clone(m.Body), ' ')}, s.Now())
		requireClass(t, payment.Unauthorized, err)
	})
	rule(t, fresh, "a message without its signature is Unauthorized", func(t *testing.T, s *story) {
		s.paid(t, payment.Sale, eur(1230))
		_, err := s.parse(Message{Body: s.Messages(t)[0].Body}, s.Now())
		requireClass(t, payment.Unauthorized, err)
	})
	rule(t, fresh, "a stale message is Unauthorized", func(t *testing.T, s *story) {
		s.paid(t, payment.Sale, eur(1230))
		_, err := s.parse(s.Messages(t)[0], s.Now().Add(staleAfter))
		requireClass(t, payment.Unauthorized, err)
	})
	rule(t, fresh, "the message of another account is Unauthorized", func(t *testing.T, s *story) {
		s.paid(t, payment.Sale, eur(1230))
		m := s.Messages(t)[0]
		s.Account = s.wrongAccount()
		_, err := s.parse(m, s.Now())
		requireClass(t, payment.Unauthorized, err)
	})
	rule(t, fresh, "a test message does not count for a live account", func(t *testing.T, s *story) {
		s.paid(t, payment.Sale, eur(1230))
		m := s.Messages(t)[0]
		s.Account.Live = !s.Account.Live
		_, err := s.parse(m, s.Now())
		requireClass(t, payment.Unauthorized, err)
	})
}

func (s *story) parse(m Message, now time.Time) (psp.Event, error) {
	return s.Connector.(psp.WebhookParser).ParseWebhook(s.Account, http.Header(m.Header), m.Body, now)
}

// events reads all messages so far; all must be readable.
func (s *story) events(t *testing.T) []psp.Event {
	t.Helper()
	var events []psp.Event
	for _, m := range s.Messages(t) {
		e, err := s.parse(m, s.Now())
		require.NoError(t, err)
		events = append(events, e)
	}
	return events
}
