package config_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/config"
	"tillflow/internal/flow"
)

func good() map[string]string {
	return map[string]string{
		"TILLFLOW_DATABASE_URL": "postgres://x", "TILLFLOW_PUBLIC_URL": "https://pay.example.com",
		"TILLFLOW_SHOPIFY_CLIENT_CA": "ca.pem", "TILLFLOW_SHOPIFY_CERT": "c.pem", "TILLFLOW_SHOPIFY_KEY": "k.pem",
		"TILLFLOW_MASTER_KEYS": "a:b", "TILLFLOW_PAYLOAD_KEYS": "a:b",
	}
}

func load(vars map[string]string) (config.Config, error) {
	return config.Load(func(name string) string { return vars[name] })
}

func TestLoad(t *testing.T) {
	t.Parallel()
	t.Run("defaults are production's", func(t *testing.T) {
		t.Parallel()
		c, err := load(good())
		require.NoError(t, err)
		require.True(t, c.Production())
		require.Equal(t, "https://{shop}", c.ShopifyURL)
		timing, err := c.Timing.Apply(flow.DefaultTiming())
		require.NoError(t, err)
		require.Equal(t, flow.DefaultTiming(), timing)
	})
	t.Run("all faults are reported at once", func(t *testing.T) {
		t.Parallel()
		_, err := load(map[string]string{"TILLFLOW_PUBLIC_URL": "pay", "TILLFLOW_CLOCK_OFFSET": "1h", "TILLFLOW_SWEEP_EVERY": "soon"})
		for _, name := range []string{"DATABASE_URL", "PUBLIC_URL", "CLOCK_OFFSET", "MASTER_KEYS", "SHOPIFY_CLIENT_CA"} {
			require.ErrorContains(t, err, "TILLFLOW_"+name)
		}
		require.ErrorContains(t, err, "SweepEvery")
	})
	t.Run("production refuses plain http and test durations", func(t *testing.T) {
		t.Parallel()
		vars := good()
		vars["TILLFLOW_STRIPE_URL"] = "http://127.0.0.1:1"
		vars["TILLFLOW_TIMING"] = `{"FirstLook":"5s"}`
		_, err := load(vars)
		require.ErrorContains(t, err, "STRIPE_URL")
		require.ErrorContains(t, err, "TIMING")
		vars["TILLFLOW_ENVIRONMENT"] = "development"
		c, err := load(vars)
		require.NoError(t, err)
		timing, err := c.Timing.Apply(flow.DefaultTiming())
		require.NoError(t, err)
		require.Equal(t, 5*time.Second, timing.FirstLook)
	})
	t.Run("a duration that does not exist is named", func(t *testing.T) {
		t.Parallel()
		vars := good()
		vars["TILLFLOW_TIMING"] = `{"FirstLok":"5s"}`
		_, err := load(vars)
		require.ErrorContains(t, err, "FirstLok")
	})
	t.Run("proxy mode names the proxy", func(t *testing.T) {
		t.Parallel()
		vars := good()
		vars["TILLFLOW_SHOPIFY_PROXY_HEADER"] = "X-Forwarded-Client-Cert"
		_, err := load(vars)
		require.ErrorContains(t, err, "SHOPIFY_PROXIES")
		vars["TILLFLOW_SHOPIFY_PROXIES"] = "10.0.0.0/8"
		_, err = load(vars)
		require.NoError(t, err)
	})
}

func TestEnvExampleNamesEveryVariable(t *testing.T) {
	t.Parallel()
	names, err := config.Names()
	require.NoError(t, err)
	text, err := os.ReadFile("../../.env.example")
	require.NoError(t, err)
	var listed []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "#")
		if name, _, found := strings.Cut(line, "="); found && strings.HasPrefix(name, "TILLFLOW_") {
			listed = append(listed, name)
		}
	}
	require.ElementsMatch(t, names, listed)
}

func TestApps(t *testing.T) {
	t.Parallel()
	t.Run("the scopes are those that deploy/ declares", func(t *testing.T) {
		t.Parallel()
		c, err := load(good())
		require.NoError(t, err)
		for file, scopes := range map[string][]string{"shopify.app.toml": c.ShopifyScopes, "shopify.admin-app.toml": c.ShopifyAdminScopes} {
			text, err := os.ReadFile("../../deploy/" + file)
			require.NoError(t, err)
			require.Contains(t, string(text), `scopes = "`+strings.Join(scopes, ",")+`"`)
		}
	})
	const payments, second = "TILLFLOW_SHOPIFY_", "TILLFLOW_SHOPIFY_ADMIN_"
	t.Run("both apps, each with the secret before", func(t *testing.T) {
		t.Parallel()
		vars := good()
		for app, prefix := range map[string]string{"a": payments, "b": second} {
			vars[prefix+"CLIENT_ID"], vars[prefix+"CLIENT_SECRET"], vars[prefix+"CLIENT_SECRET_PREVIOUS"] = app, "new", "old"
		}
		vars[second+"SCOPES"] = "read_orders,write_products"
		c, err := load(vars)
		require.NoError(t, err)
		require.Equal(t, "old", c.ShopifyAdminClientSecretPrevious.Reveal())
		require.Equal(t, []string{"read_orders", "write_products"}, c.ShopifyAdminScopes)
	})
	for name, tc := range map[string]struct {
		set  map[string]string
		says string
	}{
		"an id without a secret":             {map[string]string{payments + "CLIENT_ID": "a"}, payments + "CLIENT_ID: "},
		"a secret without an id":             {map[string]string{second + "CLIENT_SECRET": "canary"}, second + "CLIENT_ID: "},
		"an old secret of no app":            {map[string]string{second + "CLIENT_SECRET_PREVIOUS": "canary"}, second + "CLIENT_SECRET_PREVIOUS: "},
		"one app in the place of two":        {map[string]string{payments + "CLIENT_ID": "a", payments + "CLIENT_SECRET": "canary", second + "CLIENT_ID": "a", second + "CLIENT_SECRET": "canary"}, "app of its own"},
		"an old secret in the place of both": {map[string]string{payments + "CLIENT_ID": "a", payments + "CLIENT_SECRET_PREVIOUS": "canary"}, payments + "CLIENT_ID: "},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			t.Parallel()
			vars := good()
			for name, value := range tc.set {
				vars[name] = value
			}
			_, err := load(vars)
			require.ErrorContains(t, err, tc.says)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}
