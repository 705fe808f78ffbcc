package shopify_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	wire "tillflow/internal/shopify"
)

func TestAccepted(t *testing.T) {
	t.Parallel()
	t.Run("a session becomes one row, one start and our own link", func(t *testing.T) {
		t.Parallel()
		b := setup()
		link := redirect(t, b.post(t, body))
		require.Len(t, b.sessions.rows, 1)
		row := b.sessions.rows["acme-dev.myshopify.comPsExample0001"]
		require.Equal(t, "https://pay.example.com/pay/"+row.Token, link)
		require.GreaterOrEqual(t, len(row.Token), 26, "128 bits in base32")
		require.NoError(t, uuid.Validate(row.ID))
		id, token := row.ID, row.Token
		require.JSONEq(t, `{"email": "`+buyerMail+`", "phone_number": "`+buyerPhone+`", "locale": "de",
			"billing_address": {"given_name": "Ada", "family_name": "`+buyerName+`"}}`, string(row.Buyer))
		row.Buyer = nil
		require.Equal(t, payment.Session{
			ID: id, Token: token, Source: payment.SourceShopify, Shop: "acme-dev.myshopify.com", ExternalID: "PsExample0001",
			GID: "gid://shopify/PaymentSession/PsExample0001", Group: "Z3JvdXA+/w==", Kind: payment.Sale, Amount: money.New(4990, "EUR"),
			Test: true, CancelURL: "https://acme-dev.myshopify.com/checkouts/abc", Locale: "en", Description: "Order at acme-dev.myshopify.com",
			Providers: []string{"psp-for-sale"}, BuyerKey: buyerMail, ReceivedAt: noon, DeadlineAt: noon.Add(48 * time.Hour),
		}, row)
		require.Equal(t, []payment.RunRef{{
			PaymentID: id, Source: payment.SourceShopify, Shop: row.Shop, ExternalID: row.ExternalID, Kind: payment.Sale,
			Amount: row.Amount, Test: true, ReceivedAt: noon,
		}}, b.starter.refs)
	})
	t.Run("a buyer without a mail address is known by phone, and one may be unknown", func(t *testing.T) {
		t.Parallel()
		for name, tc := range map[string]struct {
			changes map[string]any
			key     string
		}{
			"phone":    {map[string]any{"customer.email": nil}, buyerPhone},
			"neither":  {map[string]any{"customer.email": nil, "customer.phone_number": nil}, ""},
			"no buyer": {map[string]any{"customer": nil}, ""},
		} {
			b := setup()
			redirect(t, b.post(t, with(t, tc.changes)))
			require.Equal(t, tc.key, b.sessions.rows["acme-dev.myshopify.comPsExample0001"].BuyerKey, name)
		}
	})
	t.Run("nothing personal is logged or answered", func(t *testing.T) {
		t.Parallel()
		b := setup()
		rec := b.post(t, body)
		for _, personal := range []string{buyerMail, buyerName, buyerPhone} {
			require.NotContains(t, b.log.String(), personal)
			require.NotContains(t, rec.Body.String(), personal)
		}
	})
}

