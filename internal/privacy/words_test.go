package privacy_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/privacy"
)

const buyer = `{"email":"Ann.Bär@example.com","phone_number":"+44 7700 900123","locale":"en-GB","billing_address":{"given_name":"Ann",
	"family_name":"Bärlauch","line1":"17 Marmalade Crescent","city":"Birmingham","postal_code":"QZ7 9XY","country_code":"GB","company":"Canaryworks"}}`

func matcher(t *testing.T) *privacy.Matcher {
	t.Helper()
	w := privacy.Words{IDs: []string{"0198-payment"}}
	w.AddBuyer([]byte(buyer))
	w.AddText("rings twice and shouts")
	m := privacy.NewMatcher(w)
	require.Positive(t, m.Size())
	return m
}

func TestMatcher(t *testing.T) {
	t.Parallel()
	m := matcher(t)
	quoted, err := json.Marshal("Ann Bärlauch")
	require.NoError(t, err)
	for rule, text := range map[string]string{
		"an address in another case":           "to ANN.BÄR@EXAMPLE.COM",
		"an address in a link":                 "https://shop/?m=Ann.B%C3%A4r%40example.com",
		"a number as it was written":           "call +44 7700 900123 now",
		"a number with another prefix":         "0044(0)7700900123",
		"a whole name":                         "for ann bärlauch",
		"a whole name the other way round":     "Bärlauch, Ann",
		"a name in JSON":                       string(quoted),
		"a name in JSON of ASCII":              `Ann B\u00e4rlauch`,
		"a street with its number":             "at 17 marmalade crescent.",
		"what somebody typed":                  "note: Rings twice and shouts",
		"an address as hex":                    hex.EncodeToString([]byte("Ann.Bär@example.com")),
		"an address as base64":                 base64.StdEncoding.EncodeToString([]byte("mail Ann.Bär@example.com please")),
		"an address as base64, shifted":        base64.StdEncoding.EncodeToString([]byte("x Ann.Bär@example.com please")),
		"an address as base64, shifted again":  base64.StdEncoding.EncodeToString([]byte("xy Ann.Bär@example.com please")),
		"a company beside a row of the person": `{"payment":"0198-PAYMENT","by":"canaryworks"}`,
		"a word at the very end":               strings.Repeat("-", 1000) + "ann bärlauch",
	} {
		t.Run(rule+" is found", func(t *testing.T) {
			t.Parallel()
			require.True(t, m.In([]byte(text)), text)
		})
	}
	for rule, text := range map[string]string{
		"nothing":                          "",
		"a company that others have too":   "Canaryworks of Leeds",
		"a family name that others have":   "Mrs Bärlauch",
		"a city":                           "0198-payment went to Birmingham",
		"a given name":                     "0198-payment by Ann",
		"a row of the person alone":        "0198-payment is captured",
		"a word that is cut off":           "17 Marmalade Crescen",
		"a country and a language":         "0198-payment en-GB GB",
		"a number that ends the same way":  "900123",
		"a text full of beginnings":        strings.Repeat("ann. ", 500),
		"bytes that are no text":           "\xff\xfe\x00\x01\xff\xff\xff\xff",
		"five bytes, which are too short ": "ann.b",
	} {
		t.Run(rule+" is not", func(t *testing.T) {
			t.Parallel()
			require.False(t, m.In([]byte(text)), text)
		})
	}
}

func TestWordsOfOddBuyers(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "null", "[]", "17", `"a text alone is a leaf"`, `{"a":{"b":[{"c":null}]}}`, "{"} {
		var w privacy.Words
		w.AddBuyer([]byte(text))
		require.False(t, privacy.NewMatcher(w).In([]byte("nobody")), text)
	}
	var w privacy.Words
	w.AddBuyer([]byte(`{"first_name":"Jo","last_name":"Li","phones":["+49 151 2345678","12"]}`))
	m := privacy.NewMatcher(w)
	require.False(t, m.In([]byte("Jo and Li")), "two short words are everywhere")
	require.True(t, m.In([]byte("0151 2345678 / 512345678")), "the last nine digits are enough")
}

func TestLines(t *testing.T) {
	t.Parallel()
	find := func(chunk int, text string) *privacy.Lines {
		l := &privacy.Lines{Matcher: matcher(t)}
		for i := 0; i < len(text); i += chunk {
			n, err := l.Write([]byte(text[i:min(i+chunk, len(text))]))
			require.NoError(t, err)
			require.Positive(t, n)
		}
		l.End()
		return l
	}
	text := "one\nfor ann bärlauch\nthree\nfor ann bärlauch"
	for _, chunk := range []int{1, 7, 1 << 20} {
		l := find(chunk, text)
		require.Equal(t, 2, l.Found, "lines count, however they are cut")
		require.Equal(t, 4, l.Read)
		require.Equal(t, int64(len(text)), l.Bytes)
	}
	for _, ahead := range []int{1<<20 - 20, 1<<20 - 5, 1 << 20, 3<<20 + 17} {
		require.Positive(t, find(32<<10, strings.Repeat("x", ahead)+"ann bärlauch"+strings.Repeat("y", 2<<20)).Found, "also where a long line is cut")
	}
	given := &privacy.Lines{Matcher: matcher(t), Beat: func() error { return privacy.ErrCertificate }}
	_, err := given.Write(make([]byte, 5<<20))
	require.ErrorIs(t, err, privacy.ErrCertificate, "a search that was given up ends")
}

func TestWordsOfAFailedCharge(t *testing.T) {
	t.Parallel()
	var w privacy.Words
	w.AddBuyer([]byte(`{"email":"zoe@example.com","note":"leave it with the porter","error":"Your card has expired."}`))
	require.Contains(t, w.Sure, "zoe@example.com")
	require.Contains(t, w.Sure, "leave it with the porter")
	require.NotContains(t, w.Sure, "Your card has expired.", "the processor says it of everybody")
	require.Empty(t, w.Shared)
}
