package mtls

import (
	"crypto/ecdsa"
	"crypto/tls"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMutualTLS is the matrix: by direct callers, by files that change, and by callers of a proxy. Its rows share one
// service each, so they run one after the other.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	w := open(t)
	t.Cleanup(func() {
		verdict := "ok"
		if t.Failed() {
			verdict = "FAIL"
		}
		t.Logf("PROOF 2 %s %d rows of certificates, files and headers; %d requests, of which %d were admitted and stored, and nothing else",
			verdict, w.rows, w.knocks, w.admitted)
	})
	t.Run("direct", func(t *testing.T) {
		w.serve(t, nil)
		w.direct(t)
		w.files(t)
	})
	t.Run("proxy", func(t *testing.T) {
		w.serve(t, map[string]string{"SHOPIFY_PROXY_HEADER": nginxHeader, "SHOPIFY_PROXIES": proxyAddress + "/32"})
		w.proxied(t)
	})
	require.Equal(t, w.admitted, w.payments(t))
}

// row is a line of the matrix. An admitted caller's session is answered with 200 and stored; of another one nothing is.
type row struct {
	rule   string
	caller caller
	want   string // what the caller gets
	reason string // what the log says; empty: it is not about a certificate
}

// play knocks and checks a row.
func (w *world) play(t *testing.T, r row) {
	t.Helper()
	w.rows++
	t.Run(r.rule, func(t *testing.T) {
		before, lines := w.payments(t), len(w.logged(t))
		g := w.knock(t, r.caller)
		stored := w.stored(t, g.session)
		t.Logf("MTLS | %-70s | %-40s | %-18s | stored %d", r.rule, g, r.reason, stored)
		require.Contains(t, g.String(), r.want, g.body)
		if g.status == http.StatusOK {
			require.Equal(t, 1, stored)
			require.Contains(t, g.body, w.stack.PayURL+"/pay/")
			require.Equal(t, before+1, w.payments(t))
			return
		}
		require.Zero(t, stored)
		require.Equal(t, before, w.payments(t), "nothing was stored under another name either")
		require.NotContains(t, g.body, "redirect_url")
		if r.reason == "" {
			return
		}
		require.Eventually(t, func() bool { return len(w.logged(t)) > lines }, 10*time.Second, 20*time.Millisecond, "the refusal is logged")
		last := w.logged(t)[lines]
		require.Equal(t, "refused", last.Kind)
		require.Equal(t, r.reason, last.Reason)
		if c := r.caller.cert; c != nil && r.caller.header == nil {
			require.Equal(t, c.Leaf.SerialNumber.Text(16), last.Serial, "whose certificate it was")
			require.Equal(t, c.Leaf.Issuer.String(), last.Issuer)
		}
	})
}

// direct: the certificate comes in the handshake.
func (w *world) direct(t *testing.T) {
	issued := func(a authority, changes ...change) *tls.Certificate { return new(a.issue(t, changes...)) }
	stolen := w.shopify.issue(t)
	stolen.PrivateKey = newKey(t)
	leaf := w.shopify.issue(t)
	leafKey, ok := leaf.PrivateKey.(*ecdsa.PrivateKey)
	require.True(t, ok)
	const refused, unknown = "alert: bad certificate", "unknown_authority"
	rows := []row{
		{"a good certificate", caller{cert: issued(w.shopify)}, "HTTP 200", ""},
		{"a good certificate of an intermediate that comes along", caller{cert: issued(w.shopify.below(t, "Issuing CA"))}, "HTTP 200", ""},
		{"an expired certificate", caller{cert: issued(w.shopify, expired)}, refused, "expired"},
		{"a certificate that is not valid yet", caller{cert: issued(w.shopify, notYet)}, refused, "expired"},
		{"a certificate of a foreign CA", caller{cert: issued(newCA(t, "Foreign CA"))}, refused, unknown},
		{"a certificate of a foreign CA with the right one's name", caller{cert: issued(newCA(t, "Shopify CA"))}, refused, unknown},
		{"a self-signed certificate", caller{cert: new(selfSigned(t))}, refused, unknown},
		{"a certificate that a client's certificate signed", caller{cert: issued(authority{cert: leaf.Leaf, key: leafKey})}, refused, unknown},
		{"no certificate", caller{}, refused, "no_certificate"},
		{"a certificate for servers", caller{cert: issued(w.shopify, forServers)}, refused, "wrong_usage"},
		{"the service's own certificate", caller{cert: issued(w.web, forLocalhost)}, refused, unknown},
		{"a good certificate without its key", caller{cert: &stolen}, "alert: ", ""},
	}
	for _, r := range rows {
		for name, version := range map[string]uint16{"TLS 1.3": tls.VersionTLS13, "TLS 1.2": tls.VersionTLS12} {
			one := r
			one.rule, one.caller.version = r.rule+", "+name, version
			w.play(t, one)
		}
	}
	w.play(t, row{"a good certificate over TLS 1.1", caller{cert: issued(w.shopify), version: tls.VersionTLS11}, "alert: protocol version not supported", ""})
	w.play(t, row{"no TLS at all", caller{plain: true}, "HTTP 400", ""})
	spoofed := caller{header: http.Header{nginxHeader: {escaped(w.shopify.issue(t))}}}
	w.play(t, row{"a good certificate in a proxy's header and none in the handshake", spoofed, refused, "no_certificate"})
}

