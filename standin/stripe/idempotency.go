package stripe

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"tillflow/standin/faults"
)

const (
	maxKeyLength = 255
	// keyRetention is how long a key is kept; later the same key makes a second object.
	keyRetention = 24 * time.Hour
)

// idempotent is what is kept under one key of one account: the answer of the first request that began executing.
type idempotent struct {
	Fingerprint string
	Request     string
	Status      int
	Body        []byte
	At          time.Time
	running     bool
}

// idempotently runs do at most once per Idempotency-Key. Errors of the server are kept and replayed like any answer;
// refused parameters are not kept.
func (c *call) idempotently(do func() faults.Reply) faults.Reply {
	key := c.r.Header.Get("Idempotency-Key")
	if key == "" || c.r.Method != http.MethodPost {
		return do()
	}
	if len(key) > maxKeyLength {
		return c.fail(invalid("", "", "Idempotency keys may be 255 characters long at most."))
	}
	if reply, known := c.recall(key); known {
		return reply
	}
	finished := false
	defer func() {
		if !finished { // a panic: nothing to replay
			c.forget(key)
		}
	}()
	reply := do()
	finished = true
	if c.unstored {
		c.forget(key)
		return reply
	}
	c.keep(key, reply)
	return reply
}

// recall answers for a known key and claims an unknown one.
func (c *call) recall(key string) (faults.Reply, bool) {
	sum := sha256.Sum256([]byte(c.r.Method + " " + c.r.URL.Path + "\n" + c.form.canonical()))
	fingerprint := hex.EncodeToString(sum[:])
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	now := c.s.opts.Now()
	kept, known := c.acct.keys[key]
	if known && !kept.running && now.Sub(kept.At) >= keyRetention {
		known = false
	}
	if !known {
		c.acct.keys[key] = &idempotent{Fingerprint: fingerprint, Request: c.requestID, At: now, running: true}
		return faults.Reply{}, false
	}
	c.save(rowCounters, "")
	if kept.Fingerprint != fingerprint {
		c.acct.counts.Conflicts++
		return c.fail(&apiError{
			status: http.StatusBadRequest, kind: idempotencyFault,
			message: "Keys for idempotent requests can only be used with the same parameters they were first used with. " +
				"Try using a key other than '" + key + "' if you meant to execute a different request.",
		}), true
	}
	if kept.running {
		c.acct.counts.Conflicts++
		return c.fail(&apiError{
			status: http.StatusConflict, kind: idempotencyFault, code: "idempotency_key_in_use",
			message: "There is currently another in-progress request using this Idempotent Key.",
		}), true
	}
	c.acct.counts.Replays++
	reply := c.decorate(jsonReply(kept.Status, kept.Body))
	reply.Header.Set("Idempotent-Replayed", "true")
	reply.Header.Set("Original-Request", kept.Request)
	return reply, true
}

func (c *call) keep(key string, reply faults.Reply) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	kept := c.acct.keys[key]
	c.acct.keys[key] = &idempotent{
		Fingerprint: kept.Fingerprint, Request: kept.Request, At: kept.At, Status: reply.Status, Body: reply.Body,
	}
	c.save(rowKept, key)
}

func (c *call) forget(key string) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	delete(c.acct.keys, key)
	c.save(rowKept, key)
}

// pruneKeys drops the keys nobody can use any more.
func (s *Server) pruneKeys(now time.Time) {
	for _, acct := range s.accounts {
		for key, kept := range acct.keys {
			if !kept.running && now.Sub(kept.At) >= keyRetention {
				delete(acct.keys, key)
				s.mark(rowKept, acct.id, key)
			}
		}
	}
}
