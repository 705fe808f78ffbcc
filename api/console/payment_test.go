package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/api/console"
	"tillflow/internal/access"
	"tillflow/internal/payment"
)

func (h *house) show(role access.Role, s payment.Session) page {
	h.t.Helper()
	return h.get(role, list+"/"+s.ID)
}

// TestStuck: for each reason one page says what happened, where the money is,
// what is awaited until when, what may be pressed and whom to tell.
func TestStuck(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		rule  string
		stick func(h *house) payment.Session
		texts []string
		press []string // labels that an operator finds
		not   []string
	}{
		{
			"in doubt", func(h *house) payment.Session {
				s := h.accept()
				h.doubt(s)
				h.wait(47 * time.Hour)
				h.call(s, payment.InDoubt)
				return s
			},
			[]string{
				"Payment in doubt", "have no proof", "Money may have moved", "since 22 Nov 2026 11:00", "Our decision", "Until 22 Nov 2026 11:00",
				"Proof of what stripe did", "The provider's support", "The charge at stripe has no answer: in doubt (timeout)", "Nothing that we know of",
			},
			[]string{"It happened", "It did not happen", "Try again now", "End this payment", "Write a note"},
			[]string{"Give the money back"},
		},
		{
			"account blocked", func(h *house) payment.Session {
				s := h.accept()
				h.call(s, payment.AccountBlocked)
				return s
			},
			[]string{"refuses our credentials", "Nothing was done with the refused request", "Whoever keeps the merchant's account"},
			[]string{"Try again now"},
			[]string{"It happened"},
		},
		{
			"wrong amount", func(h *house) payment.Session {
				s := h.accept()
				send := h.begin(s)
				h.find(send, payment.Open)
				h.find(send, payment.Done, func(f *payment.Finding) { f.Amount = eur(1330) })
				return s
			},
			[]string{"Wrong amount taken", "13.30 EUR", "The merchant and finance", "Booked as charge: 13.30 EUR"},
			[]string{"Give the money back", "Accept the amount", "Settled by hand"},
			nil,
		},
		{
			"resolve refused", func(h *house) payment.Session {
				s, _ := h.paid()
				h.told(s, "SESSION_NOT_FOUND")
				h.call(s, payment.ResolveRefused)
				return s
			},
			[]string{
				"Shop refused a paid order", "The shop said: SESSION_NOT_FOUND", "Otherwise the money goes back to the buyer by itself", "Until 21 Nov 2026 12:01", "in 24 h 0 min",
				"Whom to tell The merchant.",
			},
			[]string{"Give the money back", "Settled by hand"},
			nil,
		},
		{
			"reject refused", func(h *house) payment.Session {
				s := h.accept()
				_, err := h.DecideReject(h.t.Context(), s.ID, payment.TimedOut)
				require.NoError(h.t, err)
				h.told(s, "SESSION_NOT_FOUND")
				h.call(s, payment.RejectRefused)
				return s
			},
			[]string{"Shop refused a rejection", "No money was taken", "rejected, not told yet", "(expired)"},
			[]string{"Settled by hand", "Write a note"},
			[]string{"Give the money back"},
		},
		{
			"tell overdue", func(h *house) payment.Session {
				s, _ := h.paid()
				h.call(s, payment.TellOverdue)
				return s
			},
			[]string{"Shop cannot be told", "the answer stands", "The shop confirms our answer", "Whoever runs the app at Shopify"},
			[]string{"Try again now"},
			[]string{"It happened"},
		},
		{
			"reversal stuck", func(h *house) payment.Session {
				s, _ := h.paid()
				h.call(s, payment.ReversalStuck)
				return s
			},
			[]string{"Money does not go back", "still held or taken", "the provider's support"},
			[]string{"The money is back", "Try again now"},
			nil,
		},
		{
			"routing fault", func(h *house) payment.Session {
				s := h.accept()
				h.call(s, payment.RoutingFault)
				return s
			},
			[]string{"Request refused as wrong", "The developers, with the code in the timeline"},
			[]string{"Try again now"},
			nil,
		},
		{
			"refunded elsewhere", func(h *house) payment.Session {
				s, send := h.paid()
				h.told(s, "")
				h.elsewhere(send, payment.ElsewhereRefund, "re_away", payment.Done, 500)
				return s
			},
			[]string{"Refunded at the provider", "Refund made at the provider", "5.00 EUR", "7.30 EUR", "none is due", "re_away", "partially refunded"},
			[]string{"Settled by hand", "Write a note"},
			[]string{"Give the money back"},
		},
		{
			"disputed", func(h *house) payment.Session {
				s, send := h.paid()
				h.told(s, "")
				h.elsewhere(send, payment.ElsewhereDispute, "dp_1", payment.Working, 1230)
				return s
			},
			[]string{"Payment disputed", "Dispute", "open", "before its deadline", "The merchant, who must answer the dispute", "withdrawn for disputes that are open"},
			[]string{"Write a note"},
			[]string{"Give the money back"},
		},
	} {
		t.Run(one.rule, func(t *testing.T) {
			t.Parallel()
			h := furnish(t)
			s := one.stick(h)
			p := h.show(access.Operator, s).shows(http.StatusOK, one.texts...)
			p.shows(http.StatusOK, "A person is needed:", "What happened", "The money", "What to do", "Whom to tell", "Where the money is", "What we wait for", "What may be pressed")
			_, pressable, _ := strings.Cut(p.text, "What may be pressed")
			pressable, _, _ = strings.Cut(pressable, "Each opens a page")
			for _, label := range one.press {
				require.Contains(t, pressable, label)
			}
			for _, label := range one.not {
				require.NotContains(t, pressable, label)
			}
			h.show(access.Viewer, s).shows(http.StatusOK, one.texts...).shows(http.StatusOK, "An operator presses").lacks("Try again now")
		})
	}
}

