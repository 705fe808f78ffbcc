package shopify

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
)

func replacePercent(pattern, with string) string { return strings.ReplaceAll(pattern, "%", with) }

// invalidDocument is a request that must fail validation.
type invalidDocument struct {
	query string
	vars  map[string]any
	want  string
}

func invalidDocuments(gid string) map[string]invalidDocument {
	return map[string]invalidDocument{
		"resolve's user errors have no code": {
			`mutation($id: ID!) { paymentSessionResolve(id: $id) { userErrors { code field message } } }`,
			map[string]any{"id": gid},
			`Cannot query field "code" on type "UserError"`,
		},
		"reject's user errors have no code": {
			`mutation($id: ID!, $r: PaymentSessionRejectionReasonInput!) { paymentSessionReject(id: $id, reason: $r) { userErrors { code } } }`,
			map[string]any{"id": gid, "r": map[string]any{"code": "RISKY"}},
			`Cannot query field "code" on type "UserError"`,
		},
		"there is no query for a session": {
			`query($id: ID!) { paymentSession(id: $id) { id } }`, map[string]any{"id": gid}, `Cannot query field "paymentSession"`,
		},
		"a required argument is missing": {
			`mutation { paymentSessionResolve { userErrors { message } } }`, nil, `"id" of type "ID!" is required`,
		},
		"a required variable is missing": {
			`mutation($id: ID!) { paymentSessionResolve(id: $id) { userErrors { message } } }`, nil, "must be defined",
		},
		"a variable has the wrong type": {
			`mutation($id: ID!) { paymentSessionResolve(id: $id) { userErrors { message } } }`,
			map[string]any{"id": true},
			"cannot use bool as ID",
		},
		"a refund is rejected with PROCESSING_ERROR only": {
			document(opRefundReject),
			map[string]any{"id": gid, "reason": map[string]any{"code": "AUTHORIZATION_EXPIRED"}},
			"AUTHORIZATION_EXPIRED is not a valid RefundSessionStatusReasonRejectionCode",
		},
		"an enum value is spelt exactly": {
			document(opPaymentReject),
			map[string]any{"id": gid, "reason": map[string]any{"code": "processing_error"}},
			`"processing_error" is not a PaymentSessionStateRejectedReason`,
		},
		"an input has no unknown members": {
			document(opPaymentReject), map[string]any{"id": gid, "reason": map[string]any{"code": "RISKY", "text": "x"}}, "unknown field",
		},
		"a time is RFC 3339": {
			document(opPaymentPending),
			map[string]any{"id": gid, "pendingExpiresAt": "tomorrow", "reason": "NETWORK_ACTION_REQUIRED"},
			`"tomorrow" is not a DateTime`,
		},
		"a literal time is RFC 3339 too": {
			`mutation($id: ID!) { paymentSessionPending(id: $id, pendingExpiresAt: "soon", reason: NETWORK_ACTION_REQUIRED) { userErrors { code } } }`,
			map[string]any{"id": gid},
			`"soon" is not a DateTime`,
		},
		"the two reasons of the state union need aliases": {
			`mutation($id: ID!) { paymentSessionResolve(id: $id) { paymentSession { state {
				... on PaymentSessionStateRejected { reason } ... on PaymentSessionStatePending { reason } } } } }`,
			map[string]any{"id": gid},
			`Fields "reason" conflict`,
		},
		"syntax": {`mutation {`, nil, "Expected"},
		"empty":  {``, nil, "No operation"},
		"an endless document": {
			`query { ` + strings.Repeat("publicApiVersions { handle } ", 2000) + `}`, nil, "exceeded token limit",
		},
	}
}

func TestInvalidDocumentsAreRefusedAndDoNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gid := b.payment(t, SessionRequest{}).GID
	for rule, c := range invalidDocuments(gid) {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			got := b.graphql(t, c.query, c.vars)
			require.Equal(t, http.StatusOK, got.status)
			require.NotEmpty(t, got.Errors)
			require.Contains(t, got.Errors[0].Message, c.want)
			require.NotContains(t, got.body, `"data"`)
		})
	}
	t.Cleanup(func() { // after the parallel subtests
		session, known := b.Session(gid)
		require.True(t, known)
		require.Empty(t, session.Mutations)
	})
}

