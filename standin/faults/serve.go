package faults

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// Reply is the answer of a handler, not yet written: the faults decide what the caller gets to see of it.
type Reply struct {
	Status int
	// Header is copied to the response; Content-Length is set by After.
	Header http.Header
	Body   []byte
	// Publish hands on what the commit caused, for example webhooks to a deliverer. After calls it exactly once: when
	// the reply is written, or before it when a fault acts on the reply. May be nil.
	Publish func()
	// Await blocks until everything published was delivered or tried once, or ctx ends. Used by WebhookBeforeReply.
	// May be nil.
	Await func(ctx context.Context)
}

// Call is one request to a stand-in.
type Call struct {
	// Name is the operation, as in Options.Calls.
	Name string
	// Subject is where Rule.Match is looked for: path, query and body.
	Subject string
	// Do does the work and commits it. The plan holds the kinds that the stand-in itself must obey.
	Do func(*Plan) Reply
	// Around, when set, wraps the execution: authentication, validation, idempotency. It may answer without calling do.
	Around func(do func() Reply) Reply
}

// Plan is what goes wrong with one call.
type Plan struct {
	board *Switchboard
	rules []Rule
}

// awaitLimit bounds WebhookBeforeReply: an endpoint that does not answer must not hold the call for ever.
const awaitLimit = 10 * time.Second

// Serve runs one call under the armed rules and writes what the caller may see.
func (s *Switchboard) Serve(w http.ResponseWriter, r *http.Request, c Call) {
	plan := s.Plan(c.Name, c.Subject)
	if plan.Before(w) {
		return
	}
	do := func() Reply { return plan.Execute(c.Do) }
	if c.Around != nil {
		plan.After(w, r, c.Around(do))
		return
	}
	plan.After(w, r, do())
}

// Rule returns the first fired rule of a kind.
func (p *Plan) Rule(k Kind) (Rule, bool) {
	for _, r := range p.rules {
		if r.Kind == k {
			return r, true
		}
	}
	return Rule{}, false
}

// Has reports whether a rule of a kind fired.
func (p *Plan) Has(k Kind) bool {
	_, ok := p.Rule(k)
	return ok
}

// Decline returns the code the call must be refused with, and whether there is one.
func (p *Plan) Decline() (code string, ok bool) {
	for _, r := range p.rules {
		if code, ok := r.Kind.DeclineCode(); ok {
			return code, true
		}
	}
	return "", false
}

// Before applies the faults that keep the request from being worked on. It reports whether the call is over.
func (p *Plan) Before(w http.ResponseWriter) (over bool) {
	if p.Has(LoseRequest) {
		breakOff(w)
		return true
	}
	if rule, ok := p.Rule(TooManyRequests); ok {
		reply := p.errorReply(http.StatusTooManyRequests)
		reply.Header.Set("Retry-After", strconv.FormatInt(max(1, (rule.DelayMS+999)/1000), 10))
		write(w, reply)
		return true
	}
	return false
}

// Execute does the work under the faults around the commit.
func (p *Plan) Execute(do func(*Plan) Reply) Reply {
	if rule, ok := p.Rule(Delay); ok {
		p.board.delay(nil, rule.DelayMS) // also when the caller is gone: the request was sent
	}
	if p.Has(ErrorBefore) {
		return p.errorReply(http.StatusInternalServerError)
	}
	reply := do(p)
	if !p.Has(ErrorAfter) {
		return reply
	}
	failed := p.errorReply(http.StatusInternalServerError)
	failed.Publish, failed.Await = reply.Publish, reply.Await
	return failed
}

// After applies the faults of the reply and writes what is left of it.
func (p *Plan) After(w http.ResponseWriter, r *http.Request, reply Reply) {
	publish := reply.Publish
	if publish == nil {
		publish = func() {}
	}
	late, slow := p.Rule(DelayReply)
	hold, lose, first := p.Has(HoldReply), p.Has(LoseReply), p.Has(WebhookBeforeReply)
	if !slow && !hold && !lose && !first {
		write(w, reply)
		publish()
		return
	}
	publish() // committed work shows itself whatever happens to the reply
	if first && reply.Await != nil {
		ctx, cancel := context.WithTimeout(r.Context(), awaitLimit)
		reply.Await(ctx)
		cancel()
	}
	if slow {
		p.board.delay(r.Context().Done(), late.DelayMS)
	}
	if hold {
		p.board.hold(r.Context())
	}
	if lose || r.Context().Err() != nil {
		breakOff(w)
		return
	}
	write(w, reply)
}

func (p *Plan) errorReply(status int) Reply {
	contentType, body := "text/plain; charset=utf-8", []byte(http.StatusText(status)+"\n")
	if p.board.opts.ErrorBody != nil {
		contentType, body = p.board.opts.ErrorBody(status)
	}
	return Reply{Status: status, Header: http.Header{"Content-Type": {contentType}}, Body: body}
}

// write sends the reply and flushes it, so that it is on its way before Publish is called. A failed write is the
// caller's lost connection, which is nothing a stand-in could act on.
func write(w http.ResponseWriter, reply Reply) {
	h := w.Header()
	for k, v := range reply.Header {
		h[k] = v
	}
	h.Set("Content-Length", strconv.Itoa(len(reply.Body)))
	w.WriteHeader(reply.Status)
	if _, err := w.Write(reply.Body); err != nil {
		return
	}
	_ = http.NewResponseController(w).Flush()
}

// breakOff closes the connection in the middle of the status line. A connection closed before the first byte would be
// taken for an idle one that timed out, and Go's client then sends a request with an Idempotency-Key again by itself:
// the fault would happen without its caller ever seeing it.
func breakOff(w http.ResponseWriter) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 cannot be hijacked; this resets the stream
	}
	// Errors are of no use here: the connection is being broken on purpose.
	_, _ = buf.WriteString("HTTP/1.1 ")
	_ = buf.Flush()
	_ = conn.Close()
}
