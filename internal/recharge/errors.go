package recharge

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tillflow/internal/payment"
)

// Codes of payment.Error that callers may act on. Others are "http_<status>", "transport" or "timeout".
const (
	// CodePaused: an earlier 429 asked for a pause that is not over; nothing was sent. Class RateLimited.
	CodePaused = "paused"
	// CodeHalfAnswer: the answer ended before its end, or lacked what it must have. Class Unavailable for a look, Unknown for
	// anything else.
	CodeHalfAnswer = "half_answer"
	// CodeOtherVersion: Recharge refuses the pinned API version (426). Class Unauthorized: a person has to act.
	CodeOtherVersion = "api_version"
	// CodePaymentRequired: 402. Of a charge that is processed it is the decline; of anything else the store's own account is
	// in trouble.
	CodePaymentRequired = "http_402"
	// CodeScope: the token lacks a scope, or the store a plan, that the call needs (403). Class Unauthorized.
	CodeScope = "http_403"
	// CodeNotDecided: the charge looks as it did before it was processed; whether the call is still being worked on, nobody
	// knows. Class Unknown.
	CodeNotDecided = "not_decided"
	// CodeRepeatedCursor: a list sent back to a page that it had already left. Class Unavailable.
	CodeRepeatedCursor = "repeated_cursor"
	// CodeUnsettled: a walk found something new in every pass it may make, so nobody can say that it has everything. What it
	// found is kept; the next walk covers the same window. Class Unavailable.
	CodeUnsettled = "unsettled"
)

// refused turns an answer other than 2xx into its error.
func (c *Client) refused(r request, resp *http.Response, body []byte) error {
	err := payment.Errorf(classOf(r, resp.StatusCode), "recharge %s %s answered status %d", r.method, r.path, resp.StatusCode)
	err.Code = "http_" + strconv.Itoa(resp.StatusCode)
	if resp.StatusCode == http.StatusUpgradeRequired {
		err.Code = CodeOtherVersion
	}
	if names := complaints(body); names != "" {
		err.Message += " about " + names
	}
	if id := printable(resp.Header.Get("X-Request-Id")); id != "" {
		err.Message += ", request id " + id
	}
	err.RetryAfter = retryAfter(resp.Header, c.now())
	if err.Class == payment.RateLimited {
		err.RetryAfter = c.pause(err.RetryAfter)
	}
	return err
}

// classOf is the error table. A request that changes something is Unknown where Recharge may have begun to work on it.
func classOf(r request, status int) payment.Class {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusUpgradeRequired:
		return payment.Unauthorized
	case http.StatusPaymentRequired:
		if r.method == http.MethodGet {
			return payment.Unauthorized // nothing is being paid: it is about the store
		}
		return payment.Conflict
	case http.StatusNotFound:
		return payment.NotFound
	case http.StatusConflict:
		return payment.Conflict
	case http.StatusTooManyRequests:
		return payment.RateLimited
	case http.StatusRequestTimeout:
		return r.unanswered()
	case http.StatusNotImplemented:
		return payment.Unsupported
	}
	switch {
	case status >= 500:
		return r.unanswered()
	case status >= 400:
		return payment.Invalid // 400, 405, 406, 415, 422: our request is wrong
	}
	return r.unanswered() // a redirect, which is not followed
}

// complaints are the names of the fields that Recharge objects to. Its sentences are left out: they quote what was sent, and that
// may be a person's.
func complaints(body []byte) string {
	var answer struct {
		Errors map[string]json.RawMessage `json:"errors"`
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Errors) == 0 {
		return "" // {"error": text}, {"errors": text}, or a page of something in between
	}
	names := make([]string, 0, len(answer.Errors))
	for name := range answer.Errors {
		names = append(names, name)
	}
	slices.Sort(names)
	return printable(strings.Join(names, ", "))
}

// retryAfter reads Retry-After: seconds, with a fraction or without, or a date. Zero if absent or unusable, at most an hour.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		if math.IsNaN(seconds) || seconds <= 0 {
			return 0
		}
		return time.Duration(min(seconds, maxPause.Seconds()) * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxPause)
	}
	return 0
}