func TestRequestsOutsideGraphQL(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cases := map[string]struct {
		change func(*http.Request)
		status int
		want   string
	}{
		"unknown shop":       {func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, acme, "x.myshopify.com", 1) }, 404, "Not Found"},
		"future version":     {func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, "2026-10", "2027-01", 1) }, 404, "Not Found"},
		"malformed version":  {func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, "2026-10", "v2", 1) }, 404, "Not Found"},
		"wrong token":        {func(r *http.Request) { r.Header.Set("X-Shopify-Access-Token", "shpat_wrong") }, 401, "Invalid API key"},
		"no token":           {func(r *http.Request) { r.Header.Del("X-Shopify-Access-Token") }, 401, "Invalid API key"},
		"another shop's":     {func(r *http.Request) { r.Header.Set("X-Shopify-Access-Token", "shpat_other") }, 401, "Invalid API key"},
		"wrong content type": {func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415, "application/json"},
		"chunked body":       {func(r *http.Request) { r.ContentLength = -1 }, 411, "Content-Length"},
		"not JSON": {func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("query")), 5
		}, 400, "not a GraphQL request"},
		"too large": {func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat(" ", maxBody+1))), maxBody+1
		}, 413, "too large"},
	}
	for rule, c := range cases {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			req := b.graphqlRequest(t, `{ publicApiVersions { handle } }`, nil)
			c.change(req)
			got := b.do(t, req)
			require.Equal(t, c.status, got.status)
			var body plainError
			require.NoError(t, json.Unmarshal([]byte(got.body), &body), got.body)
			require.Contains(t, body.Errors, c.want)
			require.NotEmpty(t, got.header.Get("X-Request-Id"))
		})
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	t.Run("a supported version is served as asked", func(t *testing.T) {
		t.Parallel()
		got := b.do(t, b.graphqlRequest(t, `{ publicApiVersions { handle } }`, nil))
		require.Equal(t, "2026-10", got.header.Get("X-Shopify-API-Version"))
		require.Empty(t, got.header.Get("X-Shopify-API-Deprecated-Reason"))
	})
	t.Run("an old version is served by the oldest supported one", func(t *testing.T) {
		t.Parallel()
		req := b.graphqlRequest(t, `{ publicApiVersions { handle } }`, nil)
		req.URL.Path = strings.Replace(req.URL.Path, "2026-10", "2025-07", 1)
		got := b.do(t, req)
		require.Equal(t, http.StatusOK, got.status)
		require.Equal(t, "2026-04", got.header.Get("X-Shopify-API-Version"))
	})
	t.Run("publicApiVersions lists them", func(t *testing.T) {
		t.Parallel()
		got := b.do(t, b.graphqlRequest(t, `query Q { publicApiVersions { handle displayName supported } }`, nil))
		require.Contains(t, got.body, `{"displayName":"2026-10 (Latest)","handle":"2026-10","supported":true}`)
	})
}

func TestAnswersHoldExactlyWhatWasSelected(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gid := b.payment(t, SessionRequest{}).GID
	got := b.do(t, b.graphqlRequest(t, `
		mutation Go($id: ID!, $yes: Boolean!, $no: Boolean!) {
			__typename
			done: paymentSessionResolve(id: $id) {
				__typename
				it: paymentSession { ...Result ...Result state { ... on PaymentSessionState { plain: code } } }
				userErrors { message }
			}
		}
		fragment Result on PaymentSession {
			gid: id
			skipped: pendingExpiresAt @skip(if: $yes)
			notIncluded: pendingExpiresAt @include(if: $no)
			state {
				__typename
				... on PaymentSessionStateResolved { code }
				... on PaymentSessionStateRejected { code rejectedReason: reason }
			}
		}`, map[string]any{"id": gid, "yes": true, "no": false}))
	var body struct {
		Data json.RawMessage `json:"data"`
	}
	require.NoError(t, json.Unmarshal([]byte(got.body), &body))
	require.JSONEq(t, `{"__typename":"MutationRoot","done":{"__typename":"PaymentSessionResolvePayload",
		"it":{"gid":"`+gid+`","state":{"__typename":"PaymentSessionStateResolved","code":"RESOLVED","plain":"RESOLVED"}},
		"userErrors":[]}}`, string(body.Data))
}

