package stripe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// maxAnswer bounds what is read of an answer. A page of a hundred sessions is
// about 400 kB.
const maxAnswer = 4 << 20

// request is one call of the API.
type request struct {
	method string
	path   string
	form   url.Values // the body of a POST, the query of a GET
	key    string     // idempotency key of a POST; empty where the call is idempotent by nature
}

func get(path string, query url.Values) request {
	return request{method: http.MethodGet, path: path, form: query}
}

func post(path string, form url.Values, key string) request {
	return request{method: http.MethodPost, path: path, form: form, key: key}
}

// under builds a path below one object. The id is escaped, whatever it holds.
func under(collection, id, action string) string {
	path := "/v1/" + collection + "/" + url.PathEscape(id)
	if action != "" {
		path += "/" + action
	}
	return path
}

// do sends a request and decodes a 2xx answer into result. Every error is a
// *payment.Error; Stripe's own refusals have a *refusal as cause.
func (c *Connector) do(ctx context.Context, acc psp.Account, r request, result any) (requestID string, err error) {
	if err := ctx.Err(); err != nil {
		return "", r.silence(payment.Unavailable, err)
	}
	key, err := secretKey(acc)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Contract().CallTimeout)
	defer cancel()
	var line trace
	req, err := c.build(httptrace.WithClientTrace(ctx, line.hooks()), r, key)
	if err != nil {
		return "", payment.Errorf(payment.Bug, "build stripe request: %w", err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		class := r.unanswered()
		if line.untouched() {
			class = payment.Unavailable
		}
		return "", r.silence(class, err)
	}
	defer resp.Body.Close()
	requestID = brief(resp.Header.Get("Request-Id"))
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return requestID, r.silence(r.unanswered(), err)
	}
	if len(body) > maxAnswer {
		return requestID, r.silence(r.unanswered(), errors.New("the answer is longer than it may be"))
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return requestID, r.refused(resp, body, c.now())
	}
	if err := json.Unmarshal(body, result); err != nil {
		return requestID, r.silence(r.unanswered(), fmt.Errorf("decode answer %s: %w", requestID, err))
	}
	return requestID, nil
}

func (c *Connector) build(ctx context.Context, r request, key string) (*http.Request, error) {
	target, body := c.base+r.path, io.Reader(nil)
	switch encoded := r.form.Encode(); {
	case r.method == http.MethodPost:
		body = strings.NewReader(encoded)
	case encoded != "":
		target += "?" + encoded
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Stripe-Version", Version)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "tillflow")
	if r.method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if r.key != "" {
		// net/http repeats a request with this header on a fresh connection when
		// a kept one turns out dead. That is safe: it is the same key.
		req.Header.Set("Idempotency-Key", r.key)
	}
	return req, nil
}

// unanswered is what it means that a request got no answer that can be read: a
// look may simply be repeated, a POST may have been carried out.
func (r request) unanswered() payment.Class {
	if r.method == http.MethodGet {
		return payment.Unavailable
	}
	return payment.Unknown
}

// silence is the error for a request without a readable answer. The query is
// not repeated and net/http's own text, which holds it, is unwrapped.
func (r request) silence(class payment.Class, err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return payment.Errorf(class, "stripe %s %s: %w", r.method, r.path, err)
}

// trace knows whether a request can have reached the network.
type trace struct{ asked, connected atomic.Bool }

func (t *trace) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { t.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { t.connected.Store(true) },
	}
}

// untouched reports that certainly nothing was written: a connection was asked
// for and none came (refused, no such host, TLS failed). Once there is a
// connection, bytes may have left, whatever a later error says. A transport that
// traces nothing proves nothing.
func (t *trace) untouched() bool { return t.asked.Load() && !t.connected.Load() }
