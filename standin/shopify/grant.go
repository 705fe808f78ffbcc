package shopify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// authorization is a request for access that passed every check.
type authorization struct {
	app      *registration
	scopes   []string
	redirect *url.URL
	state    string
}

// grantPage asks the merchant.
type grantPage struct {
	Frame  frame
	Name   string
	Scopes []string
	// Fields are the parameters of the request, for the form's hidden inputs.
	Fields map[string]string
	// Path takes the form, BackPath leads away without an installation.
	Path, BackPath string
}

// serveAuthorize answers /admin/oauth/authorize: the page on which the merchant approves, or at once the way back
// when the app is installed and asks for nothing new.
func (s *Server) serveAuthorize(w http.ResponseWriter, r *http.Request, sh *shop) {
	asked, err := s.readAuthorization(r.URL.Query())
	if err != nil {
		s.refuseAuthorization(w, sh, err)
		return
	}
	if s.granted(sh, asked) {
		s.returnCode(w, r, sh, asked)
		return
	}
	s.render(w, http.StatusOK, "grant", grantPage{
		Frame: frame{Title: "Install app", Shop: sh.Domain}, Name: asked.app.listing.Name, Scopes: asked.scopes,
		Fields: map[string]string{
			"client_id": asked.app.clientID, "scope": strings.Join(asked.scopes, ","),
			"redirect_uri": asked.redirect.String(), "state": asked.state,
		},
		Path: "/shops/" + sh.Domain + "/admin/oauth/authorize", BackPath: appsPath(sh.Domain),
	})
}

// approve is the merchant's yes.
func (s *Server) approve(w http.ResponseWriter, r *http.Request, sh *shop) {
	if err := r.ParseForm(); err != nil {
		s.refuseAuthorization(w, sh, err)
		return
	}
	asked, err := s.readAuthorization(r.PostForm)
	if err != nil {
		s.refuseAuthorization(w, sh, err)
		return
	}
	s.returnCode(w, r, sh, asked)
}

// readAuthorization checks the parameters of a request for access. Every one must be there once: an app that
// composes the address carelessly must not pass here.
func (s *Server) readAuthorization(query url.Values) (authorization, error) {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if len(query[name]) > 1 {
			return authorization{}, fmt.Errorf("invalid_request: %s is given more than once", name)
		}
	}
	if mode := query.Get("grant_options[]"); mode != "" {
		return authorization{}, fmt.Errorf("invalid_request: grant option %q: only offline tokens are given here", mode)
	}
	app := s.appOf(query.Get("client_id"))
	if app == nil {
		return authorization{}, fmt.Errorf("invalid_request: there is no application with the client id %q", query.Get("client_id"))
	}
	if !slices.Contains(app.listing.RedirectURLs, query.Get("redirect_uri")) {
		return authorization{}, fmt.Errorf("invalid_request: the redirect_uri %q is not whitelisted", query.Get("redirect_uri"))
	}
	redirect, err := url.Parse(query.Get("redirect_uri"))
	if err != nil {
		return authorization{}, fmt.Errorf("invalid_request: %w", err)
	}
	scopes := strings.FieldsFunc(query.Get("scope"), func(r rune) bool { return r == ',' || r == ' ' })
	for _, scope := range scopes {
		if !slices.Contains(app.listing.Scopes, scope) {
			return authorization{}, fmt.Errorf("invalid_scope: the app may not ask for %q", scope)
		}
	}
	switch {
	case len(scopes) == 0:
		return authorization{}, fmt.Errorf("invalid_scope: no scope is asked for")
	case query.Get("state") == "":
		return authorization{}, fmt.Errorf("invalid_request: state is missing")
	}
	return authorization{app: app, scopes: scopes, redirect: redirect, state: query.Get("state")}, nil
}

func (s *Server) granted(sh *shop, asked authorization) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	inst := sh.Apps[asked.app.handle]
	return inst.installed() && !slices.ContainsFunc(asked.scopes, func(scope string) bool { return !inst.has(scope) })
}

// returnCode installs the app and takes the browser back to it.
func (s *Server) returnCode(w http.ResponseWriter, r *http.Request, sh *shop, asked authorization) {
	s.mu.Lock()
	inst := sh.Apps[asked.app.handle]
	inst.install(asked.scopes, s.opts.Now())
	s.changed()
	query := asked.redirect.Query()
	query.Set("code", inst.authorize(s.opts.Now()))
	query.Set("state", asked.state)
	target := s.signed(sh, asked.app, *asked.redirect, query)
	s.mu.Unlock()
	http.Redirect(w, r, target, http.StatusFound)
}

func (s *Server) refuseAuthorization(w http.ResponseWriter, sh *shop, err error) {
	s.opts.Log.Info().Str("shop", sh.Domain).Err(err).Msg("authorization refused")
	s.render(w, http.StatusBadRequest, "error", errorPage{
		Frame: frame{Title: "OAuth error", Shop: sh.Domain}, Heading: "OAuth error", Text: "Oauth error " + err.Error(),
		Back: appsPath(sh.Domain), BackText: "Back to Apps",
	})
}

// openApp takes the merchant to the app's own address, as installing and opening in Admin do.
func (s *Server) openApp(w http.ResponseWriter, r *http.Request, sh *shop) {
	app := s.app(r.PathValue("app"))
	if app == nil || app.listing.AppURL == "" {
		s.noApp(w, sh)
		return
	}
	target, err := url.Parse(app.listing.AppURL)
	if err != nil { // checked at the start
		s.noApp(w, sh)
		return
	}
	s.mu.Lock()
	address := s.signed(sh, app, *target, target.Query())
	s.mu.Unlock()
	http.Redirect(w, r, address, http.StatusSeeOther)
}

// signed adds shop, host, timestamp and the signature over all parameters. The caller holds mu.
func (s *Server) signed(sh *shop, app *registration, target url.URL, query url.Values) string {
	query.Set("shop", sh.Domain)
	query.Set("host", base64.RawURLEncoding.EncodeToString([]byte(sh.Domain+"/admin")))
	query.Set("timestamp", strconv.FormatInt(s.opts.Now().Unix(), 10))
	message := canonicalQuery(query)
	mac := hmac.New(sha256.New, []byte(app.querySecret()))
	mac.Write([]byte(message))
	target.RawQuery = message + "&hmac=" + hex.EncodeToString(mac.Sum(nil))
	return target.String()
}

// canonicalQuery is what is signed of a query: sorted by key, each pair form-encoded with spaces as %20, joined by
// ampersands; hmac and signature are not part of it.
func canonicalQuery(query url.Values) string {
	escape := func(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(query)) {
		if key == "hmac" || key == "signature" {
			continue
		}
		for _, value := range query[key] {
			pairs = append(pairs, escape(key)+"="+escape(value))
		}
	}
	return strings.Join(pairs, "&")
}
