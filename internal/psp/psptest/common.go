package psptest

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

func runCommon(t *testing.T, fresh func(*testing.T) Target) {
	rule(t, fresh, "the contract is complete", func(t *testing.T, s *story) {
		require.Regexp(t, `^[a-z][a-z0-9]*$`, s.Connector.Name())
		c := s.Connector.Contract()
		for op, absence := range c.Absence {
			require.Contains(t, []psp.Absence{psp.Advisory, psp.Authoritative}, absence, op)
			if absence == psp.Authoritative {
				require.Greater(t, c.LookupLag, c.CallTimeout, "a call may still be carried out when we have given it up")
			}
		}
		require.Positive(t, c.CallTimeout)
		require.Positive(t, c.InFlight)
		if c.KeyRetention > 0 {
			require.GreaterOrEqual(t, c.KeyMax, 1)
			require.Greater(t, c.KeyRetention, c.CallTimeout, "a key must outlive the call that it names")
		}
		if _, ok := s.Connector.(psp.Redirector); ok {
			require.Positive(t, c.CheckoutMin)
			require.Less(t, c.CheckoutMin, c.CheckoutMax)
			require.Positive(t, c.LateSuccess)
		}
		if psp.Covers(s.Connector, payment.Authorization) {
			require.Greater(t, c.HoldLimit, time.Hour)
			require.Contains(t, []psp.Captures{psp.OneCapture, psp.SeveralCaptures}, c.Captures)
			require.False(t, c.RestReleased && c.Captures == psp.SeveralCaptures, "what was released cannot be captured")
		}
	})
	rule(t, fresh, "credentials do not print", func(t *testing.T, s *story) {
		require.NotEmpty(t, s.Account.Credentials)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			text := fmt.Sprintf(verb, s.Account)
			for name, secret := range s.Account.Credentials {
				require.NotContains(t, text, secret, "%s in %s", name, verb)
			}
		}
	})
	rule(t, fresh, "an operation nobody knows is not looked up", func(t *testing.T, s *story) {
		_, err := s.Connector.Inquire(t.Context(), s.Account, psp.Ref{
			AttemptID: "att", Operation: "gift", PaymentRef: "p", FirstSent: s.Now(),
		})
		requireClass(t, payment.Unsupported, err)
	})
	if _, ok := fresh(t).Connector.(psp.Verifier); !ok {
		return
	}
	rule(t, fresh, "good credentials are verified", func(t *testing.T, s *story) {
		require.NoError(t, s.Connector.(psp.Verifier).VerifyAccount(t.Context(), s.Account))
	})
	rule(t, fresh, "wrong credentials are Unauthorized and do not show in the error", func(t *testing.T, s *story) {
		wrong := s.wrongAccount()
		err := s.Connector.(psp.Verifier).VerifyAccount(t.Context(), wrong)
		requireClass(t, payment.Unauthorized, err)
		for _, secret := range wrong.Credentials {
			require.NotContains(t, err.Error(), secret)
		}
	})
	rule(t, fresh, "credentials of the other mode are Unauthorized", func(t *testing.T, s *story) {
		other := s.Account
		other.Live = !other.Live
		requireClass(t, payment.Unauthorized, s.Connector.(psp.Verifier).VerifyAccount(t.Context(), other))
	})
	rule(t, fresh, "an unreachable provider leaves credentials unverified", func(t *testing.T, s *story) {
		requireClass(t, payment.Unavailable, s.Unreachable.(psp.Verifier).VerifyAccount(t.Context(), s.Account))
	})
}

// wrongAccount has credentials of the right form that belong to nobody.
func (s *story) wrongAccount() psp.Account {
	wrong := s.Account
	wrong.Credentials = maps.Clone(wrong.Credentials)
	for name := range wrong.Credentials {
		wrong.Credentials[name] += "0"
	}
	return wrong
}