// files: what changes under the running service, which is the same process to the end.
func (w *world) files(t *testing.T) {
	pid, old := w.service.PID(), w.shopify
	w.play(t, row{"renewed during the run: another key, the same CA", caller{cert: new(old.issue(t))}, "HTTP 200", ""})

	t.Run("our own certificate renewed during the run", func(t *testing.T) {
		cert := w.renew(t)
		require.Eventually(t, func() bool {
			g := w.knock(t, caller{cert: new(old.issue(t))})
			return g.status == http.StatusOK && g.server.SerialNumber.Cmp(cert.Leaf.SerialNumber) == 0
		}, time.Minute, 500*time.Millisecond, "the next handshakes show it")
	})

	next := newCA(t, "Next CA")
	w.swap(t, "a second CA joins the bundle", bundle(old, next), caller{cert: new(next.issue(t))})
	w.play(t, row{"a certificate of the new CA", caller{cert: new(next.issue(t))}, "HTTP 200", ""})
	w.play(t, row{"a certificate of the old CA beside it", caller{cert: new(old.issue(t))}, "HTTP 200", ""})

	for name, content := range map[string][]byte{
		"an empty file": {}, "half a file": bundle(next)[:200], "no PEM": []byte("shopify's CA goes here\n"), "a client's certificate": pemOf(old.issue(t).Certificate...),
	} {
		t.Run("a broken bundle keeps the old one and warns: "+name, func(t *testing.T) {
			before := len(w.logged(t))
			w.write(t, "shopify-ca.pem", content)
			require.Eventually(t, func() bool {
				require.Equal(t, http.StatusOK, w.knock(t, caller{cert: new(old.issue(t))}).status, "the old bundle is in use all the while")
				for _, l := range w.logged(t)[before:] {
					if l.Kind == "reload_failed" && l.File == w.path("shopify-ca.pem") && l.Level == "warn" && l.Error != "" {
						return true
					}
				}
				return false
			}, time.Minute, 500*time.Millisecond, "the log warns")
		})
		w.play(t, row{"a stranger beside a broken bundle, " + name, caller{cert: new(selfSigned(t))}, "alert: bad certificate", ""})
	}
	t.Run("a missing bundle keeps the old one", func(t *testing.T) {
		require.NoError(t, os.Remove(w.path("shopify-ca.pem")))
		require.Equal(t, http.StatusOK, w.knock(t, caller{cert: new(next.issue(t))}).status)
	})

	w.swap(t, "the bundle is swapped without a restart", bundle(next), caller{cert: new(next.issue(t))})
	w.play(t, row{"a certificate of the CA that came", caller{cert: new(next.issue(t))}, "HTTP 200", ""})
	w.play(t, row{"a certificate of the CA that went", caller{cert: new(old.issue(t))}, "alert: bad certificate", "unknown_authority"})
	require.Equal(t, pid, w.service.PID())
	w.shopify = next
}

