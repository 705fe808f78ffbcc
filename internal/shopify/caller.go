package shopify

import (
	"context"
	"time"

	"github.com/Khan/genqlient/graphql"
)

// Caller carries operations of generated code to one shop, one at a time: the transport of the packages that speak another API
// than this one. Errors are payment.Error, as everywhere here.
type Caller struct{ call call }

var _ graphql.Client = (*Caller)(nil)

// Caller returns one for a shop.
func (c *Client) Caller(shop string) *Caller { return &Caller{call: call{client: c, shop: shop}} }

// MakeRequest implements [graphql.Client].
func (c *Caller) MakeRequest(ctx context.Context, req *graphql.Request, resp *graphql.Response) error {
	return c.call.MakeRequest(ctx, req, resp)
}

// RequestID is Shopify's id of the last answer, for support cases.
func (c *Caller) RequestID() string { return c.call.requestID }

// Pause is how long to wait before the same operation again, so that Shopify does not have to refuse it: until the bucket of points
// that all our calls to the shop share holds its cost. Zero: no need.
func (c *Caller) Pause() time.Duration { return c.call.pause }
