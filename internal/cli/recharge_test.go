package cli

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/recharge"
	standin "tillflow/standin/recharge"
)

// subscriptions is the address of a Recharge that knows one token, "good".
func subscriptions(t *testing.T) string {
	t.Helper()
	server, err := standin.New(standin.Options{Stores: []standin.Store{{Name: "a", Token: "good", ClientSecret: "s"}}})
	require.NoError(t, err)
	site := httptest.NewServer(server)
	t.Cleanup(func() {
		site.Close()
		require.NoError(t, server.Close())
	})
	return site.URL
}

func TestRechargeCommand(t *testing.T) {
	t.Parallel()
	o := setup(t)
	o.vars["TILLFLOW_RECHARGE_URL"], o.vars["TILLFLOW_ENVIRONMENT"] = subscriptions(t), "development"
	o.must("", "shop", "-shop", o.shop, "-label", "Acme", "-actor", "root")
	_, _, said := o.command("token=bad\nclient_secret=s\n", "recharge", "connect", "-shop", o.shop, "-actor", "root")
	require.Contains(t, said, "nothing was stored", "a token that Recharge refuses is not kept")
	require.NotContains(t, said, "token=bad")
	out := o.must("token=good\nclient_secret=s\n", "recharge", "connect", "-shop", o.shop, "-actor", "root")
	list, err := o.Recharges(t.Context(), o.shop)
	require.NoError(t, err)
	require.Contains(t, out, "/webhook/recharge/"+list[0].Hook)
	require.Empty(t, list[0].Policy.Process, "nothing is charged again unless it is asked for")
	o.must("", "recharge", "policy", "-shop", o.shop, "-process", "insufficient_funds", "-after", "2h", "-most", "2", "-actor", "root")
	o.must("token=good\nclient_secret=other\n", "recharge", "connect", "-shop", o.shop, "-actor", "root")
	list, err = o.Recharges(t.Context(), o.shop)
	require.NoError(t, err)
	require.Equal(t, []recharge.Category{recharge.InsufficientFunds}, list[0].Policy.Process, "new credentials leave the policy")
	require.Equal(t, 2, list[0].Policy.Most)
	require.Contains(t, o.must("", "recharge", "list", "-shop", o.shop), "insufficient_funds after 2h0m0s, 2 times at most")
	o.must("", "recharge", "disconnect", "-shop", o.shop, "-actor", "root")
	require.Contains(t, o.must("", "recharge", "list"), "disconnected")
}
