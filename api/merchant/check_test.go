package merchant_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBadCreate(t *testing.T) {
	t.Parallel()
	changed := func(name string, value any) string { return with(t, map[string]any{name: value}) }
	for name, tc := range map[string]struct{ body, field, message string }{
		"no body":                     {"", "body", "is not the expected JSON object"},
		"no JSON":                     {"ref=order-1001", "body", "is not the expected JSON object"},
		"JSON that breaks off":        {example[:len(example)-2], "body", "is not the expected JSON object"},
		"a list":                      {"[" + example + "]", "body", "is not a JSON object"},
		"a text":                      {`"order"`, "body", "is not a JSON object"},
		"null":                        {"null", "ref", "is missing"},
		"a misspelt member":           {changed("amont", "12.30"), "body", `"amont"`},
		"something after the object":  {example + "{}", "body", "goes on after"},
		"garbage after the object":    {example + "x", "body", "goes on after"},
		"no ref":                      {changed("ref", nil), "ref", "is missing"},
		"an empty ref":                {changed("ref", ""), "ref", "is missing"},
		"a ref that is a number":      {changed("ref", 1001), "ref", "is not a string"},
		"a ref that is too long":      {changed("ref", strings.Repeat("x", 101)), "ref", "longer than 100 bytes"},
		"a ref with a zero byte":      {changed("ref", "a\x00b"), "ref", "control character"},
		"a ref that is an address":    {changed("ref", "ann@example.com"), "ref", "must not name a person"},
		"a ref of two lines":          {changed("ref", "a\nb"), "ref", "control character"},
		"no amount":                   {changed("amount", nil), "amount", "is not a decimal"},
		"an amount that is a number":  {changed("amount", json.Number("12.30")), "amount", "is not a string"},
		"an amount that is a word":    {changed("amount", "twelve"), "amount", "is not a decimal"},
		"an amount with a comma":      {changed("amount", "12,30"), "amount", "is not a decimal"},
		"a negative amount":           {changed("amount", "-12.30"), "amount", "is negative"},
		"nothing to pay":              {changed("amount", "0"), "amount", "is not above zero"},
		"an amount too precise":       {changed("amount", "12.301"), "amount", "more digits than EUR allows"},
		"an amount too large":         {changed("amount", strings.Repeat("9", 40)), "amount", "is too large"},
		"no currency":                 {changed("currency", nil), "currency", "is not a known currency"},
		"an unknown currency":         {changed("currency", "EUX"), "currency", "is not a known currency"},
		"cents of the yen":            {with(t, map[string]any{"currency": "JPY"}), "amount", "more digits than JPY allows"},
		"an unknown kind":             {changed("kind", "gift"), "kind", "neither sale nor authorization"},
		"a kind that is a number":     {changed("kind", 1), "kind", "is not a string"},
		"test as a word":              {changed("test", "true"), "test", "is not a bool"},
		"a script as return address":  {changed("return_url", "javascript:alert(1)"), "return_url", "is not an absolute web address"},
		"a relative return address":   {changed("return_url", "/thanks"), "return_url", "is not an absolute web address"},
		"a return address with login": {changed("return_url", "https://u:p@shop.example/"), "return_url", "is not an absolute web address"},
		"a return address too long":   {changed("return_url", "https://shop.example/"+strings.Repeat("x", 2048)), "return_url", "2048"},
		"a data cancel address":       {changed("cancel_url", "data:text/html,x"), "cancel_url", "is not an absolute web address"},
		"a cancel address, no host":   {changed("cancel_url", "https:///cart"), "cancel_url", "is not an absolute web address"},
		"a long description":          {changed("description", strings.Repeat("x", 201)), "description", "longer than 200 bytes"},
		"a description with a zero":   {changed("description", "a\x00"), "description", "control character"},
		"a long locale":               {changed("locale", strings.Repeat("x", 36)), "locale", "longer than 35 bytes"},
		"a locale with a zero":        {changed("locale", "de\x00"), "locale", "control character"},
		"a customer that is a text":   {changed("customer", buyerMail), "customer", "is not a JSON object"},
		"a customer that is a list":   {changed("customer", []string{buyerMail}), "customer", "is not a JSON object"},
		"a mail that is a list":       {changed("customer", map[string]any{"email": []string{buyerMail}}), "customer.email", "is not a string"},
		"a phone that is a number": {
			changed("customer", map[string]any{"email": buyerMail, "phone_number": 4930}), "customer.phone_number", "is not a string",
		},
	} {
		t.Run(name+" is refused by its field and nothing is stored", func(t *testing.T) {
			t.Parallel()
			b := setup()
			rec := b.create(t, tc.body)
			p := requireProblem(t, http.StatusBadRequest, tc.field, rec)
			require.Equal(t, "invalid_request", p.Code)
			require.Contains(t, p.Message, tc.message)
			require.NotContains(t, p.Message, "merchant.", "no names of our code")
			require.NotContains(t, rec.Body.String(), buyerMail)
			b.requireNothing(t)
		})
	}
}

func TestBadHeader(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{
		"too long": strings.Repeat("k", 256), "not UTF-8": "k\xff", "with a tab": "a\tb",
	} {
		t.Run("an Idempotency-Key that is "+name+" is refused", func(t *testing.T) {
			t.Parallel()
			b := setup()
			requireProblem(t, http.StatusBadRequest, "Idempotency-Key", b.create(t, example, "Idempotency-Key", key))
			b.requireNothing(t)
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	t.Run("values at their limits are accepted", func(t *testing.T) {
		t.Parallel()
		body := with(t, map[string]any{
			"ref": strings.Repeat("r", 100), "description": strings.Repeat("ü", 100), "locale": strings.Repeat("x", 35),
			"return_url": "https://shop.example/" + strings.Repeat("x", 2048-len("https://shop.example/")),
		})
		answered(t, http.StatusCreated, setup().create(t, body, "Idempotency-Key", strings.Repeat("k", 255)))
	})
	t.Run("a body over the limit is 413", func(t *testing.T) {
		t.Parallel()
		large := with(t, map[string]any{"customer": map[string]string{"note": strings.Repeat("x", 64<<10)}})
		for name, send := range map[string]func(*bench) int{
			"create": func(b *bench) int {
				rec := b.create(t, large)
				requireProblem(t, http.StatusRequestEntityTooLarge, "body", rec)
				return rec.Code
			},
			"expire": func(b *bench) int {
				rec := b.expire(t, large)
				requireProblem(t, http.StatusRequestEntityTooLarge, "body", rec)
				return rec.Code
			},
		} {
			b := setup()
			require.Equal(t, http.StatusRequestEntityTooLarge, send(b), name)
			b.requireNothing(t)
		}
	})
	t.Run("an unknown route or method under /api/v1 is a problem", func(t *testing.T) {
		t.Parallel()
		b := setup()
		requireProblem(t, http.StatusNotFound, "", b.do(t, "GET /api/v1/refund", ""))
		requireProblem(t, http.StatusNotFound, "", b.do(t, "DELETE /api/v1/payment", ""))
	})
}