// swap changes the bundle and waits until the service has read it; somebody must knock for that.
func (w *world) swap(t *testing.T, rule string, content []byte, by caller) {
	t.Helper()
	t.Run(rule, func(t *testing.T) {
		before := len(w.logged(t))
		w.write(t, "shopify-ca.pem", content)
		require.Eventually(t, func() bool {
			w.knock(t, by)
			for _, l := range w.logged(t)[before:] {
				if l.Kind == "reloaded" && l.File == w.path("shopify-ca.pem") {
					return true
				}
			}
			return false
		}, time.Minute, 500*time.Millisecond)
	})
}

const (
	nginxHeader  = "Ssl-Client-Cert" // holds nginx's $ssl_client_escaped_cert
	proxyAddress = "127.0.0.2"       // the trusted proxy; strangers come from 127.0.0.1
)

// escaped writes a chain as URL-encoded PEM.
func escaped(cert tls.Certificate) string { return url.PathEscape(string(pemOf(cert.Certificate...))) }

// proxied: a proxy ended the TLS and says in a header what certificate it saw.
func (w *world) proxied(t *testing.T) {
	from := func(address string, values ...string) caller {
		return caller{plain: true, from: address, header: http.Header{nginxHeader: values}}
	}
	good := func() string { return escaped(w.shopify.issue(t)) }
	trusted := func(cert tls.Certificate) caller { return from(proxyAddress, escaped(cert)) }
	forwarded := from("127.0.0.1", good())
	forwarded.header.Set("X-Forwarded-For", proxyAddress)
	other := caller{plain: true, from: proxyAddress, header: http.Header{"X-Forwarded-Client-Cert": {`Cert="` + good() + `"`}}}
	const unknown, malformed = "unknown_authority", "malformed_header"
	for _, r := range []row{
		{"proxy: a good certificate, URL-encoded", trusted(w.shopify.issue(t)), "HTTP 200", ""},
		{"proxy: a good certificate of an intermediate that comes along", trusted(w.shopify.below(t, "Issuing CA").issue(t)), "HTTP 200", ""},
		{"proxy: a good certificate whose plus signs are not escaped", from(proxyAddress, strings.ReplaceAll(good(), "%2B", "+")), "HTTP 200", ""},
		{"a spoofed header from a stranger", from("127.0.0.1", good()), "HTTP 401", "untrusted_proxy"},
		{"a spoofed header from a stranger who names the proxy", forwarded, "HTTP 401", "untrusted_proxy"},
		{"proxy: no header", from(proxyAddress), "HTTP 401", "no_certificate"},
		{"proxy: an empty header", from(proxyAddress, ""), "HTTP 401", "no_certificate"},
		{"proxy: the certificate in another header", other, "HTTP 401", "no_certificate"},
		{"proxy: a spoofed header beside the proxy's own", from(proxyAddress, good(), good()), "HTTP 401", malformed},
		{"proxy: not URL-encoded", from(proxyAddress, strings.ReplaceAll(string(pemOf(w.shopify.issue(t).Certificate...)), "\n", " ")), "HTTP 401", malformed},
		{"proxy: cut off", from(proxyAddress, good()[:300]), "HTTP 401", malformed},
		{"proxy: no certificate but a key", from(proxyAddress, url.PathEscape(string(keyOf(t, w.shopify.issue(t))))), "HTTP 401", malformed},
		{"proxy: an expired certificate", trusted(w.shopify.issue(t, expired)), "HTTP 401", "expired"},
		{"proxy: a certificate that is not valid yet", trusted(w.shopify.issue(t, notYet)), "HTTP 401", "expired"},
		{"proxy: a certificate of a foreign CA", trusted(newCA(t, "Foreign CA").issue(t)), "HTTP 401", unknown},
		{"proxy: a self-signed certificate", trusted(selfSigned(t)), "HTTP 401", unknown},
		{"proxy: a certificate for servers", trusted(w.shopify.issue(t, forServers)), "HTTP 401", "wrong_usage"},
	} {
		w.play(t, r)
	}
	next := newCA(t, "Last CA")
	w.swap(t, "proxy: the bundle is swapped without a restart", bundle(next), trusted(next.issue(t)))
	w.play(t, row{"proxy: a certificate of the CA that came", trusted(next.issue(t)), "HTTP 200", ""})
	w.play(t, row{"proxy: a certificate of the CA that went", trusted(w.shopify.issue(t)), "HTTP 401", unknown})
}