// elsewhere is a message about money that the provider moved without us.
func (h *house) elsewhere(send payment.Send, kind payment.ElsewhereKind, ref string, state payment.AttemptState, minor int64) {
	h.t.Helper()
	_, err := h.StoreEvent(h.t.Context(), payment.IncomingEvent{
		AccountID: h.account, EventID: "evt_" + ref, Type: "charge.updated", BodyHash: []byte(ref), AttemptID: send.Attempt.ID,
		PaymentRef: "pi_" + send.Attempt.ID, At: h.clock(), Elsewhere: &payment.Elsewhere{Kind: kind, Ref: ref, State: state, Amount: eur(minor)},
	})
	require.NoError(h.t, err)
}

func TestPayment(t *testing.T) {
	t.Parallel()
	t.Run("a paid one with a refund tells its whole story", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s, send := h.paid()
		h.told(s, "")
		back := h.refund(s, 230)
		h.find(back, payment.Done, func(f *payment.Finding) { f.Ref = "re_1" })
		p := h.show(access.Viewer, s).shows(http.StatusOK, "12.30 EUR", "partially refunded", "The answer is paid, told", "The shop has confirmed our answer: resolve",
			"The request was accepted: shopify sale", "Decided: resolved, its money is here", "The charge at stripe succeeded", "Known from the provider's answer req_",
			"Booked as charge: 12.30 EUR", "Refund", "2.30 EUR", "done", "May still go back", "10.00 EUR", "re_1", "pi_"+send.Attempt.ID,
			"taken by the provider and not paid out yet", "owed to the merchant")
		require.Contains(t, p.html, "https://temporal.example.com/namespaces/payments/workflows?query=PayRef%3D%22"+s.ExternalID+"%22")
	})
	t.Run("a hold shows until when", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s := h.accept(func(s *payment.Session) { s.Kind = payment.Authorization })
		send := h.begin(s)
		until := h.clock().Add(7 * 24 * time.Hour)
		h.find(send, payment.Held, func(f *payment.Finding) { f.ExpiresAt = until })
		h.told(s, "")
		h.show(access.Viewer, s).shows(http.StatusOK, "The answer is authorised, told", "Waiting for the merchant", "Authorised", "Held", "The merchant captures the hold", "in 7 days", "27 Nov 2026 12:00")
	})
	t.Run("one that goes on by itself says how", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s := h.accept()
		h.show(access.Viewer, s).shows(http.StatusOK, "Waiting for the buyer", "has not come to the provider's page", "Nothing was taken.", "in 47 h 0 min")
		send := h.begin(s)
		h.show(access.Viewer, s).shows(http.StatusOK, "Finding out", "Nothing is sent again before we know")
		h.find(send, payment.Open)
		h.show(access.Viewer, s).shows(http.StatusOK, "The buyer pays on the page of stripe", "in 1 h 0 min")
		h.find(send, payment.Working)
		h.show(access.Viewer, s).shows(http.StatusOK, "The provider is working on it", "stripe finishes")
		h.find(send, payment.Done)
		h.show(access.Viewer, s).shows(http.StatusOK, "Telling the shop", "The shop confirms our answer")
		h.told(s, "")
		h.show(access.Viewer, s).shows(http.StatusOK, "Nothing is left to do", "Nothing is awaited.")
	})
	t.Run("any id leads to the payment's one address", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s := h.accept()
		require.Equal(t, list+"/"+s.ID, h.get(access.Viewer, list+"/"+s.ExternalID).leads())
	})
	t.Run("an unknown one is not found", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		for _, id := range []string{uuid.NewString(), "nonsense", "%00", "a%2Fb"} {
			h.get(access.Viewer, list+"/"+id).shows(http.StatusNotFound, "Not found")
		}
	})
	t.Run("a record that is away is a page too", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s := h.accept()
		h.Close()
		p := h.show(access.Viewer, s)
		require.Equal(t, http.StatusServiceUnavailable, p.status)
	})
}