func TestErrorTypesNameThemselves(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cases := map[string]string{
		opPaymentResolve: "UserError", opPaymentReject: "UserError", opPaymentPending: "PaymentSessionPendingUserError",
		opRefundResolve: "RefundSessionResolveUserError", opRefundReject: "RefundSessionRejectUserError",
		opCaptureResolve: "CaptureSessionResolveUserError", opVoidReject: "VoidSessionRejectUserError",
	}
	for name, typename := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			query := strings.Replace(document(name), "field message", "__typename field ... on DisplayableError { message }", 1)
			got := b.graphql(t, query, argsFor(name, "gid://shopify/None/1", b.clock.now()))
			require.Empty(t, got.Errors, got.body)
			first := got.Data[name]["userErrors"].([]any)[0].(map[string]any)
			require.Equal(t, typename, first["__typename"])
			require.Equal(t, []any{"id"}, first["field"])
			require.NotEmpty(t, first["message"])
		})
	}
}

func TestConfigure(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.graphql(t, `mutation($h: String, $r: Boolean!) { paymentsAppConfigure(externalHandle: $h, ready: $r) {
		paymentsAppConfiguration { externalHandle ready } userErrors { field message } } }`,
		map[string]any{"h": "acme-account", "r": true})
	require.Equal(t, map[string]any{"externalHandle": "acme-account", "ready": true},
		got.Data[opConfigure]["paymentsAppConfiguration"])
	page := b.Books(acme, true).Shops[acme]
	require.True(t, *page.Ready)
	require.Equal(t, "acme-account", page.Handle)
	require.Contains(t, b.get(t, "/shops/"+acme+"/admin").body, "payments app: <strong>ready</strong>")

	_, err := b.Faults().Arm(faults.Rule{Call: opConfigure, Kind: faults.Decline(DeclineUserError)})
	require.NoError(t, err)
	refused := b.graphql(t, `mutation { paymentsAppConfigure(ready: false) { userErrors { message } } }`, nil)
	require.Equal(t, "The app cannot be configured (fault switch)", firstError(refused.Data[opConfigure]))
	require.True(t, *b.Books(acme, true).Shops[acme].Ready)
}

func TestThrottling(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Throttle = Throttle{MaximumAvailable: 25, RestoreRate: 5} })
	gid := b.payment(t, SessionRequest{}).GID
	args := map[string]any{"id": gid}

	first := b.graphql(t, document(opPaymentResolve), args)
	require.InDelta(t, 10, *first.Extensions.Cost.ActualQueryCost, 0)
	require.InDelta(t, 15, first.Extensions.Cost.ThrottleStatus.CurrentlyAvailable, 0)
	require.Empty(t, b.graphql(t, document(opPaymentResolve), args).Errors)

	third := b.graphql(t, document(opPaymentResolve), args)
	require.Equal(t, http.StatusOK, third.status)
	require.Equal(t, "THROTTLED", third.Errors[0].Extensions["code"])
	require.Nil(t, third.Extensions.Cost.ActualQueryCost)
	require.InDelta(t, 5, third.Extensions.Cost.ThrottleStatus.CurrentlyAvailable, 0)
	require.Len(t, b.session(t, gid).Mutations, 2, "a throttled mutation was not received")

	b.clock.add(time.Second)
	require.Empty(t, b.graphql(t, document(opPaymentResolve), args).Errors, "five points came back")
}

func TestPlansHaveTheirRates(t *testing.T) {
	t.Parallel()
	for plan, rate := range map[Plan]float64{
		"": 910, PlanStandard: 910, PlanAdvanced: 910, PlanPlus: 1820, PlanComponents: 18200,
	} {
		limit, err := plan.limit()
		require.NoError(t, err)
		require.InDelta(t, rate, limit.RestoreRate, 0)
	}
	_, err := Plan("gold").limit()
	require.ErrorContains(t, err, "unknown plan")
}

