package recharge_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/crypt"
	"tillflow/internal/payment"
	"tillflow/internal/recharge"
)

// Vectors computed from the documented algorithms with another program.
const (
	signedBody = `{"charge":{"id":123,"status":"error","error_type":"CARD_EXPIRED"}}`
	legacyHash = "dbae6cecd41ae7eb32a77e0d16f621bf606a3afbe8bf32f123e61e830a86c440"
	signedAt   = 1791288000
	timedMAC   = "9d2624c7bce3a1faa31c9d1b2df108c0334ab787dd5f33894a462edb61f3184b"
	// trueMAC is an HMAC of the body: what the older header's name promises and what it is not.
	trueMAC = "b84b16464c5c9293ab0efb6a41ddb3884a2b2b8141d4e664999474a4b33b1ff7"
)

func timed(value string) http.Header {
	return http.Header{"X-Recharge-Webhook-Signature": {value}}
}

func legacy(value string) http.Header {
	return http.Header{"X-Recharge-Hmac-Sha256": {value}}
}

func both(timedValue, legacyValue string) http.Header {
	return http.Header{"X-Recharge-Webhook-Signature": {timedValue}, "X-Recharge-Hmac-Sha256": {legacyValue}}
}

func TestVerifyWebhook(t *testing.T) {
	t.Parallel()
	now := time.Unix(signedAt, 0)
	good := fmt.Sprintf("t=%d,v1=%s", signedAt, timedMAC)
	other := "t=1791288000,v1=" + trueMAC
	for rule, c := range map[string]struct {
		header http.Header
		body   string
		now    time.Time
		want   error
	}{
		"the older signature is the hash of secret and body": {legacy(legacyHash), signedBody, now, nil},
		"the newer signature is an HMAC of time and body":    {timed(good), signedBody, now, nil},
		"one of two signatures is enough":                    {timed(good + ",v1=" + trueMAC), signedBody, now, nil},
		"spaces and other schemes do not matter":             {timed(fmt.Sprintf("t=%d, v0=zz, v1=%s", signedAt, timedMAC)), signedBody, now, nil},
		"two days late is in time":                           {timed(good), signedBody, now.Add(172800 * time.Second), nil},
		"more than two days late is stale":                   {timed(good), signedBody, now.Add(172801 * time.Second), recharge.ErrStale},
		"more than two days early is stale":                  {timed(good), signedBody, now.Add(-172801 * time.Second), recharge.ErrStale},
		"the older one does not age":                         {legacy(legacyHash), signedBody, now.AddDate(1, 0, 0), nil},
		"a true HMAC in the older header is forged":          {legacy(trueMAC), signedBody, now, recharge.ErrForged},
		"another body is forged":                             {legacy(legacyHash), signedBody + " ", now, recharge.ErrForged},
		"another body is forged under the newer one":         {timed(good), signedBody + " ", now, recharge.ErrForged},
		"another time is forged":                             {timed("t=1791288001,v1=" + timedMAC), signedBody, now, recharge.ErrForged},
		"the newer one decides where it is, good or bad":     {both(other, legacyHash), signedBody, now, recharge.ErrForged},
		"the older one is not looked at beside the newer":    {both(good, trueMAC), signedBody, now, nil},
		"an empty newer one decides too":                     {both("", legacyHash), signedBody, now, recharge.ErrMalformed},
		"no signature":                                       {http.Header{}, signedBody, now, recharge.ErrUnsigned},
		"two headers of one name":                            {http.Header{"X-Recharge-Hmac-Sha256": {legacyHash, legacyHash}}, signedBody, now, recharge.ErrMalformed},
		"no time":                                            {timed("v1=" + timedMAC), signedBody, now, recharge.ErrMalformed},
		"two times":                                          {timed("t=1," + good), signedBody, now, recharge.ErrMalformed},
		"a time that is none":                                {timed("t=soon,v1=" + timedMAC), signedBody, now, recharge.ErrMalformed},
		"no v1":                                              {timed("t=1791288000"), signedBody, now, recharge.ErrMalformed},
		"a signature that is not hex":                        {timed("t=1791288000,v1=zz"), signedBody, now, recharge.ErrMalformed},
		"an older one that is not hex":                       {legacy("zz"), signedBody, now, recharge.ErrMalformed},
		"a part of the signature":                            {legacy(legacyHash[:32]), signedBody, now, recharge.ErrForged},
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, recharge.VerifyWebhook(c.header, []byte(c.body), clientKey, c.now), c.want)
		})
	}
	t.Run("another secret is forged, an empty one verifies nothing", func(t *testing.T) {
		t.Parallel()
		require.ErrorIs(t, recharge.VerifyWebhook(timed(good), []byte(signedBody), "other", now), recharge.ErrForged)
		sum := sha256.Sum256([]byte(signedBody))
		mac := hmac.New(sha256.New, nil)
		fmt.Fprintf(mac, "%d.%s", signedAt, signedBody)
		for _, header := range []http.Header{
			legacy(hex.EncodeToString(sum[:])), timed(fmt.Sprintf("t=%d,v1=%x", signedAt, mac.Sum(nil))),
		} {
			require.ErrorIs(t, recharge.VerifyWebhook(header, []byte(signedBody), crypt.Secret(""), now), recharge.ErrForged)
		}
	})
}