func TestAct(t *testing.T) {
	t.Parallel()
	// press sends the form of the confirmation page as it stands.
	press := func(h *house, s payment.Session, do, choice, reason string, more ...string) page {
		h.t.Helper()
		return h.post(access.Operator, list+"/"+s.ID+"/act", append(more, "id", uuid.Must(uuid.NewV7()).String(), "do", do, "choice", choice, "reason", reason)...)
	}
	t.Run("a page asks once more, and says what it does", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s := h.accept()
		h.doubt(s)
		p := h.get(access.Operator, list+"/"+s.ID+"/act?do=resolve&choice=not_paid").shows(http.StatusOK, "It did not happen?", "12.30 EUR for "+shop, "recorded with you as the evidence", "Why")
		require.Contains(t, p.html, "required")
		require.Regexp(t, `name="id" value="[0-9a-f-]{36}"`, p.html)
	})
	t.Run("row, audit, run, in this order; the page then says that it is done", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s := h.accept()
		h.doubt(s)
		where := press(h, s, "resolve", "not_paid", "not in the dashboard").leads()
		p := h.get(access.Operator, where).shows(http.StatusOK, "Done: resolve not paid.", "Pressed by operator: resolve not paid", "The charge at stripe was not done (person)",
			"Known from a person's word, action", "What people did", "applied").lacks("not in the dashboard")
		require.NotContains(t, where, "dashboard")
		require.NotEmpty(t, p)
		require.Len(t, h.runs.heard, 1)
		require.Contains(t, h.runs.heard[0], "operator-resolve ")
		require.Equal(t, []string{"operator payment.applied payment " + s.ID, "operator payment.resolve payment " + s.ID}, h.trail()[:2]) // the newest first
		h.get(access.Finance, where).shows(http.StatusOK).lacks("Done: resolve")                                                          // somebody else pressed it
	})
	t.Run("each verb wakes the run by its own message", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s := h.accept()
		press(h, s, "retry", "", "").leads()
		press(h, s, "note", "", "ticket 4711").leads()
		press(h, s, "expire", "", "the buyer called").leads()
		require.Len(t, h.runs.heard, 3)
		for i, message := range []string{"retry-now ", "add-note ", "expire "} {
			require.Contains(t, h.runs.heard[i], message)
		}
	})
	t.Run("what decides needs a reason, and nothing is written without", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s := h.accept()
		h.doubt(s)
		for _, reason := range []string{"", "   ", strings.Repeat("x", 1001)} {
			press(h, s, "resolve", "paid", reason).shows(http.StatusUnprocessableEntity)
		}
		press(h, s, "expire", "", "").shows(http.StatusUnprocessableEntity, "Write down why")
		press(h, s, "note", "", "ticket 4711", "id", "nonsense").shows(http.StatusUnprocessableEntity, "send it again")
		d, err := h.ShowPayment(t.Context(), s.ID, false)
		require.NoError(t, err)
		require.Empty(t, d.Actions)
		require.Empty(t, h.runs.heard)
	})
	t.Run("the same form twice is one action", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s := h.accept()
		id := uuid.Must(uuid.NewV7()).String()
		for range 2 {
			where := h.post(access.Operator, list+"/"+s.ID+"/act", "id", id, "do", "note", "reason", "ticket 4711").leads()
			h.get(access.Operator, where).shows(http.StatusOK, "Done: note")
		}
		require.Len(t, h.runs.heard, 1)
	})
	t.Run("also when it does not fit any more, because it was done", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s := h.accept()
		h.doubt(s)
		id := uuid.Must(uuid.NewV7()).String()
		for range 2 {
			where := h.post(access.Operator, list+"/"+s.ID+"/act", "id", id, "do", "resolve", "choice", "paid", "reason", "in the dashboard").leads()
			h.get(access.Operator, where).shows(http.StatusOK, "Done: resolve paid")
		}
		require.Len(t, h.runs.heard, 1)
	})
	t.Run("of several attempts the one that was looked up is named", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s, _ := h.paid()
		h.told(s, "")
		first, second := h.refund(s, 100), h.refund(s, 200)
		for _, send := range []payment.Send{first, second} {
			require.NoError(t, h.Doubt(t.Context(), send.Attempt.ID, "timeout"))
		}
		h.get(access.Operator, list+"/"+s.ID+"/act?do=resolve&choice=paid").shows(http.StatusOK, "Which attempt did you look up?", "refund at stripe, 1.00 EUR", "2.00 EUR")
		press(h, s, "resolve", "paid", "in the dashboard").shows(http.StatusUnprocessableEntity, "choose the one that you looked up")
		press(h, s, "resolve", "paid", "in the dashboard", "attempt", uuid.NewString()).shows(http.StatusUnprocessableEntity)
		press(h, s, "resolve", "paid", "in the dashboard", "attempt", second.Attempt.ID).leads()
		view, err := h.LoadAttempt(t.Context(), second.Attempt.ID)
		require.NoError(t, err)
		require.Equal(t, payment.Done, view.Attempt.State)
		h.get(access.Operator, list+"/"+s.ID+"/act?do=resolve&choice=paid").shows(http.StatusOK).lacks("Which attempt")
	})
	t.Run("without the audit nothing is handed on", func(t *testing.T) {
		t.Parallel()
		h := furnish(t, func(o *console.Options) { o.Trail, o.Actions = lost{o.Trail}, unwritten{} })
		s := h.accept()
		press(h, s, "note", "", "ticket 4711").shows(http.StatusServiceUnavailable, "not applied yet")
		h.post(access.Operator, list+"/"+s.ID+"/notes").shows(http.StatusServiceUnavailable)
		require.Empty(t, h.runs.heard)
	})
	t.Run("what does not fit the payment cannot be pressed", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s, _ := h.paid()
		h.told(s, "")
		for _, one := range [][2]string{{"expire", ""}, {"resolve", "paid"}, {"resolve", "give_back"}, {"resolve", "keep"}, {"drop", ""}, {"resolve", "drop"}} {
			h.get(access.Operator, list+"/"+s.ID+"/act?do="+one[0]+"&choice="+one[1]).shows(http.StatusConflict, "has moved on")
			press(h, s, one[0], one[1], "because").shows(http.StatusConflict)
		}
		require.Empty(t, h.runs.heard)
	})
	t.Run("what the record refuses is told in its words, and stays with the people", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s := h.accept()
		h.find(h.begin(s), payment.Open)
		press(h, s, "resolve", "not_paid", "I think so").shows(http.StatusConflict, "has moved on") // nobody is needed
		h.call(s, payment.AccountBlocked)
		press(h, s, "resolve", "not_paid", "I think so").shows(http.StatusConflict, "That was refused", "The provider's page is open and may still be paid", "Nothing was moved")
		h.show(access.Operator, s).shows(http.StatusOK, "resolve not paid refused")
	})
	t.Run("while the workflow service is away the row stands and says so", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s := h.accept()
		h.runs.err = errAway
		press(h, s, "note", "", "ticket 4711").shows(http.StatusServiceUnavailable, "Written down, and not applied yet")
		h.show(access.Operator, s).shows(http.StatusOK, "not applied yet")
	})
	t.Run("what people wrote is opened on request, which is noted", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s := h.accept()
		press(h, s, "note", "", "ticket 4711").leads()
		h.show(access.Operator, s).shows(http.StatusOK, "Show what they wrote").lacks("ticket 4711")
		h.show(access.Viewer, s).shows(http.StatusOK).lacks("Show what they wrote")
		h.post(access.Viewer, list+"/"+s.ID+"/notes").shows(http.StatusForbidden)
		h.post(access.Finance, list+"/"+s.ID+"/notes").shows(http.StatusOK, "ticket 4711").lacks("Show what they wrote")
		require.Equal(t, "finance payment.read_notes payment "+s.ID, h.trail()[0])
	})
}
