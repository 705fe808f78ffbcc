package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// maxRuleBytes bounds the body of POST /_faults.
const maxRuleBytes = 64 << 10

// Handler serves the switches over HTTP, for runs in which the stand-in is another process:
//
//	GET    /_faults          Status
//	POST   /_faults          arms one Rule, answers 201 with it, or 400 {"error": reason}
//	DELETE /_faults          Clear, answers 204
//	POST   /_faults/release  Release, answers {"released": n}
//
// Mount it at both paths, outside the stand-in's own authentication.
func (s *Switchboard) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_faults", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.Status())
	})
	mux.HandleFunc("POST /_faults", s.serveArm)
	mux.HandleFunc("DELETE /_faults", func(w http.ResponseWriter, _ *http.Request) {
		s.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /_faults/release", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]int{"released": s.Release()})
	})
	return mux
}

func (s *Switchboard) serveArm(w http.ResponseWriter, r *http.Request) {
	rule, err := decodeRule(http.MaxBytesReader(w, r.Body, maxRuleBytes))
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	armed, err := s.Arm(rule)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	writeJSON(w, http.StatusCreated, armed)
}

// decodeRule is strict: an unknown field or a second value is a mistake in a test, and a mistake must be heard.
func decodeRule(body io.Reader) (Rule, error) {
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	var rule Rule
	if err := dec.Decode(&rule); err != nil {
		return Rule{}, fmt.Errorf("decode rule: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Rule{}, errors.New("decode rule: more than one JSON value")
	}
	return rule, nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	write(w, Reply{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: append(body, '\n')})
}
