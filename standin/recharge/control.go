package recharge

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// maxAdd bounds how many charges one switch adds.
const maxAdd = 100_000

// routeSwitches registers what is under /_.
func (s *Server) routeSwitches() {
	s.mux.HandleFunc("GET /_books", s.serveBooks)
	s.mux.HandleFunc("POST /_charges", s.switchOver(func(r *http.Request, body []byte) (any, error) {
		var in struct {
			Store string     `json:"store"`
			Count int        `json:"count"`
			Spec  ChargeSpec `json:"charge"`
		}
		if err := decodeStrict(body, &in); err != nil {
			return nil, err
		}
		if in.Count < 1 || in.Count > maxAdd {
			return nil, fmt.Errorf("count is %d: it must be between 1 and %d", in.Count, maxAdd)
		}
		ids, err := s.AddCharges(in.Store, in.Count, in.Spec)
		return object{"ids": ids}, err
	}))
	s.mux.HandleFunc("POST /_charges/{id}", s.switchOver(func(r *http.Request, body []byte) (any, error) {
		var in struct {
			Store string `json:"store"`
			ChargeChange
		}
		if err := decodeStrict(body, &in); err != nil {
			return nil, err
		}
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("charge %q: %w", r.PathValue("id"), errUnknown)
		}
		return object{"changed": id}, s.ChangeCharge(in.Store, id, in.ChargeChange)
	}))
	s.mux.HandleFunc("POST /_cards", s.switchOver(func(_ *http.Request, body []byte) (any, error) {
		var in struct {
			Store    string `json:"store"`
			Customer int64  `json:"customer"`
			Card     string `json:"card"`
		}
		if err := decodeStrict(body, &in); err != nil {
			return nil, err
		}
		return object{"customer": in.Customer, "card": in.Card}, s.SetCard(in.Store, in.Customer, in.Card)
	}))
	s.mux.HandleFunc("POST /_advance", s.switchOver(func(*http.Request, []byte) (any, error) {
		s.Advance()
		return object{"now": s.opts.Now().UTC()}, nil
	}))
	s.mux.HandleFunc("GET /_pages", s.switchOver(func(*http.Request, []byte) (any, error) { return s.PageFaults(), nil }))
	s.mux.HandleFunc("DELETE /_pages", s.switchOver(func(*http.Request, []byte) (any, error) {
		s.ClearPages()
		return s.PageFaults(), nil
	}))
	s.mux.HandleFunc("POST /_pages", s.switchOver(func(_ *http.Request, body []byte) (any, error) {
		var f PageFault
		if err := decodeStrict(body, &f); err != nil {
			return nil, err
		}
		return f, s.ArmPage(f)
	}))
}

// switchOver serves one switch: 200 with what it returns, 404 for what this stand-in does not have, 400 for any other mistake.
func (s *Server) switchOver(do func(r *http.Request, body []byte) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		var answer any
		if err == nil {
			answer, err = do(r, body)
		}
		switch {
		case errors.Is(err, errUnknown):
			writeReply(w, jsonReply(http.StatusNotFound, encode(object{"error": err.Error()})))
		case err != nil:
			writeReply(w, jsonReply(http.StatusBadRequest, encode(object{"error": err.Error()})))
		default:
			writeReply(w, jsonReply(http.StatusOK, encode(answer)))
		}
	}
}