func TestFaultsAroundAMutation(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		kind   faults.Kind
		lost   bool // no answer arrives
		status int
		want   string
		done   int // mutations in the books
	}{
		"the request is lost":         {kind: faults.LoseRequest, lost: true},
		"the reply is lost":           {kind: faults.LoseReply, lost: true, done: 1},
		"429":                         {kind: faults.TooManyRequests, status: 429, want: `{"errors":"Exceeded`},
		"500 before":                  {kind: faults.ErrorBefore, status: 500, want: `{"errors":"Internal`},
		"500 after":                   {kind: faults.ErrorAfter, status: 500, want: `{"errors":"Internal`, done: 1},
		"throttled":                   {kind: faults.Decline("THROTTLED"), status: 200, want: `"code":"THROTTLED"`},
		"internal error":              {kind: faults.Decline("INTERNAL_SERVER_ERROR"), status: 200, want: `"requestId"`},
		"internal error after commit": {kind: faults.Decline(DeclineErrorAfter), status: 200, want: `"INTERNAL_SERVER_ERROR"`, done: 1},
		"access denied":               {kind: faults.Decline("ACCESS_DENIED"), status: 200, want: `"code":"ACCESS_DENIED"`},
		"shop inactive":               {kind: faults.Decline("SHOP_INACTIVE"), status: 200, want: `"code":"SHOP_INACTIVE"`},
		"another code":                {kind: faults.Decline("MAX_COST_EXCEEDED"), status: 200, want: `"code":"MAX_COST_EXCEEDED"`},
		"token refused":               {kind: faults.Decline(DeclineUnauthorized), status: 401, want: "Invalid API key"},
		"user error":                  {kind: faults.Decline(DeclineUserError), status: 200, want: `(fault switch)`, done: 1},
		"deprecated":                  {kind: faults.Decline(DeclineDeprecated), status: 200, want: `"RESOLVED"`, done: 1},
	}
	for rule, c := range cases {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			gid := b.payment(t, SessionRequest{}).GID
			armed := b.postJSON(t, "/_faults", `{"call":"paymentSessionResolve","kind":"`+string(c.kind)+`"}`)
			require.Equal(t, http.StatusCreated, armed.status, armed.body)

			query := strings.Replace(document(opPaymentResolve), "__typename ...", "... on PaymentSessionStateResolved { code } ...", 1)
			req := b.graphqlRequest(t, query, map[string]any{"id": gid})
			if c.lost {
				_, err := http.DefaultTransport.RoundTrip(req)
				require.Error(t, err)
			} else {
				got := b.do(t, req)
				require.Equal(t, c.status, got.status)
				require.Contains(t, got.body, c.want)
				require.Equal(t, c.kind == faults.Decline(DeclineDeprecated), got.header.Get("X-Shopify-API-Deprecated-Reason") != "")
			}
			session := b.session(t, gid)
			require.Len(t, session.Mutations, c.done)

			again := b.mutate(t, opPaymentResolve, map[string]any{"id": gid})
			require.Empty(t, firstError(again), "the fault is spent and the mutation can be repeated")
			require.Equal(t, 1, b.counts(t).EffectiveFinals)
		})
	}
}

func TestHeldReplyIsCommitted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gid := b.payment(t, SessionRequest{}).GID
	_, err := b.Faults().Arm(faults.Rule{Call: opPaymentResolve, Kind: faults.HoldReply})
	require.NoError(t, err)
	answered := make(chan error, 1)
	req := b.graphqlRequest(t, document(opPaymentResolve), map[string]any{"id": gid})
	go func() {
		resp, err := b.http.Client().Do(req)
		if err == nil {
			err = resp.Body.Close()
		}
		answered <- err
	}()

	require.Eventually(t, func() bool { return b.Faults().Held() == 1 }, 5*time.Second, time.Millisecond)
	require.Equal(t, StateResolved, b.session(t, gid).State)
	b.Faults().Release()
	require.NoError(t, <-answered)
}

func TestUnknownFaultCallIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.postJSON(t, "/_faults", `{"call":"paymentSessionResolv","kind":"lose_reply"}`)
	require.Equal(t, http.StatusBadRequest, got.status)
}
