package flow_test

import (
	"regexp"
	"strings"
	"testing"
	"testing/quick"

	"github.com/stretchr/testify/require"

	"tillflow/internal/flow"
	"tillflow/internal/payment"
)

func moveID(kind payment.Operation, source, ref string) string {
	return flow.MoveID(payment.MoveRef{Kind: kind, Source: source, Shop: "a.myshopify.com", ExternalRef: ref})
}

func TestIDs(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"charge/shopify/a.myshopify.com/u0nwmSrNntjIWozmNslK5Tlq":      flow.ChargeID("shopify", "a.myshopify.com", "u0nwmSrNntjIWozmNslK5Tlq"),
		"charge/api/shop-1/order%202026%2F7":                           flow.ChargeID("api", "shop-1", "order 2026/7"),
		"charge/api/shop-1/100%25%C3%A9":                               flow.ChargeID("api", "shop-1", "100%é"),
		"reversal/shopify/a.myshopify.com/pi_3MtwBwLkdIwHu7ix28a3tqPa": flow.ReversalID("shopify", "a.myshopify.com", "pi_3MtwBwLkdIwHu7ix28a3tqPa"),
		"refund/shopify/a.myshopify.com/mRefund1":                      moveID(payment.OpRefund, "shopify", "mRefund1"),
		"capture/shopify/a.myshopify.com/mCapture1":                    moveID(payment.OpCapture, "shopify", "mCapture1"),
		"void/api/a.myshopify.com/my%20id":                             moveID(payment.OpVoid, "api", "my id"),
		"charge/api/s/":                                                flow.ChargeID("api", "s", ""),
	} {
		require.Equal(t, want, got, "ids stand in histories: equal request, equal id, for life")
	}
	long := flow.ChargeID("api", "shop-1", strings.Repeat("x", 300))
	require.Equal(t, "charge/api/shop-1/"+strings.Repeat("x", 204)+"-94bba9117a76348550986bd2477b9e10", long)
}

func TestDifferentRequestsNeverShareAnID(t *testing.T) {
	t.Parallel()
	allowed := regexp.MustCompile(`^[A-Za-z0-9._=+:%/-]+$`)
	injective := func(a, b [3]string) bool {
		first, second := flow.ChargeID(a[0], a[1], a[2]), flow.ChargeID(b[0], b[1], b[2])
		return (a == b) == (first == second) && first == flow.ChargeID(a[0], a[1], a[2]) &&
			len(first) <= 255 && allowed.MatchString(first)
	}
	require.NoError(t, quick.Check(injective, &quick.Config{MaxCount: 2000}))

	// Texts that only a careless join or escape would mix up.
	tricky := []string{"", "/", "%", "%2F", "%252F", "a/b", "a%2Fb", "a", "b", "A", "é", "\xff", "%FF", "%ff", strings.Repeat("y", 250), strings.Repeat("y", 251)}
	seen := map[string][3]string{}
	for _, x := range tricky {
		for _, y := range tricky {
			for _, z := range tricky {
				id := flow.ChargeID(x, y, z)
				require.LessOrEqual(t, len(id), 255)
				other, taken := seen[id]
				require.False(t, taken, "%q and %q", other, [3]string{x, y, z})
				seen[id] = [3]string{x, y, z}
			}
		}
	}
}

func TestKindsOfRunsNeverShareAnID(t *testing.T) {
	t.Parallel()
	seen := map[string]payment.Operation{flow.ChargeID("api", "a.myshopify.com", "1"): payment.OpCharge}
	for _, kind := range []payment.Operation{payment.OpCapture, payment.OpVoid, payment.OpRefund, payment.OpReversal} {
		id := moveID(kind, "api", "1")
		require.NotContains(t, seen, id)
		seen[id] = kind
	}
	require.NotContains(t, flow.SweepID, "/")
}
