package cli

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/store"
)

// bank answers verifications one after the other.
type bank struct{ says []error }

func (*bank) Name() string           { return "bank" }
func (*bank) Contract() psp.Contract { return psp.Contract{} }

func (*bank) Inquire(context.Context, psp.Account, psp.Ref) (psp.Outcome, error) {
	return psp.Outcome{}, payment.Errorf(payment.NotFound, "nothing is here")
}

func (b *bank) VerifyAccount(context.Context, psp.Account) error {
	err := b.says[0]
	b.says = b.says[1:]
	return err
}

// ledgerOfProof notes what becomes known of one account.
type ledgerOfProof struct{ noted []string }

func (*ledgerOfProof) AccountsToVerify(context.Context, time.Time, int) ([]store.Account, error) {
	return []store.Account{{ID: "a", Provider: "bank", Shop: "s"}}, nil
}

func (*ledgerOfProof) Account(context.Context, string) (string, map[string]string, bool, error) {
	return "bank", map[string]string{"secret": "canary"}, true, nil
}

func (l *ledgerOfProof) AccountVerified(context.Context, string) error {
	l.noted = append(l.noted, "verified")
	return nil
}

func (l *ledgerOfProof) AccountRefused(context.Context, string) (bool, error) {
	l.noted = append(l.noted, "refused")
	return true, nil
}

func TestProven(t *testing.T) {
	t.Parallel()
	no, away := payment.Errorf(payment.Unauthorized, "no"), payment.Errorf(payment.Unavailable, "away")
	for rule, tc := range map[string]struct {
		says  []error
		noted []string
		waits int
		log   string
	}{
		"accepted credentials are proven":                  {[]error{nil}, []string{"verified"}, 0, ""},
		"a refusal is believed when it is repeated":        {[]error{no, no}, []string{"refused"}, 1, "has to replace them"},
		"one refusal alone proves nothing":                 {[]error{no, nil}, []string{"verified"}, 1, ""},
		"nor one after which the provider is away":         {[]error{no, away}, nil, 1, "trying again"},
		"a provider that is away says nothing about a key": {[]error{away}, nil, 0, "trying again"},
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			registry, err := psp.NewRegistry(&bank{says: tc.says})
			require.NoError(t, err)
			var log bytes.Buffer
			records, waits := &ledgerOfProof{}, 0
			p := &proven{records: records, providers: registry, now: time.Now, log: zerolog.New(&log), again: func(context.Context) error {
				waits++
				return nil
			}}
			require.NoError(t, p.look(t.Context()))
			require.Equal(t, tc.noted, records.noted)
			require.Equal(t, tc.waits, waits)
			require.Contains(t, log.String(), tc.log)
			require.NotContains(t, log.String(), "canary")
		})
	}
}
