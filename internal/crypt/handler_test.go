package crypt_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"

	"tillflow/internal/crypt"
)

const (
	codecToken  = "dev-token_1"
	codecOrigin = "http://127.0.0.1:8233"
)

// codecCall is one request to the handler.
type codecCall struct {
	method string
	path   string
	header map[string]string
	body   io.Reader
}

func serve(t *testing.T, token crypt.Secret, call codecCall) *httptest.ResponseRecorder {
	t.Helper()
	handler := crypt.CodecHandler(codec(t, "k1:"+key("a")), token, codecOrigin)
	request := httptest.NewRequestWithContext(t.Context(), call.method, call.path, call.body)
	for name, value := range call.header {
		request.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

// page is a request body with one sealed and one plain payload, as a page of a
// history holds them.
func page(t *testing.T) *bytes.Reader {
	t.Helper()
	sealed := encode(t, codec(t, "k1:"+key("a")), plain(`"sealed"`))[0]
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: []*commonpb.Payload{sealed, plain(`"never sealed"`)}})
	require.NoError(t, err)
	return bytes.NewReader(body)
}

func TestCodecHandlerDecodes(t *testing.T) {
	t.Parallel()
	for rule, call := range map[string]codecCall{
		"with the token as bearer":        {path: "/codec/decode", header: map[string]string{"Authorization": "Bearer " + codecToken}},
		"with the token in the path":      {path: "/codec/" + codecToken + "/decode?preserveStorageRefs=true"},
		"at the root":                     {path: "/" + codecToken + "/decode"},
		"from the UI's origin":            {path: "/codec/" + codecToken + "/decode", header: map[string]string{"Origin": codecOrigin}},
		"with a wrong bearer but the URL": {path: "/codec/" + codecToken + "/decode", header: map[string]string{"Authorization": "Bearer other"}},
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			call.method, call.body = http.MethodPost, page(t)
			response := serve(t, codecToken, call)
			require.Equal(t, http.StatusOK, response.Code)
			require.Equal(t, "no-store", response.Header().Get("Cache-Control"))
			var decoded commonpb.Payloads
			require.NoError(t, protojson.Unmarshal(response.Body.Bytes(), &decoded))
			require.Len(t, decoded.GetPayloads(), 2)
			require.Equal(t, `"sealed"`, string(decoded.GetPayloads()[0].GetData()))
			require.Equal(t, `"never sealed"`, string(decoded.GetPayloads()[1].GetData()))
		})
	}
	t.Run("for the SDK's own client", func(t *testing.T) {
		t.Parallel()
		c := codec(t, "k1:"+key("a"))
		server := httptest.NewServer(http.StripPrefix("/codec", crypt.CodecHandler(c, codecToken, codecOrigin)))
		t.Cleanup(server.Close)
		remote := converter.NewRemotePayloadCodec(converter.RemotePayloadCodecOptions{
			Endpoint: server.URL + "/codec/" + codecToken, Client: *server.Client(),
		})
		decoded, err := remote.Decode(encode(t, c, plain(`"x"`)))
		require.NoError(t, err)
		require.Equal(t, `"x"`, string(decoded[0].GetData()))
		_, err = remote.Encode([]*commonpb.Payload{plain(`"x"`)})
		require.Error(t, err, "it never encodes")
	})
}

func TestCodecHandlerRefuses(t *testing.T) {
	t.Parallel()
	authorized := map[string]string{"Authorization": "Bearer " + codecToken}
	for _, c := range []struct {
		rule  string
		token crypt.Secret
		call  codecCall
		want  int
	}{
		{"no token", codecToken, codecCall{method: "POST", path: "/codec/decode"}, http.StatusUnauthorized},
		{"a wrong bearer", codecToken, codecCall{method: "POST", path: "/decode", header: map[string]string{"Authorization": "Bearer dev-token_2"}}, http.StatusUnauthorized},
		{"another scheme", codecToken, codecCall{method: "POST", path: "/decode", header: map[string]string{"Authorization": "Basic " + codecToken}}, http.StatusUnauthorized},
		{"a wrong token in the path", codecToken, codecCall{method: "POST", path: "/codec/dev-token_2/decode"}, http.StatusUnauthorized},
		{"the token at another place of the path", codecToken, codecCall{method: "POST", path: "/" + codecToken + "/codec/decode"}, http.StatusUnauthorized},
		{"everybody without a configured token", "", codecCall{method: "POST", path: "//decode", header: map[string]string{"Authorization": "Bearer "}}, http.StatusUnauthorized},
		{"encoding", codecToken, codecCall{method: "POST", path: "/codec/encode", header: authorized}, http.StatusNotFound},
		{"encoding by a longer path", codecToken, codecCall{method: "POST", path: "/decode/encode", header: authorized}, http.StatusNotFound},
		{"downloading", codecToken, codecCall{method: "POST", path: "/codec/download", header: authorized}, http.StatusNotFound},
		{"GET", codecToken, codecCall{method: "GET", path: "/codec/decode", header: authorized}, http.StatusMethodNotAllowed},
		{"a page of another origin", codecToken, codecCall{method: "POST", path: "/decode", header: map[string]string{"Authorization": "Bearer " + codecToken, "Origin": "https://evil.example"}}, http.StatusForbidden},
		{"an opaque origin", codecToken, codecCall{method: "POST", path: "/decode", header: map[string]string{"Authorization": "Bearer " + codecToken, "Origin": "null"}}, http.StatusForbidden},
		{"a body that is no JSON", codecToken, codecCall{method: "POST", path: "/decode", header: authorized, body: strings.NewReader("x")}, http.StatusBadRequest},
		{"a body over the limit", codecToken, codecCall{method: "POST", path: "/decode", header: authorized, body: bytes.NewReader(make([]byte, 8<<20+1))}, http.StatusRequestEntityTooLarge},
	} {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			if c.call.body == nil {
				c.call.body = page(t)
			}
			response := serve(t, c.token, c.call)
			require.Equal(t, c.want, response.Code)
			require.NotContains(t, response.Body.String(), codecToken)
			require.False(t, json.Valid(response.Body.Bytes()), "no payload leaves")
		})
	}
}

func TestCodecHandlerPreflight(t *testing.T) {
	t.Parallel()
	preflight := func(t *testing.T, origin string) *httptest.ResponseRecorder {
		t.Helper()
		return serve(t, codecToken, codecCall{method: http.MethodOptions, path: "/codec/decode", header: map[string]string{
			"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-namespace",
		}})
	}
	t.Run("the UI's origin may send its headers", func(t *testing.T) {
		t.Parallel()
		response := preflight(t, codecOrigin)
		require.Equal(t, http.StatusNoContent, response.Code)
		require.Equal(t, codecOrigin, response.Header().Get("Access-Control-Allow-Origin"))
		require.Equal(t, "POST", response.Header().Get("Access-Control-Allow-Methods"))
		require.Equal(t, "Authorization, Content-Type, X-Namespace", response.Header().Get("Access-Control-Allow-Headers"))
		require.Equal(t, "Origin", response.Header().Get("Vary"))
		require.Empty(t, response.Header().Get("Access-Control-Allow-Credentials"))
	})
	t.Run("another origin is told nothing", func(t *testing.T) {
		t.Parallel()
		response := preflight(t, "http://127.0.0.1:9999")
		require.Equal(t, http.StatusForbidden, response.Code)
		require.Empty(t, response.Header().Get("Access-Control-Allow-Origin"))
	})
}
