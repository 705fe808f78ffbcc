package stripe

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"tillflow/standin/faults"
)

// maxBody bounds a request; Stripe's own limit is not published.
const maxBody = 1 << 20

// operation is one call of the API.
type operation struct {
	name    string
	pattern string // as in http.ServeMux; the id, if any, is {id}
	params  schema
	returns kind // what is answered (what the elements of a list are), for expand; empty: nothing to expand
	list    bool
	run     func(*call) (object, *apiError)
}

// call is one request to one operation. It is used by one goroutine; run has Server.mu.
type call struct {
	change
	op        operation
	r         *http.Request
	requestID string
	form      form
	expand    expansion
	plan      *faults.Plan
	unstored  bool // the answer is not kept under the idempotency key
}

func (s *Server) serveAPI(op operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := &call{op: op, r: r, requestID: "req_" + rand.Text()}
		c.s = s
		w.Header().Set("Request-Id", c.requestID)
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			status := http.StatusBadRequest
			if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
				status = http.StatusRequestEntityTooLarge
			}
			writeReply(w, c.fail(&apiError{status: status, kind: requestFault, message: err.Error()}))
			return
		}
		s.faults.Serve(w, r, faults.Call{
			Name:    op.name,
			Subject: r.URL.RequestURI() + "\n" + string(body),
			Do:      c.execute,
			Around: func(do func() faults.Reply) faults.Reply {
				if refusal := c.admit(string(body)); refusal != nil {
					return c.fail(refusal)
				}
				return c.idempotently(do)
			},
		})
	}
}

// admit authenticates the request and checks everything that needs no look at the books.
func (c *call) admit(body string) *apiError {
	if refusal := c.authenticate(); refusal != nil {
		return refusal
	}
	version := c.r.Header.Get("Stripe-Version")
	if !wellFormedVersion(version) {
		return invalid("", "", "Stripe-Version is missing or malformed: '"+version+"'. This stand-in wants it on every request.")
	}
	raw := c.r.URL.RawQuery
	if c.r.Method == http.MethodPost {
		if raw != "" {
			return invalid("parameter_unknown", "", "Parameters of a POST belong into its body.")
		}
		mediaType, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";")
		if body != "" && mediaType != "application/x-www-form-urlencoded" {
			return invalid("", "", "Invalid request (check that your POST content type is application/x-www-form-urlencoded).")
		}
		raw = body
	}
	var refusal *apiError
	if c.form, refusal = decodeForm(raw, c.op.params); refusal != nil {
		return refusal
	}
	c.expand, refusal = parseExpand(c.form.list("expand"), c.op)
	return refusal
}

// wellFormedVersion accepts "2026-08-26.dahlia" and the older form without a release train.
func wellFormedVersion(v string) bool {
	date, train, named := strings.Cut(v, ".")
	_, err := time.Parse(time.DateOnly, date)
	return err == nil && (!named || train != "")
}

func (c *call) authenticate() *apiError {
	key, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for secret, acct := range c.s.byKey {
		if ok && subtle.ConstantTimeCompare([]byte(secret), []byte(key)) == 1 {
			c.acct = acct
			acct.counts.Calls[c.op.name]++
			c.save(rowCounters, "")
			return nil
		}
	}
	c.s.unauthorized++
	return &apiError{status: http.StatusUnauthorized, kind: requestFault, message: "Invalid API Key provided."}
}

// execute does the work under the lock; what it raises is delivered after the reply.
func (c *call) execute(plan *faults.Plan) faults.Reply {
	s := c.s
	s.mu.Lock()
	c.now = s.opts.Now()
	c.events = s.advance(c.now)
	c.origin = eventOrigin{Request: c.requestID, IdempotencyKey: c.r.Header.Get("Idempotency-Key")}
	c.plan = plan
	obj, refusal := c.op.run(c)
	var reply faults.Reply
	if refusal != nil {
		c.unstored = refusal.unstored
		reply = c.fail(refusal)
	} else {
		reply = c.decorate(jsonReply(http.StatusOK, encode(obj)))
	}
	s.mu.Unlock()
	reply.Publish, reply.Await = s.publishing(c.events)
	return reply
}

// publishing returns the two halves of Reply that hand out events.
func (s *Server) publishing(events []*event) (publish func(), await func(context.Context)) {
	var tried *attempts
	publish = func() { tried = s.publish(events) }
	await = func(ctx context.Context) { tried.wait(ctx) }
	return publish, await
}

func (c *call) fail(e *apiError) faults.Reply {
	return c.decorate(jsonReply(e.status, e.body()))
}

// decorate adds the headers every answer has.
func (c *call) decorate(reply faults.Reply) faults.Reply {
	reply.Header.Set("Stripe-Version", apiVersion)
	if key := c.r.Header.Get("Idempotency-Key"); key != "" {
		reply.Header.Set("Idempotency-Key", key)
	}
	return reply
}

// id is the object named in the path.
func (c *call) id() string { return c.r.PathValue("id") }
