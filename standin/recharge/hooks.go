package recharge

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxHooks is how many subscriptions one topic takes.
const maxHooks = 10

// hook is one webhook subscription.
type hook struct {
	ID             int64
	Address, Topic string
	Included       []string
	Version        string
}

// goneHook is one that was deleted because nobody answered.
type goneHook struct {
	ID             int64
	Address, Topic string
	At             time.Time
}

// topicScope knows the topics of the documentation that concern what this stand-in has, and the scope to read their object.
func topicScope(topic string) (scope string, ok bool) {
	object, event, _ := strings.Cut(topic, "/")
	events := map[string][]string{
		"charge": {"created", "failed", "max_retries_reached", "paid", "refunded", "uncaptured", "upcoming", "updated", "deleted"},
		"order":  {"created", "updated", "processed", "payment_captured", "success", "cancelled", "deleted", "upcoming"},
		"subscription": {
			"created", "updated", "activated", "cancelled", "deleted", "skipped", "unskipped", "swapped", "paused",
		},
		"customer": {"created", "updated", "activated", "deactivated", "deleted", "payment_method_updated"},
		"recharge": {"uninstalled"},
		"store":    {"updated"},
	}
	scopes := map[string]string{
		"charge": "read_orders", "order": "read_orders", "subscription": "read_subscriptions", "customer": "read_customers",
		"recharge": "store_info", "store": "store_info",
	}
	return scopes[object], slices.Contains(events[object], event)
}

func listHooks(c *call) (object, *apiError) {
	hooks := make([]object, 0, len(c.st.Hooks))
	for _, h := range c.st.Hooks {
		hooks = append(hooks, h.object())
	}
	return object{"webhooks": hooks}, nil
}

func createHook(c *call) (object, *apiError) {
	var in struct {
		Address  string   `json:"address"`
		Topic    string   `json:"topic"`
		Included []string `json:"included_objects"`
		Version  string   `json:"version"`
	}
	if err := decodeStrict(c.body, &in); err != nil {
		return nil, invalid("body", err.Error())
	}
	scope, known := topicScope(in.Topic)
	same := 0
	for _, h := range c.st.Hooks {
		if h.Topic == in.Topic {
			same++
		}
	}
	switch {
	case !webAddress(in.Address):
		return nil, invalid("address", "not a valid URL")
	case !known:
		return nil, invalid("topic", "not a valid topic")
	case same >= maxHooks:
		return nil, invalid("topic", "too many webhooks for this topic")
	case in.Version != "" && in.Version != apiVersion:
		return nil, invalid("version", "not a version this stand-in renders")
	case len(c.st.conf.Scopes) > 0 && !slices.Contains(c.st.conf.Scopes, scope):
		return nil, &apiError{status: http.StatusForbidden, text: "token has not the scope " + scope}
	}
	h := &hook{ID: c.s.next(), Address: in.Address, Topic: in.Topic, Included: in.Included, Version: apiVersion}
	c.st.Hooks = append(c.st.Hooks, h)
	return object{"webhook": h.object()}, nil
}

func retrieveHook(c *call) (object, *apiError) {
	i, refusal := c.namedHook()
	if refusal != nil {
		return nil, refusal
	}
	return object{"webhook": c.st.Hooks[i].object()}, nil
}

func deleteHook(c *call) (object, *apiError) {
	i, refusal := c.namedHook()
	if refusal != nil {
		return nil, refusal
	}
	c.st.Hooks = slices.Delete(c.st.Hooks, i, i+1)
	return object{}, nil
}

func (c *call) namedHook() (int, *apiError) {
	id, refusal := c.id()
	if refusal != nil {
		return 0, refusal
	}
	i := slices.IndexFunc(c.st.Hooks, func(h *hook) bool { return h.ID == id })
	if i < 0 {
		return 0, &apiError{status: http.StatusNotFound, text: "Not Found"}
	}
	return i, nil
}

func (h *hook) object() object {
	included := h.Included
	if included == nil {
		included = []string{}
	}
	return object{"id": h.ID, "address": h.Address, "topic": h.Topic, "included_objects": included, "version": h.Version}
}
