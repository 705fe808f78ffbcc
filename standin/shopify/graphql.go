package shopify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"tillflow/standin/faults"
)

// Codes for decline rules of the fault switchboard. Every other code is answered as a top-level error with that
// extensions.code before anything is done, so ACCESS_DENIED, THROTTLED, INTERNAL_SERVER_ERROR and SHOP_INACTIVE
// need no constant.
const (
	// DeclineUserError answers a user error and performs nothing.
	DeclineUserError = "USER_ERROR"
	// DeclineUnauthorized answers 401 as for a wrong access token.
	DeclineUnauthorized = "UNAUTHORIZED"
	// DeclineErrorAfter performs the mutation and answers INTERNAL_SERVER_ERROR all the same.
	DeclineErrorAfter = "INTERNAL_SERVER_ERROR_AFTER"
	// DeclineDeprecated performs the mutation and adds the deprecation header to a good answer.
	DeclineDeprecated = "DEPRECATED"
)

const wrongToken = "[API] Invalid API key or access token (unrecognized login or wrong password)" //nolint:gosec // a message

// graphqlRequest is the body of a request.
type graphqlRequest struct {
	Query         string         `json:"query"`
	OperationName string         `json:"operationName"`
	Variables     map[string]any `json:"variables"`
}

// graphqlAnswer is the body of an answer.
type graphqlAnswer struct {
	Data       map[string]any `json:"data,omitempty"`
	Errors     any            `json:"errors,omitempty"`
	Extensions *extensions    `json:"extensions,omitempty"`
}

type extensions struct {
	Cost costBlock `json:"cost"`
}

// apiError is a top-level error with a code.
type apiError struct {
	Message    string         `json:"message"`
	Extensions map[string]any `json:"extensions"`
}

// plainError is the body of answers outside GraphQL.
type plainError struct {
	Errors string `json:"errors"`
}

// httpError is a request that does not reach GraphQL.
type httpError struct {
	status  int
	message string
}

func (e *httpError) Error() string { return e.message }

// prepared is a request that passed authentication and validation.
type prepared struct {
	shop *shop
	op   *ast.OperationDefinition
	vars map[string]any
	root string // the root type's name
	// name is the first root field, by which faults are switched.
	name string
	id   string // X-Request-Id
}

func (s *Server) serveGraphQL(w http.ResponseWriter, r *http.Request) {
	id := requestID()
	w.Header().Set("X-Request-Id", id)
	sh, req, err := s.admit(w, r)
	if err != nil {
		var refused *httpError
		if !errors.As(err, &refused) {
			refused = &httpError{http.StatusInternalServerError, "internal error"}
		}
		s.opts.Log.Info().Str("shop", r.PathValue("shop")).Int("status", refused.status).Err(err).Msg("api request refused")
		writeJSON(w, refused.status, plainError{refused.message})
		return
	}
	call, invalid := s.prepare(sh, req)
	if invalid != nil {
		s.opts.Log.Warn().Str("shop", sh.Domain).Err(invalid).Msg("api document refused")
		writeJSON(w, http.StatusOK, graphqlAnswer{Errors: invalid})
		return
	}
	call.id = id
	subject, err := json.Marshal(req.Variables)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, plainError{"Bad Request"})
		return
	}
	s.faults.Serve(w, r, faults.Call{
		Name: call.name, Subject: r.URL.Path + " " + string(subject),
		Do: func(plan *faults.Plan) faults.Reply { return s.answer(plan, call) },
	})
}

// admit checks shop, version, token and framing and reads the request.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) (*shop, graphqlRequest, error) {
	var req graphqlRequest
	sh := s.shops[r.PathValue("shop")]
	served, ok := s.served(r.PathValue("version"))
	if sh == nil || !ok {
		return nil, req, &httpError{http.StatusNotFound, "Not Found"}
	}
	w.Header().Set("X-Shopify-API-Version", served)
	if !s.authorized(sh, r.Header.Get("X-Shopify-Access-Token")) {
		return nil, req, &httpError{http.StatusUnauthorized, wrongToken}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, req, &httpError{http.StatusUnsupportedMediaType, "Content-Type must be application/json"}
	}
	if r.ContentLength < 0 {
		return nil, req, &httpError{http.StatusLengthRequired, "Content-Length is required"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, req, &httpError{http.StatusRequestEntityTooLarge, "the body is too large or was cut off"}
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, req, &httpError{http.StatusBadRequest, "the body is not a GraphQL request"}
	}
	return sh, req, nil
}

func (s *Server) authorized(sh *shop, token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	hadPrevious := sh.Tokens.Previous != ""
	ok := sh.Tokens.accepts(token, s.opts.Now())
	if hadPrevious && sh.Tokens.Previous == "" {
		s.changed()
	}
	return ok
}

// versions are those with the schema this stand-in holds, oldest first.
func (s *Server) versions() []string {
	versions := []string{"2026-04", "2026-07", "2026-10", s.opts.APIVersion}
	slices.Sort(versions)
	return slices.Compact(versions)
}

