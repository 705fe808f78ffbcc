package crypt

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"path"
	"strings"

	"go.temporal.io/sdk/converter"
)

// maxCodecBody bounds a decode request; the UI sends one page of a history.
const maxCodecBody = 8 << 20

// CodecHandler lets the Temporal web UI and CLI show payloads as text: it answers
// POST …/decode and nothing else, so that a stolen token reads but never forges a
// payload. Payloads that were never encrypted pass as they are, whatever the
// codec's own rule, because a history page mixes both and nothing acts on the
// answer.
//
// Every request must bring the token, compared in constant time, either as
// "Authorization: Bearer <token>" or as the path segment before decode
// (…/<token>/decode), for the UI, which knows only an endpoint URL. A URL ends up
// in proxies' logs: prefer the header wherever the caller can send one, and use
// letters, digits, dashes and underscores. An empty token refuses everybody.
//
// Browsers are admitted from the one origin given ("https://temporal.example.org"),
// others are refused even with the token. Bodies end at 8 MiB (413). TLS and
// timeouts are the server's.
func CodecHandler(codec *Codec, token Secret, origin string) http.Handler {
	lenient := *codec
	lenient.allowPlain = true
	return &codecHandler{
		decoder: converter.NewPayloadCodecHTTPHandler(&lenient),
		token:   token,
		origin:  origin,
	}
}

type codecHandler struct {
	decoder http.Handler
	token   Secret
	origin  string
}

// ServeHTTP implements http.Handler.
func (h *codecHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Add("Vary", "Origin")
	if path.Base(r.URL.Path) != "decode" {
		http.NotFound(w, r)
		return
	}
	if !h.admitOrigin(w, r) {
		http.Error(w, "origin not allowed", http.StatusForbidden)
		return
	}
	switch r.Method {
	case http.MethodOptions: // a browser's preflight brings no credentials
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPost:
		h.decode(w, r)
	default:
		w.Header().Set("Allow", "POST, OPTIONS")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

func (h *codecHandler) decode(w http.ResponseWriter, r *http.Request) {
	if !h.authorized(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "token required", http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCodecBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		http.Error(w, "body over 8 MiB", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(w, "body could not be read", http.StatusBadRequest)
		return
	}
	bounded := r.Clone(r.Context())
	bounded.Body = io.NopCloser(bytes.NewReader(body))
	h.decoder.ServeHTTP(w, bounded)
}

// admitOrigin answers a browser's question. Callers other than browsers send no
// Origin and need only the token.
func (h *codecHandler) admitOrigin(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	if origin != h.origin {
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Set("Access-Control-Allow-Methods", "POST")
	w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Namespace")
	w.Header().Set("Access-Control-Max-Age", "600")
	return true
}

// authorized compares both places, so that the time taken does not say which one
// was looked at.
func (h *codecHandler) authorized(r *http.Request) bool {
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	inHeader := h.token.Equal(bearer)
	inPath := h.token.Equal(path.Base(path.Dir(r.URL.Path)))
	return inHeader || inPath
}
