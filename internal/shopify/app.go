package shopify

import (
	"context"
	"fmt"

	"tillflow/internal/shopify/gql"
)

// Configuration is Shopify's answer to Configure.
type Configuration struct {
	// Handle is the account at our side, as shown to the merchant.
	Handle string
	// Ready is whether the merchant may activate the app for checkout.
	Ready bool
	// RequestID is Shopify's id of the answer.
	RequestID string
	// UserErrors is not empty if Shopify refused; nothing was changed then. They have no code.
	UserErrors []UserError
}

// Configure tells Shopify whether the merchant's account with us can take payments, and under which name. An empty handle is left
// out. It may be repeated.
func (c *Client) Configure(ctx context.Context, shop, handle string, ready bool) (Configuration, error) {
	const action = "configure payments app at shopify"
	k := &call{client: c, shop: shop}
	resp, err := gql.PaymentsAppConfigure(ctx, k, optional(handle), ready)
	if err != nil {
		return Configuration{}, fmt.Errorf("%s: %w", action, err)
	}
	payload := resp.PaymentsAppConfigure
	if payload == nil || (payload.PaymentsAppConfiguration == nil && len(payload.UserErrors) == 0) {
		return Configuration{}, fmt.Errorf("%s: %w", action, k.withRequestID(emptyAnswer()))
	}
	out := Configuration{RequestID: k.requestID, UserErrors: userErrors(payload.UserErrors)}
	if set := payload.PaymentsAppConfiguration; set != nil {
		out.Ready = set.Ready
		if set.ExternalHandle != nil {
			out.Handle = *set.ExternalHandle
		}
	}
	return out, nil
}

// Version is one version of the API.
type Version struct {
	Handle      string // "2026-10"
	DisplayName string
	// Supported is false for release candidates and for "unstable".
	Supported bool
}

// PublicVersions lists the versions Shopify serves now; [APIVersion] should be among the supported ones.
func (c *Client) PublicVersions(ctx context.Context, shop string) ([]Version, error) {
	resp, err := gql.PublicApiVersions(ctx, &call{client: c, shop: shop})
	if err != nil {
		return nil, fmt.Errorf("list api versions at shopify: %w", err)
	}
	var out []Version
	for _, v := range resp.PublicApiVersions {
		out = append(out, Version{Handle: v.Handle, DisplayName: v.DisplayName, Supported: v.Supported})
	}
	return out, nil
}
