package shopify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/shopify/gql"
)

// Result is Shopify's answer to a mutation about a session.
type Result struct {
	// NextURL is where the buyer's browser must go now; empty if Shopify names nothing. Payment sessions only.
	NextURL string
	// State is the session's state code after the mutation: "RESOLVED", "REJECTED", "PENDING", … An open set.
	State string
	// RequestID is Shopify's id of the answer, for support cases.
	RequestID string
	// UserErrors is not empty if Shopify refused the mutation. A refusal is final: repeating it changes nothing.
	UserErrors []UserError
}

// Accepted reports whether Shopify did as asked, now or at an earlier call.
func (r Result) Accepted() bool { return len(r.UserErrors) == 0 }

// UserError is one business refusal.
type UserError struct {
	Field   string // path into the input, joined by dots
	Message string
	// Code is empty where Shopify gives none: resolving and rejecting payments, configuring the app. An open set elsewhere.
	Code string
}

// CodePendingOutOfRange is the code of a [UserError] of PendPayment: expiresAt lies too far ahead. Shopify does not publish how far
// is allowed; halve the distance and try again.
const CodePendingOutOfRange = "OUT_OF_RANGE_PENDING_EXPIRES_AT"

// PendingReason says who must act before a pending payment can be decided.
type PendingReason string

// Reasons of a pending payment; the complete set of [APIVersion].
const (
	PendingOnBuyer    PendingReason = "BUYER_ACTION_REQUIRED"
	PendingOnMerchant PendingReason = "MERCHANT_ACTION_REQUIRED"
	PendingOnNetwork  PendingReason = "NETWORK_ACTION_REQUIRED"
	PendingOnPartner  PendingReason = "PARTNER_ACTION_REQUIRED"
)

// RejectReason tells buyer and merchant why a payment was refused.
type RejectReason struct {
	// Code selects Shopify's text for the buyer.
	Code RejectCode
	// MerchantMessage is shown to the merchant only. No personal data.
	MerchantMessage string
	// Source says who refused; empty leaves it open.
	Source RejectSource
}

// ResolvePayment tells Shopify that the money of a payment session is secured; Shopify then creates the order. gid is the session's
// global id. authorizationExpiresAt is when an authorization lapses, nil for a sale.
func (c *Client) ResolvePayment(ctx context.Context, shop, gid string, authorizationExpiresAt *time.Time) (Result, error) {
	var expires *time.Time
	if authorizationExpiresAt != nil {
		expires = new(wholeSeconds(*authorizationExpiresAt))
	}
	return c.mutate(shop, gid, "resolve payment session", func(k *call) (*gql.Session, []gql.UserError, error) {
		resp, err := gql.PaymentSessionResolve(ctx, k, gid, expires)
		if err != nil || resp.PaymentSessionResolve == nil {
			return nil, nil, err
		}
		return resp.PaymentSessionResolve.PaymentSession, resp.PaymentSessionResolve.UserErrors, nil
	})
}

// RejectPayment tells Shopify that no money will come from a payment session. It is final.
func (c *Client) RejectPayment(ctx context.Context, shop, gid string, reason RejectReason) (Result, error) {
	input := gql.PaymentSessionRejectionReasonInput{
		Code:            gql.PaymentSessionStateRejectedReason(reason.Code),
		MerchantMessage: optional(reason.MerchantMessage),
		Source:          optional(gql.PaymentSessionStateRejectedSource(reason.Source)),
	}
	return c.mutate(shop, gid, "reject payment session", func(k *call) (*gql.Session, []gql.UserError, error) {
		resp, err := gql.PaymentSessionReject(ctx, k, gid, input)
		if err != nil || resp.PaymentSessionReject == nil {
			return nil, nil, err
		}
		return resp.PaymentSessionReject.PaymentSession, resp.PaymentSessionReject.UserErrors, nil
	})
}

// PendPayment tells Shopify that the money is on its way and will be decided by expiresAt; Shopify creates the order at once. Only
// on the provider's evidence. See [CodePendingOutOfRange].
func (c *Client) PendPayment(ctx context.Context, shop, gid string, expiresAt time.Time, reason PendingReason) (Result, error) {
	return c.mutate(shop, gid, "pend payment session", func(k *call) (*gql.Session, []gql.UserError, error) {
		resp, err := gql.PaymentSessionPending(ctx, k, gid, wholeSeconds(expiresAt), gql.PaymentSessionStatePendingReason(reason))
		if err != nil || resp.PaymentSessionPending == nil {
			return nil, nil, err
		}
		return resp.PaymentSessionPending.PaymentSession, resp.PaymentSessionPending.UserErrors, nil
	})
}

// mutate runs one mutation about a session. action is "<verb> <kind> session"; the gid must be of that kind.
func (c *Client) mutate(shop, gid, action string, do func(*call) (*gql.Session, []gql.UserError, error)) (Result, error) {
	k := &call{client: c, shop: shop}
	if err := checkGID(gid, action); err != nil {
		return Result{}, fmt.Errorf("%s at shopify: %w", action, err)
	}
	session, refusals, err := do(k)
	if err == nil && session == nil && len(refusals) == 0 {
		err = k.withRequestID(emptyAnswer())
	}
	if err != nil {
		return Result{}, fmt.Errorf("%s at shopify: %w", action, err)
	}
	result := Result{RequestID: k.requestID, UserErrors: userErrors(refusals)}
	if session != nil {
		result.State = session.State.Code
		result.NextURL = k.nextURL(session.NextAction)
	}
	return result, nil
}

// checkGID keeps the id of one kind of session from reaching the mutation of another, which would answer NOT_FOUND.
func checkGID(gid, action string) error {
	kind := strings.Fields(action)[1]
	prefix := gidPrefix + strings.ToUpper(kind[:1]) + kind[1:] + "Session/"
	if len(gid) > len(prefix) && strings.HasPrefix(gid, prefix) {
		return nil
	}
	return &payment.Error{Class: payment.Bug, Code: "gid", Message: fmt.Sprintf("%q is not the id of a %s session", clip(gid), kind)}
}

// nextURL returns the buyer's next address. It becomes a Location header, so anything but a web address is left out, and logged.
func (k *call) nextURL(next *gql.NextAction) string {
	if next == nil || next.Context.RedirectURL == "" {
		return ""
	}
	if err := checkWebAddress(next.Context.RedirectURL); err != nil {
		k.client.log.Error().Str("shop", k.shop).Str("request_id", k.requestID).Str("reason", err.Error()).
			Msg("shopify's next address is unusable")
		return ""
	}
	return next.Context.RedirectURL
}

func userErrors(list []gql.UserError) []UserError {
	var out []UserError
	for _, e := range list {
		out = append(out, UserError{Field: strings.Join(e.Field, "."), Message: e.Message, Code: e.Code})
	}
	return out
}

// wholeSeconds makes the same instant always the same text.
func wholeSeconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// optional returns nil for the zero value, so that the member is left out of the input.
func optional[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
