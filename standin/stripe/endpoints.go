package stripe

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"slices"
)

// maxEndpoints is Stripe's limit per account and mode.
const maxEndpoints = 16

// endpoint is a webhook endpoint.
type endpoint struct {
	row
	URL         string
	Secret      string
	Events      []string
	Version     string
	Description string
	Metadata    map[string]string
	configured  bool // from Options: not journaled
}

// configured makes an endpoint of the options. Its id does not change over a restart, so that what was undelivered
// finds it again.
func configured(account string, w Webhook) *endpoint {
	sum := sha256.Sum256([]byte(account + "\x00" + w.URL))
	ep := &endpoint{
		row: row{ID: "we_" + hex.EncodeToString(sum[:12])}, URL: w.URL, Secret: string(w.Secret), Events: w.Events,
		Version: apiVersion, configured: true,
	}
	if len(ep.Events) == 0 {
		ep.Events = []string{"*"}
	}
	return ep
}

func (ep *endpoint) wants(eventType string) bool { return matchesType(ep.Events, eventType) }

func endpointParams() schema {
	return schema{
		"url": address().needed(), "enabled_events[#]": choice(raisedTypes()...).needed(), "api_version": text(40),
		"description": text(5000), "metadata[*]": text(500),
	}
}

func createEndpoint(c *call) (object, *apiError) {
	if len(c.acct.endpoints) >= maxEndpoints {
		return nil, refused("", "You have reached the maximum of 16 webhook endpoints.")
	}
	metadata, refusal := c.form.metadata("metadata")
	if refusal != nil {
		return nil, refusal
	}
	ep := &endpoint{
		row: c.newRow("we_" + rand.Text()), URL: c.form.text("url"), Secret: "whsec_" + rand.Text(),
		Events: c.form.list("enabled_events"), Version: c.form.text("api_version"),
		Description: c.form.text("description"), Metadata: metadata,
	}
	if ep.Version == "" {
		ep.Version = apiVersion
	}
	c.acct.endpoints = append(c.acct.endpoints, ep)
	c.save(rowEndpoint, ep.ID)
	o := ep.object(c.acct)
	o["secret"] = ep.Secret // shown this once
	return o, nil
}

func (a *account) endpoint(id string) (*endpoint, bool) {
	i := slices.IndexFunc(a.endpoints, func(ep *endpoint) bool { return ep.ID == id })
	if i < 0 {
		return nil, false
	}
	return a.endpoints[i], true
}

func retrieveEndpoint(c *call) (object, *apiError) {
	ep, ok := c.acct.endpoint(c.id())
	if !ok {
		return nil, missing("webhook endpoint", c.id(), "webhook_endpoint")
	}
	return ep.object(c.acct), nil
}

func listEndpoints(c *call) (object, *apiError) {
	return page(c, lister[*endpoint]{
		what: "webhook endpoint",
		rows: func(after string) (iter.Seq[*endpoint], bool) {
			var t table[*endpoint]
			for _, ep := range c.acct.endpoints {
				t.add(ep)
			}
			return t.newestFirst(after)
		},
		render: func(ep *endpoint, _ expansion) object { return ep.object(c.acct) },
	})
}

func deleteEndpoint(c *call) (object, *apiError) {
	ep, ok := c.acct.endpoint(c.id())
	if !ok {
		return nil, missing("webhook endpoint", c.id(), "webhook_endpoint")
	}
	c.acct.endpoints = slices.DeleteFunc(slices.Clone(c.acct.endpoints), func(e *endpoint) bool { return e == ep })
	c.save(rowEndpoint, ep.ID)
	return object{"id": ep.ID, "object": "webhook_endpoint", "deleted": true}, nil
}

func (ep *endpoint) object(a *account) object {
	metadata := ep.Metadata
	if metadata == nil {
		metadata = map[string]string{}
	}
	return object{
		"id": ep.ID, "object": "webhook_endpoint", "created": ep.Created, "livemode": a.livemode, "url": ep.URL,
		"enabled_events": ep.Events, "api_version": ep.Version, "status": "enabled", "application": nil,
		"description": orNull(ep.Description), "metadata": metadata,
	}
}
