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
	// DeclineRetired performs the call as the version of the quarter after the one asked for, which has ended: the header
	// names the newer one, and publicApiVersions calls the older one unsupported.
	DeclineRetired = "VERSION_RETIRED"
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
	api  *api
	shop *shop
	app  string // handle of the app that calls
	inst *installation
	op   *ast.OperationDefinition
	vars map[string]any
	root string // the root type's name
	// out collects the webhooks that the call causes.
	out *outbox
	// name is the first root field, by which faults are switched.
	name string
	id   string // X-Request-Id
	// version is the one that serves the call; retired says that it must seem to have ended.
	version string
	retired bool
}

// serveGraphQL takes a request to one of the APIs.
func (s *Server) serveGraphQL(w http.ResponseWriter, r *http.Request, on *api) {
	id := requestID()
	w.Header().Set("X-Request-Id", id)
	call, req, err := s.admit(w, r, on)
	if err != nil {
		var refused *httpError
		if !errors.As(err, &refused) {
			refused = &httpError{http.StatusInternalServerError, "internal error"}
		}
		s.opts.Log.Info().Str("shop", r.PathValue("shop")).Int("status", refused.status).Err(err).Msg("api request refused")
		writeJSON(w, refused.status, plainError{refused.message})
		return
	}
	invalid := s.prepare(&call, req)
	if invalid != nil {
		s.opts.Log.Warn().Str("shop", call.shop.Domain).Err(invalid).Msg("api document refused")
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
func (s *Server) admit(w http.ResponseWriter, r *http.Request, on *api) (prepared, graphqlRequest, error) {
	var req graphqlRequest
	sh := s.shops[r.PathValue("shop")]
	served, ok := s.served(r.PathValue("version"))
	call := prepared{api: on, shop: sh, out: &outbox{}, version: served}
	if sh == nil || !ok {
		return call, req, &httpError{http.StatusNotFound, "Not Found"}
	}
	w.Header().Set("X-Shopify-API-Version", served)
	if !s.authorized(&call, r.Header.Get("X-Shopify-Access-Token")) {
		return call, req, &httpError{http.StatusUnauthorized, wrongToken}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return call, req, &httpError{http.StatusUnsupportedMediaType, "Content-Type must be application/json"}
	}
	if r.ContentLength < 0 {
		return call, req, &httpError{http.StatusLengthRequired, "Content-Length is required"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return call, req, &httpError{http.StatusRequestEntityTooLarge, "the body is too large or was cut off"}
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return call, req, &httpError{http.StatusBadRequest, "the body is not a GraphQL request"}
	}
	return call, req, nil
}

// authorized finds the app whose token this is.
func (s *Server) authorized(call *prepared, token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, app := range s.apps {
		inst := call.shop.Apps[app.handle]
		if call.api.only != "" && call.api.only != app.handle {
			continue
		}
		if !inst.Tokens.accepts(token, s.opts.Now()) {
			continue
		}
		s.changed() // the use is counted, and may have retired a refresh token
		call.app, call.inst = app.handle, inst
		return true
	}
	return false
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
func (s *Server) prepare(call *prepared, req graphqlRequest) gqlerror.List {
	docs := call.api.documents
	doc, faulty := docs.load(req.Query)
	if faulty != nil {
		return faulty
	}
	op := doc.Operations.ForName(req.OperationName)
	if op == nil {
		return gqlerror.List{gqlerror.Errorf("No operation named %q", req.OperationName)}
	}
	vars, err := docs.coerce(op, req.Variables)
	if err != nil {
		return gqlerror.List{gqlerror.Wrap(err)}
	}
	call.op, call.vars, call.root, call.name = op, vars, call.api.query, opVersions
	if op.Operation == ast.Mutation {
		call.root = call.api.mutation
	}
	for i, g := range call.selector().groups(op.SelectionSet, call.root) {
		field := g.field()
		if err := docs.checkArguments(field, field.ArgumentMap(vars)); err != nil {
			return gqlerror.List{gqlerror.Wrap(err)}
		}
		if i == 0 && field.Name != "__typename" {
			call.name = field.Name
		}
	}
	return nil
}

func (c prepared) selector() selector { return selector{schema: c.api.documents.schema, vars: c.vars} }

// answer executes a request under the fault codes it must obey.
func (s *Server) answer(plan *faults.Plan, call prepared) faults.Reply {
	requested := call.api.cost(call)
	if requested > maxQueryCost {
		return tooExpensive(requested)
	}
	cost, ok := s.charge(call.api.bucket(call), requested)
	if !ok {
		return throttled(cost)
	}
	code, _ := plan.Decline()
	switch code {
	case "", DeclineDeprecated, DeclineErrorAfter, DeclineUserError:
	case DeclineRetired:
		call.retired = true
	case DeclineUnauthorized:
		return jsonReply(http.StatusUnauthorized, plainError{wrongToken})
	case "THROTTLED":
		return throttled(costBlock{RequestedQueryCost: cost.RequestedQueryCost, ThrottleStatus: cost.ThrottleStatus})
	default:
		return call.failure(code)
	}
	data, failed := s.execute(call, code == DeclineUserError)
	if failed != nil {
		return jsonReply(http.StatusOK, graphqlAnswer{Errors: []apiError{*failed}, Extensions: &extensions{cost}})
	}
	if code == DeclineErrorAfter {
		return s.publishing(call.failure("INTERNAL_SERVER_ERROR"), call.out)
	}
	reply := jsonReply(http.StatusOK, graphqlAnswer{Data: data, Extensions: &extensions{cost}})
	if code == DeclineDeprecated {
		reply.Header.Set("X-Shopify-API-Deprecated-Reason", "https://shopify.dev/docs/api/usage/versioning")
	}
	if call.retired {
		reply.Header.Set("X-Shopify-API-Version", nextVersion(call.version))
	}
	return s.publishing(reply, call.out)
}

// execute runs the root fields in order and selects what was asked for. A field that the app has no scope for, or that
// cannot be answered, ends it.
func (s *Server) execute(call prepared, refuse bool) (map[string]any, *apiError) {
	sel := call.selector()
	groups := sel.groups(call.op.SelectionSet, call.root)
	for _, g := range groups {
		if name := g.field().Name; !s.allows(call, name) {
			return nil, &apiError{
				Message: fmt.Sprintf("Access denied for %s field.", name), Extensions: map[string]any{"code": codeAccessDenied},
			}
		}
	}
	data := make(map[string]any)
	for _, g := range groups {
		value, failed := call.api.resolve(call, g.field(), refuse)
		if failed != nil {
			return nil, failed
		}
		data[g.key] = sel.project(g.selections(), value)
	}
	return data, nil
}

func (s *Server) allows(call prepared, field string) bool {
	scope := call.api.scope(field)
	s.mu.Lock()
	defer s.mu.Unlock()
	return scope == "" || call.inst.has(scope)
}

// resolve answers a root field of the Payments Apps API.
func (s *Server) resolve(call prepared, field *ast.Field, refuse bool) (any, *apiError) {
	sh, args := call.shop, field.ArgumentMap(call.vars)
	op, isSessionMutation := operationNamed(field.Name)
	switch {
	case isSessionMutation && refuse:
		return s.refuse(sh, op, args), nil
	case isSessionMutation:
		return s.perform(call.out, sh, op, args), nil
	case field.Name == opConfigure && refuse:
		return refuseConfigure(), nil
	case field.Name == opConfigure:
		return s.configure(sh, args), nil
	case field.Name == opVersions:
		return s.versionList(call), nil
	case field.Name == "__typename":
		return call.root, nil
	default:
		return nil, nil
	}
}

func (s *Server) versionList(call prepared) []any {
	var list []any
	for _, version := range s.versions() {
		value := s.versionValue(version)
		value["supported"] = !call.retired || version != call.version
		list = append(list, value)
	}
	return list
}

// nextVersion is that of the following quarter.
func nextVersion(version string) string {
	quarter, err := time.Parse("2006-01", version)
	if err != nil { // versions that are served have this form
		return version
	}
	return quarter.AddDate(0, 3, 0).Format("2006-01")
}

func (s *Server) versionValue(version string) map[string]any {
	display := version
	if version == s.opts.APIVersion {
		display += " (Latest)"
	}
	return map[string]any{"__typename": "ApiVersion", "handle": version, "displayName": display, "supported": true}
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
