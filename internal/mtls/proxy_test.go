package mtls_test

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/mtls"
)

const proxyAddress = "10.1.2.3:4567"

// gate is a Proxy with its files, clock and events.
type gate struct {
	proxy  *mtls.Proxy
	files  files
	clock  *clock
	events *events
	client authority
}

func newGate(t *testing.T, header string, adjust ...func(*mtls.ProxyOptions)) *gate {
	t.Helper()
	g := &gate{clock: &clock{now: today()}, events: &events{}, client: newRoot(t, "Client CA")}
	g.files = files{folder: t.TempDir(), clock: g.clock}
	g.files.write(t, "ca.pem", bundle(g.client))
	options := mtls.ProxyOptions{
		Header:       header,
		Trusted:      []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")},
		ClientCAFile: g.files.path("ca.pem"), CheckEvery: time.Minute, Now: g.clock.Now, Report: g.events.report,
	}
	for _, apply := range adjust {
		apply(&options)
	}
	proxy, err := mtls.NewProxy(options)
	require.NoError(t, err)
	g.proxy = proxy
	return g
}

// call sends a request from an address; the handler behind answers with the
// headers that reached it.
func (g *gate) call(t *testing.T, remote string, headers http.Header) (status int, reached http.Header) {
	t.Helper()
	handler := g.proxy.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		reached = r.Header.Clone()
	}))
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/session", http.NoBody)
	request.RemoteAddr = remote
	request.Header = headers
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	if recorder.Code != http.StatusOK {
		require.Nil(t, reached, "a refused request reached the handler")
		require.Equal(t, "application/problem+json", recorder.Header().Get("Content-Type"))
		require.True(t, json.Valid(recorder.Body.Bytes()))
	}
	return recorder.Code, reached
}

// nginx escapes like $ssl_client_escaped_cert.
func nginx(certificate tls.Certificate) string {
	return strings.ReplaceAll(url.QueryEscape(string(pemOf(certificate.Certificate...))), "+", "%20")
}

// alb escapes like AWS, which leaves +, = and / as they are.
func alb(certificate tls.Certificate) string {
	return strings.NewReplacer("%2B", "+", "%3D", "=", "%2F", "/").Replace(nginx(certificate))
}

// envoy writes the element that Envoy makes with SANITIZE_SET.
func envoy(certificate tls.Certificate) string {
	leaf := certificate
	leaf.Certificate = certificate.Certificate[:1]
	return `Hash=ab12;Cert="` + nginx(leaf) + `";Chain="` + nginx(certificate) + `";Subject="CN=a \"b\"; c, d";URI=;DNS=x;DNS=y`
}

func one(name, value string) http.Header { return http.Header{http.CanonicalHeaderKey(name): {value}} }

func TestProxyAdmits(t *testing.T) {
	t.Parallel()
	for header, format := range map[string]func(tls.Certificate) string{
		mtls.HeaderNginx: nginx, mtls.HeaderALB: alb, mtls.HeaderALBLeaf: alb, mtls.HeaderEnvoy: envoy, "x-forwarded-client-cert": envoy,
	} {
		t.Run("a good certificate in "+header+", and takes the header away", func(t *testing.T) {
			t.Parallel()
			g := newGate(t, header)
			headers := one(header, format(g.client.intermediate(t, "Issuing CA").issue(t)))
			if strings.HasPrefix(header, mtls.HeaderALBLeaf) {
				headers = one(header, format(g.client.issue(t)))
			}
			headers.Set("Shopify-Shop-Domain", "a.myshopify.com")
			status, reached := g.call(t, proxyAddress, headers)
			require.Equal(t, http.StatusOK, status)
			require.Equal(t, one("Shopify-Shop-Domain", "a.myshopify.com"), reached)
			require.Equal(t, uint64(1), g.proxy.Stats().Accepted)
			require.Empty(t, g.events.all())
		})
	}
	t.Run("a proxy by IPv6, or by IPv4 in IPv6's clothes", func(t *testing.T) {
		t.Parallel()
		for _, remote := range []string{"[fd00::1]:80", "[::ffff:10.1.2.3]:80"} {
			g := newGate(t, mtls.HeaderNginx)
			status, _ := g.call(t, remote, one(mtls.HeaderNginx, nginx(g.client.issue(t))))
			require.Equal(t, http.StatusOK, status, remote)
		}
	})
	t.Run("a certificate of a CA that joined the bundle during the run", func(t *testing.T) {
		t.Parallel()
		g := newGate(t, mtls.HeaderNginx)
		next := newRoot(t, "Next CA")
		headers := one(mtls.HeaderNginx, nginx(next.issue(t)))
		status, _ := g.call(t, proxyAddress, headers.Clone())
		require.Equal(t, http.StatusUnauthorized, status)
		g.files.write(t, "ca.pem", bundle(g.client, next))
		g.clock.advance(time.Minute)
		status, _ = g.call(t, proxyAddress, headers)
		require.Equal(t, http.StatusOK, status)
	})
}

