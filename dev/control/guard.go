package control

import (
	"net"
	"net/http"
	"net/netip"
)

// guarded keeps other sites' pages away. A form must come from this page, which the browser says in Sec-Fetch-Site or
// Origin; and the address in the bar must be a loopback one, so that no foreign name that was made to point here counts
// as this page.
func (s *Server) guarded(next http.Handler) http.Handler {
	own := http.NewCrossOriginProtection()
	own.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.opts.Log.Warn().Str("button", r.URL.Path).Str("origin", r.Header.Get("Origin")).Msg("press by another site refused")
		s.show(w, r, &problem{
			http.StatusForbidden, "Another site sent this form, so nothing was pressed",
			"If it was you, open this page by its own address and press there.",
		})
	}))
	inner := own.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopback(r.Host) {
			http.Error(w, "This page is served to this machine only: open it as http://127.0.0.1 with its port.", http.StatusMisdirectedRequest)
			return
		}
		inner.ServeHTTP(w, r)
	})
}

// loopback reports whether an address, with or without a port, names this machine by itself.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address // no port
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
