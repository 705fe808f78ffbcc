package onboard_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/access/audit"
	"tillflow/internal/onboard"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/psp/sandbox"
	"tillflow/internal/psp/stripe"
)

func TestForms(t *testing.T) {
	t.Parallel()
	providers, err := psp.NewRegistry(sandbox.New(sandbox.Options{}), stripe.New(stripe.Options{}))
	require.NoError(t, err)
	desk := onboard.Desk{Providers: providers}
	t.Run("providers for real money come first, and each says all that its pages need", func(t *testing.T) {
		t.Parallel()
		var names []string
		for _, f := range desk.Forms() {
			names = append(names, f.Provider)
			require.NotEmpty(t, f.Title)
			require.NotEmpty(t, f.About)
			require.True(t, f.Live || f.Test)
			for _, field := range f.Fields {
				require.NotEmpty(t, field.Name)
				require.NotEmpty(t, field.Label)
				require.Positive(t, field.Max)
			}
			connector, err := providers.Connector(f.Provider)
			require.NoError(t, err)
			_, verifies := connector.(psp.Verifier)
			require.True(t, verifies, "%s: what can be connected can be verified", f.Provider)
		}
		require.Equal(t, []string{"stripe", "sandbox"}, names)
	})
	t.Run("a provider that is not there has none", func(t *testing.T) {
		t.Parallel()
		_, err := desk.Form("paypal")
		require.Equal(t, payment.Unsupported, payment.ClassOf(err, ""))
	})
}

func TestCountry(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"DE", "AD", "ZW", "XK", "CH"} {
		require.True(t, onboard.Country(code), code)
	}
	for _, code := range []string{"", "D", "de", "UK", "ZZ", " A", "A ", "D A", "ADAE"} {
		require.False(t, onboard.Country(code), code)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	require.EqualError(t, onboard.Faults{"mail": "no.", "label": "too long.", "": "nothing was stored."}, "nothing was stored.; label: too long.; mail: no.")
}

// paper keeps what was noted.
type paper struct {
	onboard.Records
	noted []audit.Entry
}

func (p *paper) SaveMarket(_ context.Context, _ string, _ payment.Market, entry audit.Entry) error {
	p.noted = append(p.noted, entry)
	return nil
}

func TestAudited(t *testing.T) {
	t.Parallel()
	records := &paper{}
	desk := onboard.Desk{Records: records}
	many := make([]string, 60)
	for i := range many {
		many[i] = "0197a2b4-0000-7000-8000-000000000000"
	}
	for _, accounts := range [][]string{nil, many[:1], many[:4], many} {
		require.NoError(t, desk.SetMarket(t.Context(), "a-shop-with-a-name-that-is-as-long-as-a-name-may-be-at-shopify.myshopify.com",
			payment.Market{Currency: "EUR", Country: "NL", Accounts: accounts}, onboard.Merchant("a-shop.myshopify.com")))
	}
	for _, entry := range records.noted {
		require.NoError(t, entry.Check(), "the chain takes it, however much there is")
	}
	require.Contains(t, records.noted[3].Detail, ",+56")
}