// served is the version that answers a request for another one: an unsupported older version is served by the
// oldest one, a newer or malformed one does not exist.
func (s *Server) served(version string) (string, bool) {
	versions := s.versions()
	if slices.Contains(versions, version) {
		return version, true
	}
	if _, err := time.Parse("2006-01", version); err != nil || version > versions[len(versions)-1] {
		return "", false
	}
	return versions[0], true
}

// prepare parses, validates and coerces; the list says what is wrong.
func (s *Server) prepare(sh *shop, req graphqlRequest) (prepared, gqlerror.List) {
	doc, faulty := s.documents.load(req.Query)
	if faulty != nil {
		return prepared{}, faulty
	}
	op := doc.Operations.ForName(req.OperationName)
	if op == nil {
		return prepared{}, gqlerror.List{gqlerror.Errorf("No operation named %q", req.OperationName)}
	}
	vars, err := s.documents.coerce(op, req.Variables)
	if err != nil {
		return prepared{}, gqlerror.List{gqlerror.Wrap(err)}
	}
	call := prepared{shop: sh, op: op, vars: vars, root: "QueryRoot", name: opVersions}
	if op.Operation == ast.Mutation {
		call.root = "MutationRoot"
	}
	for i, g := range s.selector(vars).groups(op.SelectionSet, call.root) {
		field := g.field()
		if err := s.documents.checkArguments(field, field.ArgumentMap(vars)); err != nil {
			return prepared{}, gqlerror.List{gqlerror.Wrap(err)}
		}
		if i == 0 {
			call.name = field.Name
		}
	}
	return call, nil
}

func (s *Server) selector(vars map[string]any) selector {
	return selector{schema: s.documents.schema, vars: vars}
}

// answer executes a request under the fault codes it must obey.
func (s *Server) answer(plan *faults.Plan, call prepared) faults.Reply {
	cost, ok := s.charge(call.shop, requestCost(call.op))
	if !ok {
		return throttled(cost)
	}
	code, _ := plan.Decline()
	switch code {
	case "", DeclineDeprecated, DeclineErrorAfter, DeclineUserError:
	case DeclineUnauthorized:
		return jsonReply(http.StatusUnauthorized, plainError{wrongToken})
	case "THROTTLED":
		return throttled(costBlock{RequestedQueryCost: cost.RequestedQueryCost, ThrottleStatus: cost.ThrottleStatus})
	default:
		return call.failure(code)
	}
	data := s.execute(call, code == DeclineUserError)
	if code == DeclineErrorAfter {
		return call.failure("INTERNAL_SERVER_ERROR")
	}
	reply := jsonReply(http.StatusOK, graphqlAnswer{Data: data, Extensions: &extensions{cost}})
	if code == DeclineDeprecated {
		reply.Header.Set("X-Shopify-API-Deprecated-Reason", "https://shopify.dev/docs/api/usage/versioning")
	}
	return reply
}

// execute runs the root fields in order and selects what was asked for.
func (s *Server) execute(call prepared, refuse bool) map[string]any {
	sel := s.selector(call.vars)
	data := make(map[string]any)
	for _, g := range sel.groups(call.op.SelectionSet, call.root) {
		value := s.resolve(call, g.field(), refuse)
		data[g.key] = sel.project(g.selections(), value)
	}
	return data
}

func (s *Server) resolve(call prepared, field *ast.Field, refuse bool) any {
	sh, args := call.shop, field.ArgumentMap(call.vars)
	op, isSessionMutation := operationNamed(field.Name)
	switch {
	case isSessionMutation && refuse:
		return s.refuse(sh, op, args)
	case isSessionMutation:
		return s.perform(sh, op, args)
	case field.Name == opConfigure && refuse:
		return refuseConfigure()
	case field.Name == opConfigure:
		return s.configure(sh, args)
	case field.Name == opVersions:
		return s.versionList()
	case field.Name == "__typename":
		return call.root
	default:
		return nil
	}
}

func (s *Server) versionList() []any {
	var list []any
	for _, version := range s.versions() {
		display := version
		if version == s.opts.APIVersion {
			display += " (Latest)"
		}
		list = append(list, map[string]any{
			"__typename": "ApiVersion", "handle": version, "displayName": display, "supported": true,
		})
	}
	return list
}

func throttled(cost costBlock) faults.Reply {
	return jsonReply(http.StatusOK, graphqlAnswer{
		Errors: []apiError{{Message: "Throttled", Extensions: map[string]any{
			"code": "THROTTLED", "documentation": "https://shopify.dev/api/usage/rate-limits",
		}}},
		Extensions: &extensions{cost},
	})
}

// failure is a top-level error; nothing of the data is in the answer.
func (c prepared) failure(code string) faults.Reply {
	message, more := fmt.Sprintf("The request failed: %s", code), map[string]any{"code": code}
	switch code {
	case "INTERNAL_SERVER_ERROR":
		message = "Internal error. Request ID: " + c.id
		more["requestId"] = c.id
	case "ACCESS_DENIED":
		message = fmt.Sprintf("Access denied for %s field.", c.name)
	case "SHOP_INACTIVE":
		message = "The shop is not active."
	}
	return jsonReply(http.StatusOK, graphqlAnswer{Errors: []apiError{{Message: message, Extensions: more}}})
}
