package console_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
	"tillflow/internal/payment"
)

func TestPausedAccount(t *testing.T) {
	t.Parallel()
	pause := func(h *house) {
		h.t.Helper()
		require.NoError(h.t, h.NotePause(h.t.Context(), payment.Pause{
			AccountID: h.account, Worker: "w1", Since: h.clock(), Until: h.clock().Add(time.Minute), Failures: 5,
		}))
	}
	t.Run("a payment that was held back says that nothing was sent and what happens next", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s := h.accept()
		send := h.begin(s)
		require.NoError(t, h.NotSent(t.Context(), send.Attempt.ID, send.Sends, payment.CodePaused))
		pause(h)
		h.show(access.Viewer, s).shows(http.StatusOK, "The provider does not answer", "since 20 Nov 2026 12:00", "certainly not sent", "Nothing was taken.",
			"the payment is rejected", "The charge at stripe was certainly not sent (account paused)", "the provider's support").lacks("Finding out")
	})
	t.Run("what is in doubt is not called unsent", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		s := h.accept()
		h.doubt(s)
		pause(h)
		h.show(access.Viewer, s).shows(http.StatusOK, "Finding out", "Nothing is sent again before we know", "a request has no answer yet", "At the moment the provider does not answer").lacks("certainly not sent")
	})
	t.Run("the account's line says so until it is over", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		pause(h)
		h.get(access.Viewer, "/console/accounts").shows(http.StatusOK, "paused", "does not answer since 20 Nov 2026 12:00", "tried again 20 Nov 2026 12:01")
		require.NoError(t, h.NotePause(t.Context(), payment.Pause{AccountID: h.account, Worker: "w1"}))
		h.get(access.Viewer, "/console/accounts").shows(http.StatusOK, "in use").lacks("does not answer")
	})
}