func TestReadDelivery(t *testing.T) {
	t.Parallel()
	header := func(topic string) http.Header { return http.Header{"X-Recharge-Topic": {topic}} }
	t.Run("a charge is read, and the key is of topic and raw body", func(t *testing.T) {
		t.Parallel()
		d, err := recharge.ReadDelivery(header("charge/failed"), []byte(signedBody))
		require.NoError(t, err)
		require.Equal(t, recharge.TopicChargeFailed, d.Topic)
		require.Equal(t, int64(123), d.ID)
		require.Equal(t, recharge.ExpiredCard, d.Charge.Category())
		again, err := recharge.ReadDelivery(header("charge/failed"), []byte(signedBody))
		require.NoError(t, err)
		require.Equal(t, d.Key, again.Key)
		for _, other := range []struct{ topic, body string }{
			{"charge/paid", signedBody}, {"charge/failed", signedBody + " "},
		} {
			differs, err := recharge.ReadDelivery(header(other.topic), []byte(other.body))
			require.NoError(t, err)
			require.NotEqual(t, d.Key, differs.Key)
		}
	})
	t.Run("another object is named, a charge with included ones is a charge", func(t *testing.T) {
		t.Parallel()
		d, err := recharge.ReadDelivery(header("customer/payment_method_updated"), []byte(`{"customer":{"id":7}}`))
		require.NoError(t, err)
		require.Equal(t, "customer", d.Object)
		require.Nil(t, d.Charge)
		d, err = recharge.ReadDelivery(header("charge/paid"), []byte(`{"charge":{"id":123,"status":"success"},"customer":{"id":7}}`))
		require.NoError(t, err)
		require.Equal(t, int64(123), d.Charge.ID)
	})
	t.Run("a body that was extended behind its hash is refused", func(t *testing.T) {
		t.Parallel()
		// What an attacker gets out of extending SHA-256: the body, its padding, and words of his own.
		extended := signedBody + "\x80\x00\x00\x00\x00\x00\x02\x68" + `{"charge":{"id":666}}`
		_, err := recharge.ReadDelivery(header("charge/failed"), []byte(extended))
		requireClass(t, payment.Invalid, err)
	})
	for rule, c := range map[string]struct{ topic, body string }{
		"no topic":                {"", signedBody},
		"no JSON":                 {"charge/failed", `{`},
		"a list":                  {"charge/failed", `[]`},
		"null":                    {"charge/failed", `null`},
		"nothing in it":           {"charge/failed", `{}`},
		"an object without an id": {"charge/failed", `{"charge":{"status":"error"}}`},
		"two objects":             {"order/paid", `{"order":{"id":1},"customer":{"id":2}}`},
		"words behind it":         {"charge/failed", signedBody + `{}`},
	} {
		t.Run(rule+" is refused", func(t *testing.T) {
			t.Parallel()
			_, err := recharge.ReadDelivery(header(c.topic), []byte(c.body))
			requireClass(t, payment.Invalid, err)
		})
	}
}
