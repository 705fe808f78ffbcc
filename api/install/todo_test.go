package install_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/api/install"
	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
)

func TestTodo(t *testing.T) {
	t.Parallel()
	landed := func(t *testing.T, todo func(context.Context, string) ([]install.Step, error)) (string, *bench) {
		t.Helper()
		b := setup(t, func(_ *bench, o *install.Options) { o.Todo = todo })
		state, cookie := b.begin()
		rec := b.visit(b.back(state), cookie)
		require.Equal(t, http.StatusOK, rec.Code)
		require.Contains(t, rec.Body.String(), "The app is installed")
		return rec.Body.String(), b
	}
	t.Run("the page says what is still to be done, and what to type for it", func(t *testing.T) {
		t.Parallel()
		page, _ := landed(t, func(_ context.Context, of string) ([]install.Step, error) {
			return []install.Step{{Text: "Connect <an> account.", Command: `tillflow account -shop ` + of + ` -label "Card"`}, {Text: "Tell your staff."}}, nil
		})
		require.Contains(t, page, "Still to be done")
		require.Contains(t, page, "Connect &lt;an&gt; account. The operator of this app types <code>tillflow account -shop "+shop+" -label &#34;Card&#34;</code>")
		require.Contains(t, page, "<li>Tell your staff.</li>")
		require.Contains(t, page, "Then activate it")
		require.Contains(t, page, "/services/payments_partners/gateways/key-1/settings")
	})
	t.Run("with nothing left to do it leads to the shop's settings", func(t *testing.T) {
		t.Parallel()
		page, _ := landed(t, func(context.Context, string) ([]install.Step, error) { return nil, nil })
		require.NotContains(t, page, "Still to be done")
		require.Contains(t, page, "Activate it in the payment settings of your shop.")
	})
	t.Run("a list that cannot be read does not undo the installation", func(t *testing.T) {
		t.Parallel()
		page, b := landed(t, func(context.Context, string) ([]install.Step, error) {
			return nil, payment.Errorf(payment.Unavailable, "database is away")
		})
		require.Contains(t, page, "could not be read just now")
		require.Contains(t, b.log.String(), "steps after installation not listed")
		found, err := b.Installation(t.Context(), app.Payments, shop)
		require.NoError(t, err)
		require.True(t, found.Installed())
	})
}
