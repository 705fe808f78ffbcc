package stripe

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Source: the crypto provider tests of stripe-node (MIT), recomputed.
func TestMacPublishedVectors(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"":           "f7f9bd47fb987337b5796fdc1fdb9ba221d0d5396814bfcaf9521f43fd8927fd",
		"\U0001F600": "837da296d05c4fe31f61d5d7ead035099d9585a5bcde87de952012a78f0b0c43",
	} {
		require.Equal(t, want, hex.EncodeToString(mac("test_secret", []byte(message))))
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	const secret, other = "whsec_one", "whsec_two"
	now, body := time.Unix(1_800_000_000, 0), []byte(`{"id":"evt_1"}`)
	v1 := func(secret string, at time.Time) string { return hex.EncodeToString(sign(secret, at.Unix(), body)) }
	signed := func(at time.Time, signatures ...string) string {
		header := fmt.Sprintf("t=%d", at.Unix())
		for _, s := range signatures {
			header += ",v1=" + s
		}
		return header
	}
	for _, tc := range []struct {
		rule   string
		header string
		want   error
	}{
		{"a good signature", signed(now, v1(secret, now)), nil},
		{"any of several secrets may match", signed(now, v1(other, now)), nil},
		{"the second of two signatures may match", signed(now, v1("whsec_old", now), v1(secret, now)), nil},
		{"a signature that is not hex is skipped", signed(now, "zz", v1(secret, now)), nil},
		{"the order of elements does not matter", "v1=" + v1(secret, now) + fmt.Sprintf(",t=%d", now.Unix()), nil},
		{"upper case hex is the same signature", signed(now, strings.ToUpper(v1(secret, now))), nil},
		{"an unknown scheme is ignored", signed(now) + ",v0=" + v1(secret, now), errSignatureWrong},
		{"no signature at all", signed(now), errSignatureWrong},
		{"a cut signature", signed(now, v1(secret, now)[:62]), errSignatureWrong},
		{"the secret without its prefix", signed(now, v1("one", now)), errSignatureWrong},
		{"a foreign secret", signed(now, v1("whsec_three", now)), errSignatureWrong},
		{"signed for another time", signed(now, v1(secret, now.Add(time.Second))), errSignatureWrong},
		{"exactly as old as allowed", signed(now.Add(-tolerance), v1(secret, now.Add(-tolerance))), nil},
		{"exactly as early as allowed", signed(now.Add(tolerance), v1(secret, now.Add(tolerance))), nil},
		{
			"too old, though the signature is right",
			signed(now.Add(-tolerance-time.Second), v1(secret, now.Add(-tolerance-time.Second))), errSignatureStale,
		},
		{
			"from the future, though the signature is right",
			signed(now.Add(tolerance+time.Second), v1(secret, now.Add(tolerance+time.Second))), errSignatureStale,
		},
		{"a time before all times", "t=-9223372036854775808,v1=" + v1(secret, now), errSignatureStale},
		{"an empty header", "", errSignatureForm},
		{"an element without a value", "v1,t=1", errSignatureForm},
		{"an empty time", "t=", errSignatureForm},
		{"no time", "v1=" + v1(secret, now), errSignatureForm},
		{"two times", fmt.Sprintf("t=1,t=%d,v1=%s", now.Unix(), v1(secret, now)), errSignatureForm},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, verify(tc.header, body, []string{secret, other}, now), tc.want)
		})
	}
}

func FuzzReadSignature(f *testing.F) {
	f.Add("t=1492774577,v1=00ff,v0=11")
	f.Add("v1,t=1")
	f.Fuzz(func(t *testing.T, header string) {
		_, signatures, err := readSignature(header)
		if err != nil {
			require.Empty(t, signatures)
		}
	})
}
