package console_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/api/console"
	"tillflow/internal/access"
	"tillflow/internal/letter"
)

func TestLetters(t *testing.T) {
	t.Parallel()
	writer, err := letter.NewWriter()
	require.NoError(t, err)
	with := func(t *testing.T) *house {
		t.Helper()
		return furnish(t, func(o *console.Options) { o.Letters, o.Letterhead = o.Payments.(record), writer })
	}
	const one = "/console/letters/payment_retry"
	query := "?shop=" + shop + "&language=de"
	fields := func(do, body string) []string {
		return []string{"shop", shop, "language", "de", "subject", "Hoppla, {plan}", "button", "Los", "body", body, "do", do}
	}
	t.Run("without them there is no page and no way to it", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.get(access.Admin, "/console/payments").lacks("Mails")
		require.Equal(t, http.StatusNotFound, h.get(access.Admin, "/console/letters").status)
	})
	t.Run("an administrator sees all of them, and nobody else does", func(t *testing.T) {
		t.Parallel()
		h := with(t)
		h.get(access.Admin, "/console/letters"+query).shows(http.StatusOK, "payment retry", "merchant ended", "Ihre Zahlung für {plan} wurde abgelehnt", "ours").lacks("the shop’s own text")
		h.get(access.Admin, "/console/letters").shows(http.StatusOK, "Your payment for {plan} was declined")
		for _, role := range []access.Role{access.Viewer, access.Operator, access.Finance} {
			h.get(role, "/console/letters").shows(http.StatusForbidden)
			h.get(role, one+query).shows(http.StatusForbidden)
			h.post(role, one, fields("save", "x")...).shows(http.StatusForbidden)
		}
	})
	t.Run("a text is shown as it will be read, saved, and dropped again", func(t *testing.T) {
		t.Parallel()
		h := with(t)
		h.get(access.Admin, one+query).shows(http.StatusOK, "{retry_date}", "Ihre Zahlung für Club wurde abgelehnt", "1.234,56\u00a0€", "23.\u00a0November 2026").lacks("Use our text again")
		h.post(access.Admin, one, fields("preview", "Am {retry_date}")...).shows(http.StatusOK, "Hoppla, Club", "Am 23.\u00a0November 2026")
		h.get(access.Admin, one+query).lacks("Hoppla")
		at := h.post(access.Admin, one, fields("save", "Am {retry_date}.\r\n\r\nBis bald")...).leads()
		h.get(access.Admin, at).shows(http.StatusOK, "Saved.", "Hoppla, Club", "Bis bald", "Use our text again", "the shop’s own")
		own, err := h.OwnLetter(t.Context(), shop, letter.PaymentRetry, "de")
		require.NoError(t, err)
		require.Equal(t, "Am {retry_date}.\n\nBis bald", own.Body)
		h.get(access.Admin, "/console/letters"+query).shows(http.StatusOK, "the shop’s own")
		h.get(access.Admin, "/console/audit").shows(http.StatusOK, "letter.change", "kind=payment_retry language=de")
		h.get(access.Admin, h.post(access.Admin, one, fields("drop", "")...).leads()).shows(http.StatusOK).lacks("Hoppla")
		h.post(access.Admin, one, fields("drop", "")...).shows(http.StatusNotFound)
	})
	t.Run("a placeholder that does not exist is refused with those that do, and what was typed stays", func(t *testing.T) {
		t.Parallel()
		h := with(t)
		for _, do := range []string{"save", "preview", "mail"} {
			p := h.post(access.Admin, one, fields(do, "Liebe {customer_name}")...).shows(http.StatusUnprocessableEntity,
				"Nothing was saved. There is no placeholder {customer_name} here. There are: {shop}, {plan}", "Liebe {customer_name}")
			require.Contains(t, p.html, `aria-invalid="true"`)
		}
		_, err := h.OwnLetter(t.Context(), shop, letter.PaymentRetry, "de")
		require.Error(t, err)
	})
	t.Run("what is typed runs nowhere", func(t *testing.T) {
		t.Parallel()
		h := with(t)
		p := h.post(access.Admin, one, fields("mail", "<script>alert(1)</script>")...)
		require.Equal(t, http.StatusOK, p.status)
		require.Contains(t, p.html, "&lt;script&gt;")
		require.Contains(t, p.header.Get("Content-Security-Policy"), "sandbox")
		require.NotContains(t, p.header.Get("Content-Security-Policy"), "script-src")
		require.NotContains(t, h.post(access.Admin, one, fields("preview", "<script>alert(1)</script>")...).html, "<script>alert")
	})
	t.Run("what does not exist is not found", func(t *testing.T) {
		t.Parallel()
		h := with(t)
		h.get(access.Admin, "/console/letters/thanks"+query).shows(http.StatusNotFound)
		h.get(access.Admin, one+"?shop="+shop+"&language=nl").shows(http.StatusNotFound)
		h.get(access.Admin, one+"?shop=other.example&language=de").shows(http.StatusNotFound)
		h.get(access.Admin, "/console/letters?shop=other.example").shows(http.StatusNotFound)
		h.post(access.Admin, one, fields("burn", "x")...).shows(http.StatusUnprocessableEntity)
	})
}
