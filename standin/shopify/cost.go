package shopify

import (
	"math"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

// Shopify charges a mutation ten points and, here, a query one.
const (
	mutationCost = 10
	queryCost    = 1
)

// bucket is one shop's leaky bucket. The zero value is full.
type bucket struct {
	limit Throttle
	spent float64
	at    time.Time
}

// take pays the cost if the bucket holds it and returns what is left.
func (b *bucket) take(now time.Time, cost float64) (left float64, ok bool) {
	if elapsed := now.Sub(b.at).Seconds(); elapsed > 0 {
		b.spent = math.Max(0, b.spent-elapsed*b.limit.RestoreRate)
		b.at = now
	}
	if b.spent+cost > b.limit.MaximumAvailable {
		return b.limit.MaximumAvailable - b.spent, false
	}
	b.spent += cost
	return b.limit.MaximumAvailable - b.spent, true
}

func requestCost(op *ast.OperationDefinition) float64 {
	if op.Operation == ast.Mutation {
		return mutationCost * float64(max(1, len(op.SelectionSet)))
	}
	return queryCost
}

// costBlock is extensions.cost. ActualQueryCost is null for a throttled request.
type costBlock struct {
	RequestedQueryCost float64        `json:"requestedQueryCost"`
	ActualQueryCost    *float64       `json:"actualQueryCost"`
	ThrottleStatus     throttleStatus `json:"throttleStatus"`
}

type throttleStatus struct {
	MaximumAvailable   float64 `json:"maximumAvailable"`
	CurrentlyAvailable float64 `json:"currentlyAvailable"`
	RestoreRate        float64 `json:"restoreRate"`
}

// charge takes the cost of an operation from its bucket.
func (s *Server) charge(b *bucket, cost float64) (costBlock, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left, ok := b.take(s.opts.Now(), cost)
	block := costBlock{
		RequestedQueryCost: cost,
		ThrottleStatus: throttleStatus{
			MaximumAvailable:   b.limit.MaximumAvailable,
			CurrentlyAvailable: math.Floor(left),
			RestoreRate:        b.limit.RestoreRate,
		},
	}
	if ok {
		block.ActualQueryCost = &cost
	}
	return block, ok
}
