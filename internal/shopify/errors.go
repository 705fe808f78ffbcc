package shopify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tillflow/internal/payment"
)

// Codes of payment.Error that callers may act on. Others are Shopify's own words or "http_<status>".
const (
	// CodeShopBlocked: the shop is frozen, locked, inactive or closed to us (402, 403, 423, SHOP_INACTIVE). Class Unauthorized;
	// RetryAfter is an hour, because only the merchant or Shopify can end it.
	CodeShopBlocked = "shop_blocked"
	// CodeNoToken: the shop has no stored access token. Class Unauthorized.
	CodeNoToken = "no_token"
	// CodeInvalidGrant: the refresh token is no longer good; the merchant must authorize the app again. Class Unauthorized.
	CodeInvalidGrant = "invalid_grant"
)

const (
	slowRetry = time.Hour
	// shortRetry is used when Shopify throttles without saying for how long.
	shortRetry = 2 * time.Second
)

func isShopBlocked(err error) bool {
	e, ok := errors.AsType[*payment.Error](err)
	return ok && e.Code == CodeShopBlocked
}

// transportError is a call without an answer. It may have been performed, yet repeating it is safe, so it counts as Unavailable.
func transportError(err error) error {
	code := "transport"
	if errors.Is(err, context.DeadlineExceeded) {
		code = "timeout"
	}
	reason := err
	if u, ok := errors.AsType[*url.Error](err); ok {
		reason = u.Err // without the address, which is in the log's fields
	}
	return &payment.Error{Class: payment.Unavailable, Code: code, Message: "no answer from shopify: " + clip(reason.Error()), Err: err}
}

func emptyAnswer() *payment.Error {
	return &payment.Error{Class: payment.Unavailable, Code: "empty_answer", Message: "shopify answered without a result"}
}

// statusError gives the meaning of an answer other than 200. Bodies are not read: they are HTML or text for people.
func statusError(status int, header http.Header, now time.Time) *payment.Error {
	err := &payment.Error{Code: "http_" + strconv.Itoa(status), Message: fmt.Sprintf("shopify answered status %d", status)}
	switch {
	case status == http.StatusUnauthorized:
		err.Class = payment.Unauthorized
	case status == http.StatusPaymentRequired, status == http.StatusForbidden, status == http.StatusLocked:
		err.Class, err.Code, err.RetryAfter = payment.Unauthorized, CodeShopBlocked, slowRetry
	case status == http.StatusTooManyRequests:
		err.Class, err.RetryAfter = payment.RateLimited, retryAfter(header, now)
		if err.RetryAfter == 0 {
			err.RetryAfter = shortRetry
		}
	case status == http.StatusRequestTimeout, status >= 500:
		err.Class, err.RetryAfter = payment.Unavailable, retryAfter(header, now)
	case status >= 400:
		// 404 is a wrong path or version here, never a statement about the session.
		err.Class = payment.Invalid
	default:
		err.Class = payment.Unavailable // a redirect, or a success without the body we need
	}
	return err
}

// retryAfter reads Retry-After: seconds, with a fraction at Shopify, or a date. Zero if absent or unusable, at most an hour.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		return seconds2duration(seconds)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), slowRetry)
	}
	return 0
}

func seconds2duration(seconds float64) time.Duration {
	if math.IsNaN(seconds) || seconds <= 0 {
		return 0
	}
	return time.Duration(min(seconds, slowRetry.Seconds()) * float64(time.Second))
}

// graphError is a top-level error of a GraphQL answer.
type graphError struct {
	Message   string `json:"message"`
	Locations []struct {
		Line int `json:"line"`
	} `json:"locations"`
	Extensions struct {
		Code string `json:"code"`
	} `json:"extensions"`
}

// queryCost is extensions.cost: a leaky bucket of points per app and shop.
type queryCost struct {
	Requested float64 `json:"requestedQueryCost"`
	Throttle  struct {
		Available   float64 `json:"currentlyAvailable"`
		RestoreRate float64 `json:"restoreRate"` // points per second
	} `json:"throttleStatus"`
}

// shortfall is how long until the bucket holds the points of the same operation again; zero if it does, or did not say.
func (c *queryCost) shortfall() time.Duration {
	if c == nil || c.Throttle.RestoreRate <= 0 {
		return 0
	}
	return seconds2duration((c.Requested - c.Throttle.Available) / c.Throttle.RestoreRate)
}

// wait is the shortfall after a refusal for want of points.
func (c *queryCost) wait() time.Duration {
	if wait := c.shortfall(); wait > 0 {
		return wait
	}
	return shortRetry
}

// graphErrors gives the meaning of top-level errors. The first one with a runtime code we know decides.
func graphErrors(list []graphError, cost *queryCost) *payment.Error {
	for _, e := range list {
		err := &payment.Error{Code: e.Extensions.Code, Message: "shopify: " + printable(e.Message)}
		switch e.Extensions.Code {
		case "THROTTLED":
			err.Class, err.RetryAfter = payment.RateLimited, cost.wait()
		case "ACCESS_DENIED":
			err.Class = payment.Unauthorized
		case "SHOP_INACTIVE":
			err.Class, err.Code, err.RetryAfter = payment.Unauthorized, CodeShopBlocked, slowRetry
		case "INTERNAL_SERVER_ERROR", "TIMEOUT":
			err.Class = payment.Unavailable
		case "MAX_COST_EXCEEDED":
			err.Class = payment.Invalid
		default:
			continue
		}
		return err
	}
	first := list[0]
	err := &payment.Error{Class: payment.Unavailable, Code: printable(first.Extensions.Code), Message: "shopify: " + printable(first.Message)}
	// An error that points into our document came from validating it: a repeat cannot help.
	if len(first.Locations) > 0 {
		err.Class = payment.Invalid
		if err.Code == "" {
			err.Code = "schema"
		}
	}
	return err
}
