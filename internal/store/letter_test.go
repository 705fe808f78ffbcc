package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/letter"
	"tillflow/internal/payment"
	"tillflow/internal/store"
)

func TestLetters(t *testing.T) {
	t.Parallel()
	s := setup(t)
	by := audit.Actor{Name: "ada", Role: access.Admin}
	require.NoError(t, s.PutShop(t.Context(), store.Shop{Shop: "letters.example", Active: true}))
	own := letter.Own{
		Shop: "letters.example", Kind: letter.PaymentRetry, Language: "de",
		Template: letter.Template{Subject: "Hoppla, {plan}", Button: "Los", Body: "Am {retry_date}.\n\nBis bald"},
	}
	_, err := s.OwnLetter(t.Context(), own.Shop, own.Kind, own.Language)
	require.Equal(t, payment.NotFound, payment.ClassOf(err, ""), "none at first")

	require.NoError(t, s.SaveLetter(t.Context(), own, by))
	got, err := s.OwnLetter(t.Context(), own.Shop, own.Kind, own.Language)
	require.NoError(t, err)
	require.Equal(t, own.Template, got)
	_, err = s.OwnLetter(t.Context(), own.Shop, own.Kind, "en")
	require.Equal(t, payment.NotFound, payment.ClassOf(err, ""), "each language has its own")

	own.Body = "Bald."
	require.NoError(t, s.SaveLetter(t.Context(), own, by), "the second text replaces the first")
	got, err = s.OwnLetter(t.Context(), own.Shop, own.Kind, own.Language)
	require.NoError(t, err)
	require.Equal(t, "Bald.", got.Body)
	kinds, err := s.OwnLetters(t.Context(), own.Shop, "de")
	require.NoError(t, err)
	require.Equal(t, []letter.Kind{letter.PaymentRetry}, kinds)

	bad := own
	bad.Body = "{name}"
	var fault *letter.Fault
	require.ErrorAs(t, s.SaveLetter(t.Context(), bad, by), &fault, "what could not be sent is not stored")
	bad = own
	bad.Language = "nl"
	require.ErrorAs(t, s.SaveLetter(t.Context(), bad, by), &fault)
	bad = own
	bad.Shop = "nobody.example"
	require.Error(t, s.SaveLetter(t.Context(), bad, by))

	require.NoError(t, s.DropLetter(t.Context(), own, by))
	require.Equal(t, payment.NotFound, payment.ClassOf(s.DropLetter(t.Context(), own, by), ""))
	trail, err := s.ListAudit(t.Context(), store.AuditFilter{Subject: "shop letters.example"})
	require.NoError(t, err)
	var did []string
	for _, r := range trail {
		did = append(did, r.Entry.Action+" "+r.Entry.Detail)
	}
	require.Equal(t, []string{
		"letter.drop kind=payment_retry language=de", "letter.change kind=payment_retry language=de", "letter.change kind=payment_retry language=de",
	}, did)
}