func TestRepeated(t *testing.T) {
	t.Parallel()
	t.Run("equal requests, also at once, get equal answers and one start", func(t *testing.T) {
		t.Parallel()
		b := setup()
		links := make([]string, 50)
		var all sync.WaitGroup
		for i := range links {
			all.Go(func() { links[i] = b.post(t, body).Body.String() })
		}
		all.Wait()
		for _, link := range links {
			require.Contains(t, link, "https://pay.example.com/pay/")
			require.Equal(t, links[0], link)
		}
		require.Len(t, b.sessions.rows, 1)
		require.Len(t, b.starter.refs, 1, "only a new row is started here")
	})
	t.Run("the same id with other content is refused and logged, and the first stays", func(t *testing.T) {
		t.Parallel()
		b := setup()
		link := redirect(t, b.post(t, body))
		p := requireProblem(t, http.StatusConflict, "id", b.post(t, with(t, map[string]any{"amount": "0.01"})))
		require.Equal(t, "different_session", p.Code)
		require.Contains(t, p.Message, "another amount")
		require.Contains(t, b.log.String(), "another session came under an id that stands")
		require.Contains(t, b.log.String(), "PsExample0001")
		require.Equal(t, link, redirect(t, b.post(t, body)))
		require.Equal(t, money.New(4990, "EUR"), b.sessions.rows["acme-dev.myshopify.comPsExample0001"].Amount)
		require.Len(t, b.starter.refs, 1)
	})
	t.Run("the same id of another shop is another session", func(t *testing.T) {
		t.Parallel()
		b := setup()
		one := redirect(t, b.post(t, body))
		other := redirect(t, b.post(t, body, fromShop("other.myshopify.com")))
		require.NotEqual(t, one, other)
	})
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	changed := func(path string, value any) string { return with(t, map[string]any{path: value}) }
	cases := map[string]struct{ body, field string }{
		"no body":                    {"", "body"},
		"no JSON":                    {buyerMail, "body"},
		"JSON that breaks off":       {body[:len(body)-2], "body"},
		"two documents":              {body + body, "body"},
		"a list":                     {"[" + body + "]", "body"},
		"null":                       {"null", "body"},
		"an id that is a number":     {changed("id", 7), "id"},
		"an empty id":                {changed("id", ""), "id"},
		"an id with a slash":         {changed("id", "a/b"), "id"},
		"an id with a control":       {changed("id", "a\x00b"), "id"},
		"an id that is too long":     {changed("id", strings.Repeat("x", 101)), "id"},
		"a gid of another id":        {changed("gid", "gid://shopify/PaymentSession/other"), "gid"},
		"a gid of another kind":      {changed("gid", "gid://shopify/RefundSession/PsExample0001"), "gid"},
		"a group that is too long":   {changed("group", strings.Repeat("x", 256)), "group"},
		"an amount that is a word":   {changed("amount", buyerMail), "amount"},
		"an amount with a comma":     {changed("amount", "49,90"), "amount"},
		"an exponent":                {changed("amount", "1e3"), "amount"},
		"a negative amount":          {changed("amount", "-49.90"), "amount"},
		"nothing to pay":             {changed("amount", "0.00"), "amount"},
		"an amount too precise":      {changed("amount", "49.901"), "amount"},
		"an amount too large":        {changed("amount", strings.Repeat("9", 40)), "amount"},
		"an unknown currency":        {changed("currency", "EUX"), "currency"},
		"a currency in lower case":   {changed("currency", "eur"), "currency"},
		"cents of the yen":           {with(t, map[string]any{"currency": "JPY", "amount": "49.90"}), "amount"},
		"an unknown kind":            {changed("kind", "gift"), "kind"},
		"test as a word":             {changed("test", "true"), "test"},
		"a time that is none":        {changed("proposed_at", "yesterday"), "proposed_at"},
		"another payment method":     {changed("payment_method.type", "card_present"), "payment_method.type"},
		"a script as cancel address": {changed("payment_method.data.cancel_url", "javascript:alert(1)"), "payment_method.data.cancel_url"},
		"a relative cancel address":  {changed("payment_method.data.cancel_url", "/checkouts/abc"), "payment_method.data.cancel_url"},
		"a customer that is a text":  {changed("customer", buyerMail), "customer"},
		"a mail that is an object":   {changed("customer.email", map[string]string{"at": buyerMail}), "customer.email"},
	}
	for _, field := range []string{
		"id", "gid", "group", "amount", "currency", "kind", "test", "merchant_locale", "proposed_at",
		"payment_method", "payment_method.type", "payment_method.data", "payment_method.data.cancel_url",
	} {
		cases["no "+field] = struct{ body, field string }{changed(field, nil), field}
	}
	for name, tc := range cases {
		t.Run(name+" is refused by its field and nothing is stored", func(t *testing.T) {
			t.Parallel()
			b := setup()
			rec := b.post(t, tc.body)
			p := requireProblem(t, http.StatusBadRequest, tc.field, rec)
			require.Equal(t, "invalid_request", p.Code)
			require.Contains(t, b.log.String(), `"field":"`+tc.field+`"`)
			require.Zero(t, b.sessions.calls)
			b.requireNothing(t, rec)
		})
	}
}

