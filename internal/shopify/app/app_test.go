package app_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/shopify"
	"tillflow/internal/shopify/app"
)

func TestNames(t *testing.T) {
	t.Parallel()
	require.True(t, app.Payments.Known())
	require.True(t, app.Admin.Known())
	require.False(t, app.Name("").Known())
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	g := app.Grant{Tokens: app.Tokens{Access: "canary", Refresh: "canary"}}
	encoded, err := json.Marshal(g)
	require.NoError(t, err)
	require.NotContains(t, string(encoded)+fmt.Sprintf("%v %+v %#v %s", g, g, g, g.Tokens.Access), "canary")
}

func TestTopics(t *testing.T) {
	t.Parallel()
	require.Equal(t, "ORDERS_PAID", app.OrdersPaid.Enum())
	require.Equal(t, "ORDER_TRANSACTIONS_CREATE", app.OrderTransactionsCreate.Enum())
	require.Empty(t, app.CustomersRedact.Enum(), "not in the enum of the Admin API")
	seen := map[app.Topic]bool{}
	for _, topic := range app.Topics(app.Admin) {
		require.NotEqual(t, app.AboutUnknown, topic.Matter(), topic)
		require.False(t, seen[topic], topic)
		seen[topic] = true
	}
	for _, topic := range app.Topics(app.Payments) {
		require.True(t, seen[topic])
		require.Contains(t, []app.Matter{app.AboutInstallation, app.AboutPrivacy}, topic.Matter())
	}
	require.Equal(t, app.AboutUnknown, app.Topic("products/update").Matter())
}

func TestScopes(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"a", "b"}, app.Scopes(" b, a,,a "))
	require.Empty(t, app.Scopes(""))
	require.Equal(t, []string{"read_b"}, app.MissingScopes([]string{"read_a", "read_b", "write_c"}, []string{"write_a", "write_c", "b"}))
	require.Equal(t, []string{"write_a"}, app.MissingScopes([]string{"write_a"}, []string{"read_a"}))
}

func TestInstalled(t *testing.T) {
	t.Parallel()
	require.False(t, app.Installation{}.Installed())
	require.True(t, app.Installation{InstalledAt: time.Unix(1, 0)}.Installed())
	require.False(t, app.Installation{InstalledAt: time.Unix(1, 0), UninstalledAt: time.Unix(2, 0)}.Installed())
}

// The files that go to Shopify say what the program expects.
func TestDeployedConfiguration(t *testing.T) {
	t.Parallel()
	for file, name := range map[string]app.Name{"shopify.app.toml": app.Payments, "shopify.admin-app.toml": app.Admin} {
		text := read(t, file)
		require.Contains(t, text, `api_version = "`+shopify.APIVersion+`"`, file)
		require.Contains(t, text, "embedded = false", file)
		for _, topic := range app.Topics(name) {
			// What the guardian subscribes to is not declared: Shopify lists only what the API has made.
			declared := topic.Matter() == app.AboutInstallation || topic.Matter() == app.AboutPrivacy
			require.Equal(t, declared, strings.Contains(text, `"`+string(topic)+`"`), "%s in %s", topic, file)
		}
	}
	extension := read(t, "shopify.extension.toml")
	require.Contains(t, extension, `api_version = "`+shopify.APIVersion+`"`)
	require.Contains(t, extension, `target = "payments.offsite.render"`)
	for _, line := range []string{"payment_session_url", "refund_session_url", "capture_session_url", "void_session_url"} {
		require.Contains(t, extension, "\n"+line+" = ")
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile("../../../deploy/" + file)
	require.NoError(t, err)
	return string(text)
}
