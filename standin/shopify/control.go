package shopify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// ErrUnknownDelivery says that no delivery of that id is in the books.
var ErrUnknownDelivery = errors.New("unknown webhook delivery")

// WebhookRequest asks the stand-in to raise an event by hand.
type WebhookRequest struct {
	Shop  string `json:"shop"`
	Topic string `json:"topic"`
	// App is the only app that hears of it; empty means all that are installed and subscribed.
	App string `json:"app,omitempty"`
	// Payload is sent as it is.
	Payload json.RawMessage `json:"payload"`
}

// RaiseWebhook sends an event to everybody who subscribed to it, under the fault switches, and returns its deliveries.
// The error is ErrBadRequest.
func (s *Server) RaiseWebhook(req WebhookRequest) ([]Delivery, error) {
	sh := s.shops[req.Shop]
	switch {
	case sh == nil:
		return nil, fmt.Errorf("%w: unknown shop %q", ErrBadRequest, req.Shop)
	case !knownTopic(req.Topic):
		return nil, fmt.Errorf("%w: unknown topic %q", ErrBadRequest, req.Topic)
	case req.App != "" && s.app(req.App) == nil:
		return nil, fmt.Errorf("%w: unknown app %q", ErrBadRequest, req.App)
	case !json.Valid(req.Payload):
		return nil, fmt.Errorf("%w: the payload is not JSON", ErrBadRequest)
	}
	out := &outbox{}
	s.mu.Lock()
	s.raise(out, sh, event{topic: req.Topic, app: req.App, payload: func() any { return req.Payload }})
	list := make([]Delivery, len(out.parcels))
	for i, p := range out.parcels {
		list[i] = p.ship.Delivery
	}
	s.mu.Unlock()
	s.dispatch(out)
	return list, nil
}

// RepeatWebhook sends a known delivery once more, with the same id and the same body, and returns the books' line after
// the answer. The error is ErrUnknownDelivery.
func (s *Server) RepeatWebhook(id string) (Delivery, error) {
	p := s.delivery(id)
	if p == nil {
		return Delivery{}, fmt.Errorf("%w: %s", ErrUnknownDelivery, id)
	}
	s.courier.carry(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.ship.Delivery, nil
}

func (s *Server) delivery(id string) *parcel {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sh := range s.shops {
		for _, ship := range sh.Shipments {
			if ship.Delivery.ID == id {
				return &parcel{shop: sh, ship: ship, extra: true}
			}
		}
	}
	return nil
}

func (s *Server) serveRaiseWebhook(w http.ResponseWriter, r *http.Request) {
	var req WebhookRequest
	if !readStrictly(w, r, &req) {
		return
	}
	list, err := s.RaiseWebhook(req)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, plainError{err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, list)
}

func (s *Server) serveRepeatWebhook(w http.ResponseWriter, r *http.Request) {
	delivery, err := s.RepeatWebhook(r.PathValue("id"))
	if err != nil {
		writeJSON(w, http.StatusNotFound, plainError{err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, delivery)
}

// serveRemoveSubscription takes the number at the end of the subscription's gid.
func (s *Server) serveRemoveSubscription(w http.ResponseWriter, r *http.Request) {
	if !s.RemoveSubscription("gid://shopify/WebhookSubscription/" + r.PathValue("id")) {
		writeJSON(w, http.StatusNotFound, plainError{"unknown subscription"})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// serveSecrets adds a client secret to an app, or with DELETE revokes all but the newest.
func (s *Server) serveSecrets(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete {
		s.answerControl(w, s.RevokeSecrets(r.PathValue("app")))
		return
	}
	var req struct {
		ClientSecret string `json:"client_secret"`
	}
	if !readStrictly(w, r, &req) {
		return
	}
	s.answerControl(w, s.RotateSecret(r.PathValue("app"), Secret(req.ClientSecret)))
}

func (s *Server) answerControl(w http.ResponseWriter, err error) {
	if err != nil {
		writeJSON(w, http.StatusBadRequest, plainError{err.Error()})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// readStrictly reads a request of the underscore paths; a misspelt member in a test must not pass unseen.
func readStrictly(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		writeJSON(w, http.StatusBadRequest, plainError{fmt.Sprintf("read request: %v", err)})
		return false
	}
	return true
}