func TestMalformedEnvelope(t *testing.T) {
	t.Parallel()
	for name, domain := range map[string]string{"no shop": "", "no shop's domain": "acme-dev.example.com", "a path": "a.myshopify.com/b"} {
		t.Run(name+" in the header is refused", func(t *testing.T) {
			t.Parallel()
			b := setup()
			rec := b.post(t, body, fromShop(domain))
			requireProblem(t, http.StatusBadRequest, "Shopify-Shop-Domain", rec)
			require.Zero(t, b.sessions.calls)
			b.requireNothing(t, rec)
		})
	}
	t.Run("a body over the limit is refused, announced or not", func(t *testing.T) {
		t.Parallel()
		large := with(t, map[string]any{"padding": strings.Repeat("x", wire.MaxSessionBody)})
		for _, length := range []int64{int64(len(large)), -1} {
			b := setup()
			rec := b.post(t, large, func(r *http.Request) { r.ContentLength = length })
			requireProblem(t, http.StatusRequestEntityTooLarge, "body", rec)
			require.Zero(t, b.sessions.calls)
			b.requireNothing(t, rec)
		}
	})
	t.Run("a browser that calls it is refused", func(t *testing.T) {
		t.Parallel()
		b := setup()
		rec := b.post(t, body, func(r *http.Request) { r.Method = http.MethodGet })
		requireProblem(t, http.StatusMethodNotAllowed, "", rec)
		require.Zero(t, b.sessions.calls)
	})
}

func TestRefusedByTheRecord(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err    error
		status int
		field  string
		code   string
	}{
		"a shop that has not installed us is 403": {
			&payment.Error{Class: payment.NotFound, Code: "unknown_shop", Message: "the shop is not installed"},
			http.StatusForbidden, "Shopify-Shop-Domain", "unknown_shop",
		},
		"a shop without an account for it is 422": {
			&payment.Error{Class: payment.Invalid, Code: "no_account", Message: "no account"},
			http.StatusUnprocessableEntity, "", "no_account",
		},
		"a fault of ours is 500 without details": {
			&payment.Error{Class: payment.Bug, Code: "23514", Message: "row of " + buyerMail}, http.StatusInternalServerError, "", "23514",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup()
			b.sessions.err = tc.err
			rec := b.post(t, body)
			require.Equal(t, tc.code, requireProblem(t, tc.status, tc.field, rec).Code)
			require.NotContains(t, rec.Body.String(), buyerMail)
			require.Empty(t, b.starter.refs)
			require.Contains(t, b.log.String(), `"code":"`+tc.code+`"`)
		})
	}
}

func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	t.Run("a refused connection is 503 with a time to come back, and a later retry works", func(t *testing.T) {
		t.Parallel()
		for _, err := range []error{
			&payment.Error{Class: payment.Unavailable, Message: "out of reach", Err: errors.New("dial")},
			&payment.Error{Class: payment.StillPending, Message: "busy"},
		} {
			b := setup()
			b.sessions.err = err
			rec := b.post(t, body)
			requireProblem(t, http.StatusServiceUnavailable, "", rec)
			require.Equal(t, "1", rec.Header().Get("Retry-After"))
			b.requireNothing(t, rec)
			b.sessions.err = nil
			require.NotEmpty(t, redirect(t, b.post(t, body)))
			require.Len(t, b.starter.refs, 1)
		}
	})
	t.Run("one that hangs is 503 within Shopify's limit", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup()
			b.sessions.hang = true
			start := time.Now()
			rec := b.post(t, body)
			require.LessOrEqual(t, time.Since(start), 3*time.Second)
			requireProblem(t, http.StatusServiceUnavailable, "", rec)
			require.Equal(t, "1", rec.Header().Get("Retry-After"))
			b.requireNothing(t, rec)
			b.sessions.hang = false
			require.NotEmpty(t, redirect(t, b.post(t, body)))
		})
	})
}
