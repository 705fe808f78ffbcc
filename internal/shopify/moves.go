package shopify

import (
	"context"

	"tillflow/internal/shopify/gql"
)

// CaptureRejectCode says why a capture was refused.
type CaptureRejectCode string

// Codes of a refused capture; the complete set of [APIVersion].
const (
	// CaptureAuthorizationExpired: the provider no longer holds the money.
	CaptureAuthorizationExpired CaptureRejectCode = "AUTHORIZATION_EXPIRED"
	// CaptureProcessingError: anything else.
	CaptureProcessingError CaptureRejectCode = "PROCESSING_ERROR"
)

// ResolveRefund tells Shopify that the money of a refund session was given back.
func (c *Client) ResolveRefund(ctx context.Context, shop, gid string) (Result, error) {
	return c.mutate(shop, gid, "resolve refund session", func(k *call) (*gql.Session, []gql.UserError, error) {
		resp, err := gql.RefundSessionResolve(ctx, k, gid)
		if err != nil || resp.RefundSessionResolve == nil {
			return nil, nil, err
		}
		return resp.RefundSessionResolve.RefundSession, resp.RefundSessionResolve.UserErrors, nil
	})
}

// RejectRefund tells Shopify that the money of a refund session was not given back. merchantMessage is shown to the merchant;
// Shopify knows one reason only, a processing error.
func (c *Client) RejectRefund(ctx context.Context, shop, gid, merchantMessage string) (Result, error) {
	input := gql.RefundSessionRejectionReasonInput{
		Code:            gql.RefundSessionStatusReasonRejectionCodeProcessingError,
		MerchantMessage: optional(merchantMessage),
	}
	return c.mutate(shop, gid, "reject refund session", func(k *call) (*gql.Session, []gql.UserError, error) {
		resp, err := gql.RefundSessionReject(ctx, k, gid, input)
		if err != nil || resp.RefundSessionReject == nil {
			return nil, nil, err
		}
		return resp.RefundSessionReject.RefundSession, resp.RefundSessionReject.UserErrors, nil
	})
}

// ResolveCapture tells Shopify that the amount of a capture session was taken.
func (c *Client) ResolveCapture(ctx context.Context, shop, gid string) (Result, error) {
	return c.mutate(shop, gid, "resolve capture session", func(k *call) (*gql.Session, []gql.UserError, error) {
		resp, err := gql.CaptureSessionResolve(ctx, k, gid)
		if err != nil || resp.CaptureSessionResolve == nil {
			return nil, nil, err
		}
		return resp.CaptureSessionResolve.CaptureSession, resp.CaptureSessionResolve.UserErrors, nil
	})
}

// RejectCapture tells Shopify that the amount of a capture session was not taken. merchantMessage is shown to the merchant.
func (c *Client) RejectCapture(ctx context.Context, shop, gid string, code CaptureRejectCode, merchantMessage string) (Result, error) {
	input := gql.CaptureSessionRejectionReasonInput{
		Code:            gql.CaptureSessionStatusReasonRejectionCode(code),
		MerchantMessage: optional(merchantMessage),
	}
	return c.mutate(shop, gid, "reject capture session", func(k *call) (*gql.Session, []gql.UserError, error) {
		resp, err := gql.CaptureSessionReject(ctx, k, gid, input)
		if err != nil || resp.CaptureSessionReject == nil {
			return nil, nil, err
		}
		return resp.CaptureSessionReject.CaptureSession, resp.CaptureSessionReject.UserErrors, nil
	})
}

// ResolveVoid tells Shopify that the authorization of a void session was released.
func (c *Client) ResolveVoid(ctx context.Context, shop, gid string) (Result, error) {
	return c.mutate(shop, gid, "resolve void session", func(k *call) (*gql.Session, []gql.UserError, error) {
		resp, err := gql.VoidSessionResolve(ctx, k, gid)
		if err != nil || resp.VoidSessionResolve == nil {
			return nil, nil, err
		}
		return resp.VoidSessionResolve.VoidSession, resp.VoidSessionResolve.UserErrors, nil
	})
}

// RejectVoid tells Shopify that the authorization of a void session was not released. merchantMessage is shown to the
// merchant; Shopify knows one reason only, a processing error.
func (c *Client) RejectVoid(ctx context.Context, shop, gid, merchantMessage string) (Result, error) {
	input := gql.VoidSessionRejectionReasonInput{
		Code:            gql.VoidSessionStatusReasonRejectionCodeProcessingError,
		MerchantMessage: optional(merchantMessage),
	}
	return c.mutate(shop, gid, "reject void session", func(k *call) (*gql.Session, []gql.UserError, error) {
		resp, err := gql.VoidSessionReject(ctx, k, gid, input)
		if err != nil || resp.VoidSessionReject == nil {
			return nil, nil, err
		}
		return resp.VoidSessionReject.VoidSession, resp.VoidSessionReject.UserErrors, nil
	})
}
