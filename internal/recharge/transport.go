package recharge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"tillflow/internal/payment"
)

const userAgent = "tillflow"

// request is one call of the API.
type request struct {
	method string
	path   string
	query  url.Values
	body   any // sent as JSON, nil for none
}

func get(path string, query url.Values) request {
	return request{method: http.MethodGet, path: path, query: query}
}

func post(path string, body any) request {
	return request{method: http.MethodPost, path: path, body: body}
}

// object is the path of one object.
func object(collection string, id int64) string {
	return "/" + collection + "/" + strconv.FormatInt(id, 10)
}

// call sends a request and returns the members of the answer. Every error is a *payment.Error.
func (c *Client) call(ctx context.Context, r request) (map[string]json.RawMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, r.silence(payment.Unavailable, err)
	}
	if err := c.gate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var line trace
	req, err := c.build(httptrace.WithClientTrace(ctx, line.hooks()), r)
	if err != nil {
		return nil, payment.Errorf(payment.Bug, "build recharge request: %w", err)
	}
	started := c.now()
	resp, err := c.http.Do(req)
	if err != nil {
		class := r.unanswered()
		if line.untouched() {
			class = payment.Unavailable
		}
		return nil, r.silence(class, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	c.log.Info().Str("operation", r.method+" "+r.path).Int("status", resp.StatusCode).
		Str("request_id", printable(resp.Header.Get("X-Request-Id"))).Dur("took_ms", c.now().Sub(started)).Msg("recharge answered")
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, c.refused(r, resp, body)
	}
	if err != nil {
		return nil, r.cut(err)
	}
	if len(body) > maxAnswer {
		return nil, r.cut(errors.New("the answer is longer than it may be"))
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return nil, r.cut(errors.New("the answer is not the JSON object expected"))
	}
	return members, nil
}

func (c *Client) build(ctx context.Context, r request) (*http.Request, error) {
	target, body := c.base+r.path, io.Reader(nil)
	if encoded := r.query.Encode(); encoded != "" {
		target += "?" + encoded
	}
	if r.body != nil {
		data, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Recharge-Access-Token", c.token.Reveal())
	req.Header.Set("X-Recharge-Version", Version)
	req.Header.Set("Accept", "application/json")
	// Recharge's reference sets it on every request, those without a body too.
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", userAgent)
	return req, nil
}

// unanswered is what it means that a request got no answer that can be read: a look may be repeated, anything else may have been
// carried out and there is no key under which to ask.
func (r request) unanswered() payment.Class {
	if r.method == http.MethodGet {
		return payment.Unavailable
	}
	return payment.Unknown
}

// silence is the error for a request without an answer. Its query stays out of it: it may name a person.
func (r request) silence(class payment.Class, err error) error {
	code := "transport"
	if errors.Is(err, context.DeadlineExceeded) {
		code = "timeout"
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	e := payment.Errorf(class, "no answer from recharge to %s %s: %w", r.method, r.path, err)
	e.Code = code
	return e
}

// cut is the error for an answer that ends before its end, or is none.
func (r request) cut(err error) error {
	e := payment.Errorf(r.unanswered(), "recharge %s %s, answer cannot be read: %w", r.method, r.path, err)
	e.Code = CodeHalfAnswer
	return e
}

// trace knows whether a request can have reached the network.
type trace struct{ asked, connected atomic.Bool }

func (t *trace) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { t.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { t.connected.Store(true) },
	}
}

// untouched reports that certainly nothing was written: a connection was asked for and none came. A transport that traces nothing
// proves nothing.
func (t *trace) untouched() bool { return t.asked.Load() && !t.connected.Load() }

// printable makes foreign text fit for logs and errors: plain ASCII and short.
func printable(text string) string {
	const most = 120
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