func TestProxyRefusesPeers(t *testing.T) {
	t.Parallel()
	for _, remote := range []string{"10.2.0.1:80", "203.0.113.9:443", "[2001:db8::1]:443", "127.0.0.1:80", "@", "", "10.1.2.3"} {
		t.Run("a good header from "+remote, func(t *testing.T) {
			t.Parallel()
			g := newGate(t, mtls.HeaderNginx)
			headers := one(mtls.HeaderNginx, nginx(g.client.issue(t)))
			headers.Set("X-Forwarded-For", "10.1.2.3")
			status, _ := g.call(t, remote, headers)
			require.Equal(t, http.StatusUnauthorized, status)
			require.Equal(t, uint64(1), g.proxy.Stats().Refused[mtls.ReasonUntrustedProxy])
			require.Equal(t, remote, g.events.all()[0].Remote)
		})
	}
}

func TestProxyRefusesHeaders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule   string
		header string
		value  func(*testing.T, *gate) []string
		reason mtls.Reason
	}{
		{"no header", mtls.HeaderNginx, func(*testing.T, *gate) []string { return nil }, mtls.ReasonNoCertificate},
		{"an empty header", mtls.HeaderNginx, func(*testing.T, *gate) []string { return []string{""} }, mtls.ReasonNoCertificate},
		{"two headers", mtls.HeaderNginx, func(t *testing.T, g *gate) []string {
			good := nginx(g.client.issue(t))
			return []string{good, good}
		}, mtls.ReasonMalformedHeader},
		{"a text", mtls.HeaderNginx, func(*testing.T, *gate) []string { return []string{"SUCCESS"} }, mtls.ReasonMalformedHeader},
		{"a broken escape", mtls.HeaderNginx, func(*testing.T, *gate) []string { return []string{"%zz"} }, mtls.ReasonMalformedHeader},
		{"a header beyond the limit", mtls.HeaderNginx, func(t *testing.T, g *gate) []string {
			return []string{nginx(g.client.issue(t)) + strings.Repeat("%20", 64<<10)}
		}, mtls.ReasonMalformedHeader},
		{"a cut certificate", mtls.HeaderNginx, func(t *testing.T, g *gate) []string {
			return []string{nginx(g.client.issue(t))[:400]}
		}, mtls.ReasonMalformedHeader},
		{"Envoy's elements of two hops", mtls.HeaderEnvoy, func(t *testing.T, g *gate) []string {
			return []string{envoy(g.client.issue(t)) + "," + envoy(newRoot(t, "Foreign CA").issue(t))}
		}, mtls.ReasonMalformedHeader},
		{"Envoy's element with two certificates", mtls.HeaderEnvoy, func(t *testing.T, g *gate) []string {
			return []string{envoy(g.client.issue(t)) + ";" + envoy(g.client.issue(t))}
		}, mtls.ReasonMalformedHeader},
		{"Envoy's element without certificate", mtls.HeaderEnvoy, func(*testing.T, *gate) []string {
			return []string{`Hash=ab12;Subject="CN=client"`}
		}, mtls.ReasonMalformedHeader},
		{"Envoy's element with an open quote", mtls.HeaderEnvoy, func(t *testing.T, g *gate) []string {
			return []string{`Cert="` + nginx(g.client.issue(t))}
		}, mtls.ReasonMalformedHeader},
		{"a certificate of a foreign CA", mtls.HeaderNginx, func(t *testing.T, _ *gate) []string {
			return []string{nginx(newRoot(t, "Foreign CA").issue(t))}
		}, mtls.ReasonUnknownAuthority},
		{"a foreign leaf before a good certificate", mtls.HeaderNginx, func(t *testing.T, g *gate) []string {
			return []string{nginx(newRoot(t, "Foreign CA").issue(t)) + nginx(g.client.issue(t))}
		}, mtls.ReasonUnknownAuthority},
		{"a self-signed certificate", mtls.HeaderALB, func(t *testing.T, _ *gate) []string {
			return []string{alb(*selfSigned(t))}
		}, mtls.ReasonUnknownAuthority},
		{"an expired certificate", mtls.HeaderEnvoy, func(t *testing.T, g *gate) []string {
			return []string{envoy(g.client.issue(t, valid(today().AddDate(0, -1, 0), today().Add(-time.Second))))}
		}, mtls.ReasonExpired},
		{"a server's certificate", mtls.HeaderNginx, func(t *testing.T, g *gate) []string {
			return []string{nginx(g.client.issue(t, forServer))}
		}, mtls.ReasonWrongUsage},
	} {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			g := newGate(t, c.header)
			status, _ := g.call(t, proxyAddress, http.Header{http.CanonicalHeaderKey(c.header): c.value(t, g)})
			require.Equal(t, http.StatusUnauthorized, status)
			require.Equal(t, uint64(1), g.proxy.Stats().Refused[c.reason])
			require.Zero(t, g.proxy.Stats().Accepted)
			event := g.events.all()[0]
			require.Equal(t, c.reason, event.Reason)
			if event.Serial != "" {
				require.Equal(t, "abc", event.Serial)
				require.NotEmpty(t, event.Issuer)
			}
		})
	}
}

