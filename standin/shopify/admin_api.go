package shopify

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"tillflow/standin/faults"
)

// Operations of the Admin API, as they stand in documents and in the fault switchboard.
const (
	opOrder           = "order"
	opOrders          = "orders"
	opSubscription    = "webhookSubscription"
	opSubscriptions   = "webhookSubscriptions"
	opSubscribe       = "webhookSubscriptionCreate"
	opUnsubscribe     = "webhookSubscriptionDelete"
	codeAccessDenied  = "ACCESS_DENIED"
	codeMaxCost       = "MAX_COST_EXCEEDED"
	codeBadInput      = "BAD_USER_INPUT"
	maxQueryCost      = 1000
	maxPage           = 250
	ordersWithoutMore = 60 * 24 * time.Hour // what read_orders sees without read_all_orders
)

// api is one of the GraphQL APIs: how it is reached, what it costs and who answers.
type api struct {
	documents *documents
	// query and mutation are the names of the root types.
	query, mutation string
	// only is the app whose tokens open it; empty lets every app in.
	only string
	// scope is what an app needs for a root field, empty for nothing.
	scope func(field string) string
	// cost is the requested cost of an operation.
	cost func(prepared) float64
	// bucket is what the cost is taken from.
	bucket func(prepared) *bucket
	// resolve answers one root field.
	resolve func(call prepared, field *ast.Field, refuse bool) (any, *apiError)
}

func (s *Server) newAPIs() (payments, admin *api, err error) {
	forPayments, err := newDocuments(paymentsSchema, movesSchema)
	if err != nil {
		return nil, nil, err
	}
	forAdmin, err := newDocuments(adminSchema)
	if err != nil {
		return nil, nil, err
	}
	payments = &api{
		documents: forPayments, query: "QueryRoot", mutation: "MutationRoot", only: PaymentsApp, scope: paymentsScope,
		cost:   func(call prepared) float64 { return requestCost(call.op) },
		bucket: func(call prepared) *bucket { return &call.shop.bucket }, resolve: s.resolve,
	}
	admin = &api{
		documents: forAdmin, query: "QueryRoot", mutation: "Mutation", scope: adminScope,
		cost: adminCost, bucket: func(call prepared) *bucket { return &call.inst.bucket }, resolve: s.resolveAdmin,
	}
	return payments, admin, nil
}

func (s *Server) servePaymentsAPI(w http.ResponseWriter, r *http.Request) {
	s.serveGraphQL(w, r, s.payments)
}

func (s *Server) serveAdminAPI(w http.ResponseWriter, r *http.Request) { s.serveGraphQL(w, r, s.admin) }

func paymentsScope(field string) string {
	switch {
	case field == opConfigure:
		return scopeGateways
	case strings.Contains(field, "Session"):
		return scopeSessions
	default:
		return ""
	}
}

func adminScope(field string) string {
	if field == opOrder || field == opOrders {
		return scopeOrders
	}
	return ""
}

// resolveAdmin answers a root field of the Admin API.
func (s *Server) resolveAdmin(call prepared, field *ast.Field, refuse bool) (any, *apiError) {
	args := field.ArgumentMap(call.vars)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch field.Name {
	case opOrder:
		return s.orderByID(call, args), nil
	case opOrders:
		return s.ordersPage(call, args)
	case opSubscription:
		id, _ := args["id"].(string) // ID!, checked before
		if sub := call.inst.subscription(id); sub != nil {
			return s.subscriptionValue(sub), nil
		}
		return nil, nil
	case opSubscriptions:
		return s.subscriptionsPage(call, args)
	case opSubscribe:
		return s.subscribe(call, args, refuse), nil
	case opUnsubscribe:
		return s.deleteSubscription(call, args, refuse), nil
	case opVersions:
		return s.versionList(call), nil
	case "__typename":
		return call.root, nil
	default:
		return nil, nil
	}
}

// adminCost is the requested cost: ten for a mutation, one for an object, and for a connection two and its page's
// objects. Shopify publishes this much of its formula; a list that is no connection counts here as one object.
func adminCost(call prepared) float64 {
	cost := selectionCost(call.op.SelectionSet, call.vars)
	if call.op.Operation == ast.Mutation {
		return cost + mutationCost*float64(max(1, len(call.op.SelectionSet)))
	}
	return max(cost, queryCost)
}

func selectionCost(set ast.SelectionSet, vars map[string]any) float64 {
	var cost float64
	for _, selection := range set {
		switch sel := selection.(type) {
		case *ast.Field:
			cost += fieldCost(sel, vars)
		case *ast.InlineFragment:
			cost += selectionCost(sel.SelectionSet, vars)
		case *ast.FragmentSpread:
			cost += selectionCost(sel.Definition.SelectionSet, vars)
		}
	}
	return cost
}

func fieldCost(field *ast.Field, vars map[string]any) float64 {
	inner := selectionCost(field.SelectionSet, vars)
	switch {
	case len(field.SelectionSet) == 0:
		return 0
	case field.Name == "nodes" || field.Name == "edges" || field.Name == "node" || field.Name == "pageInfo":
		return inner // counted with the connection
	case strings.HasSuffix(field.Definition.Type.Name(), "Connection"):
		return 2 + pageSize(field.ArgumentMap(vars))*(1+inner)
	default:
		return 1 + inner
	}
}

func pageSize(args map[string]any) float64 {
	n := max(intArg(args, "first"), intArg(args, "last"))
	return float64(max(0, min(n, maxPage)))
}

// intArg reads an Int; zero when it was not given.
func intArg(args map[string]any, name string) int64 {
	switch n := args[name].(type) {
	case int64:
		return n
	case int:
		return int64(n)
	case float64:
		return int64(n)
	default:
		return 0
	}
}

// tooExpensive refuses a query above the limit for a single one.
func tooExpensive(cost float64) faults.Reply {
	return jsonReply(http.StatusOK, graphqlAnswer{Errors: []apiError{{
		Message:    fmt.Sprintf("Query cost is %.0f, which exceeds the single query max cost limit (%d).", cost, maxQueryCost),
		Extensions: map[string]any{"code": codeMaxCost, "cost": cost, "maxCost": maxQueryCost},
	}}})
}

func badInput(format string, args ...any) *apiError {
	return &apiError{Message: fmt.Sprintf(format, args...), Extensions: map[string]any{"code": codeBadInput}}
}
