package recharge

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tillflow/standin/faults"
)

// maxBody bounds a request.
const maxBody = 1 << 20

// operation is one call of the API.
type operation struct {
	name    string
	pattern string // as in http.ServeMux; the id, if any, is {id}
	scope   string // any of these, separated by spaces; empty needs none
	params  []string
	include []string // what may be included
	run     func(*call) (object, *apiError)
}

// call is one request to one operation. run has Server.mu.
type call struct {
	s     *Server
	op    operation
	st    *store
	r     *http.Request
	query url.Values
	body  []byte
	plan  *faults.Plan
	page  PageKind // what goes wrong with the page, empty for nothing
}

// apiError is a refusal.
type apiError struct {
	status int
	text   string
	field  string // when set the text is about it: {"errors": {field: [text]}}
	after  string // Retry-After
}

func invalid(field, text string) *apiError {
	return &apiError{status: http.StatusUnprocessableEntity, field: field, text: text}
}

func (e *apiError) body() []byte {
	if e.field != "" {
		return encode(object{"errors": object{e.field: []string{e.text}}})
	}
	return encode(object{"error": e.text})
}

func faultBody(status int) (contentType string, body []byte) {
	return "application/json", encode(object{"error": http.StatusText(status)})
}

// encode renders JSON. What is rendered here are strings, numbers, booleans and lists of them; a failure is a bug and must be seen.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("recharge stand-in: render: " + err.Error())
	}
	return data
}

func jsonReply(status int, body []byte) faults.Reply {
	return faults.Reply{
		Status: status, Body: body,
		Header: http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"req_" + rand.Text()}},
	}
}

func (e *apiError) reply() faults.Reply {
	reply := jsonReply(e.status, e.body())
	if e.after != "" {
		reply.Header.Set("Retry-After", e.after)
	}
	return reply
}

func (s *Server) serveAPI(op operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			writeReply(w, (&apiError{status: http.StatusBadRequest, text: "body cannot be read"}).reply())
			return
		}
		c := &call{s: s, op: op, r: r, body: body, query: r.URL.Query()}
		s.faults.Serve(w, r, faults.Call{
			Name:    op.name,
			Subject: r.URL.RequestURI() + "\n" + string(body),
			Do:      c.execute,
			Around: func(do func() faults.Reply) faults.Reply {
				if refusal := c.admit(); refusal != nil {
					return refusal.reply()
				}
				return do()
			},
		})
	}
}

// admit checks everything that needs no look at the books but the token.
func (c *call) admit() *apiError {
	if refusal := c.authenticate(); refusal != nil {
		return refusal
	}
	h := c.r.Header
	switch {
	case h.Get("X-Recharge-Version") != apiVersion:
		return &apiError{status: http.StatusUpgradeRequired, text: "X-Recharge-Version must be " + apiVersion + " on every request"}
	case !strings.Contains(h.Get("Accept"), "application/json"):
		return &apiError{status: http.StatusNotAcceptable, text: "Accept must be application/json"}
	case len(c.body) > 0 && !strings.HasPrefix(h.Get("Content-Type"), "application/json"):
		return &apiError{status: http.StatusUnsupportedMediaType, text: "body must be JSON"}
	case len(c.body) > 0 && !json.Valid(c.body):
		return &apiError{status: http.StatusUnsupportedMediaType, text: "body is not JSON"}
	}
	if scopes := strings.Fields(c.op.scope); len(scopes) > 0 && len(c.st.conf.Scopes) > 0 &&
		!slices.ContainsFunc(scopes, func(scope string) bool { return slices.Contains(c.st.conf.Scopes, scope) }) {
		return &apiError{status: http.StatusForbidden, text: "token has not the scope " + c.op.scope}
	}
	return c.checkQuery()
}

func (c *call) authenticate() *apiError {
	token := c.r.Header.Get("X-Recharge-Access-Token")
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for _, st := range c.s.stores {
		if subtle.ConstantTimeCompare([]byte(st.conf.Token), []byte(token)) != 1 {
			continue
		}
		c.st = st
		if wait, ok := st.bucket.take(c.s.opts.Now()); !ok {
			st.Throttled++
			return &apiError{status: http.StatusTooManyRequests, text: "API limit reached", after: wait}
		}
		st.Calls[c.op.name]++
		c.s.version++
		return nil
	}
	c.s.unauthorized++
	return &apiError{status: http.StatusUnauthorized, text: "bad authentication"}
}

func (c *call) checkQuery() *apiError {
	for name, values := range c.query {
		if len(values) != 1 {
			return invalid(name, "given more than once")
		}
		if !slices.Contains(c.op.params, name) && (name != "include" || len(c.op.include) == 0) {
			return invalid(name, "not a parameter of this call")
		}
		if c.query.Has("cursor") && name != "cursor" && name != "limit" {
			return invalid(name, "a request with a cursor carries only cursor and limit")
		}
	}
	if c.query.Has("limit") {
		if n, err := strconv.Atoi(c.query.Get("limit")); err != nil || n < 1 || n > 250 {
			return invalid("limit", "must be between 1 and 250")
		}
	}
	for _, name := range c.includes() {
		if !slices.Contains(c.op.include, name) {
			return invalid("include", "cannot include "+name)
		}
	}
	return nil
}

// includes are the names in the comma list.
func (c *call) includes() []string {
	if !c.query.Has("include") {
		return nil
	}
	return strings.Split(c.query.Get("include"), ",")
}

// execute does the work under the lock; what it raises is delivered after the reply.
func (c *call) execute(plan *faults.Plan) faults.Reply {
	c.plan = plan
	s := c.s
	s.mu.Lock()
	obj, refusal := c.op.run(c)
	sends := s.takeOutbox()
	s.mu.Unlock()
	var reply faults.Reply
	if refusal != nil {
		reply = refusal.reply()
	} else {
		reply = jsonReply(http.StatusOK, c.spoil(encode(obj)))
	}
	reply.Publish = func() { s.publish(sends) }
	reply.Await = func(ctx context.Context) { await(ctx, sends) }
	return reply
}

// id is the number in the path.
func (c *call) id() (int64, *apiError) {
	id, err := strconv.ParseInt(c.r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, &apiError{status: http.StatusNotFound, text: "Not Found"}
	}
	return id, nil
}

// decodeStrict reads the body of a switch or a call; an unknown member is a mistake, and a mistake must be heard.
func decodeStrict(body []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("decode body: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("decode body: more than one JSON value")
	}
	return nil
}

// writeReply writes an answer that no fault acts on. A failed write is the caller's lost connection.
func writeReply(w http.ResponseWriter, reply faults.Reply) {
	for name, values := range reply.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(reply.Status)
	_, _ = w.Write(reply.Body)
}