func TestProxyVerdict(t *testing.T) {
	t.Parallel()
	verdict := func(o *mtls.ProxyOptions) { o.VerifyHeader, o.VerifyValue = "Ssl-Client-Verify", "SUCCESS" }

	t.Run("the proxy's own success is required and taken away", func(t *testing.T) {
		t.Parallel()
		g := newGate(t, mtls.HeaderNginx, verdict)
		headers := one(mtls.HeaderNginx, nginx(g.client.issue(t)))
		headers.Set("Ssl-Client-Verify", "SUCCESS")
		status, reached := g.call(t, proxyAddress, headers)
		require.Equal(t, http.StatusOK, status)
		require.Empty(t, reached)
	})
	for _, says := range [][]string{nil, {""}, {"NONE"}, {"FAILED:certificate has expired"}, {"success"}, {"SUCCESS", "NONE"}} {
		t.Run("a verdict of "+strings.Join(says, "+")+" is refused with the certificate in the log", func(t *testing.T) {
			t.Parallel()
			g := newGate(t, mtls.HeaderNginx, verdict)
			headers := one(mtls.HeaderNginx, nginx(g.client.issue(t)))
			headers["Ssl-Client-Verify"] = says
			status, _ := g.call(t, proxyAddress, headers)
			require.Equal(t, http.StatusUnauthorized, status)
			require.Equal(t, mtls.ReasonProxyVerdict, g.events.all()[0].Reason)
			require.Equal(t, "CN=Client CA", g.events.all()[0].Issuer)
		})
	}
	t.Run("a success does not replace a good chain", func(t *testing.T) {
		t.Parallel()
		g := newGate(t, mtls.HeaderNginx, verdict)
		headers := one(mtls.HeaderNginx, nginx(newRoot(t, "Foreign CA").issue(t)))
		headers.Set("Ssl-Client-Verify", "SUCCESS")
		status, _ := g.call(t, proxyAddress, headers)
		require.Equal(t, http.StatusUnauthorized, status)
	})
}

func TestNewProxy(t *testing.T) {
	t.Parallel()
	clock := &clock{now: today()}
	folder := files{folder: t.TempDir(), clock: clock}
	folder.write(t, "ca.pem", bundle(newRoot(t, "Client CA")))
	for rule, spoil := range map[string]func(*mtls.ProxyOptions){
		"no header":                     func(o *mtls.ProxyOptions) { o.Header = "" },
		"no trusted proxy":              func(o *mtls.ProxyOptions) { o.Trusted = nil },
		"trust in the whole of IPv4":    func(o *mtls.ProxyOptions) { o.Trusted = append(o.Trusted, netip.MustParsePrefix("0.0.0.0/0")) },
		"an invalid range":              func(o *mtls.ProxyOptions) { o.Trusted = []netip.Prefix{{}} },
		"no bundle":                     func(o *mtls.ProxyOptions) { o.ClientCAFile = "" },
		"a verdict header with no text": func(o *mtls.ProxyOptions) { o.VerifyHeader = "Ssl-Client-Verify" },
		"a verdict text with no header": func(o *mtls.ProxyOptions) { o.VerifyValue = "SUCCESS" },
		"no clock":                      func(o *mtls.ProxyOptions) { o.Now = nil },
		"no log":                        func(o *mtls.ProxyOptions) { o.Report = nil },
	} {
		t.Run(rule+" stops the start", func(t *testing.T) {
			t.Parallel()
			options := mtls.ProxyOptions{
				Header: mtls.HeaderNginx, Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
				ClientCAFile: folder.path("ca.pem"), Now: clock.Now, Report: func(mtls.Event) {},
			}
			spoil(&options)
			proxy, err := mtls.NewProxy(options)
			require.Error(t, err)
			require.Nil(t, proxy)
		})
	}
}

func FuzzProxyHeader(f *testing.F) {
	f.Add(mtls.HeaderEnvoy, `Cert="%2D";Chain=""`)
	f.Add(mtls.HeaderNginx, "-----BEGIN%20CERTIFICATE-----%0A-----END%20CERTIFICATE-----")
	f.Fuzz(func(t *testing.T, header, value string) {
		if header != mtls.HeaderEnvoy {
			header = mtls.HeaderNginx
		}
		g := newGate(t, header)
		status, _ := g.call(t, proxyAddress, http.Header{header: {value}})
		require.Equal(t, http.StatusUnauthorized, status, "no key, no entry")
	})
}
