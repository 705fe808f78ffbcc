package mtls

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"tillflow/dev/internal/port"
	"tillflow/dev/stack"
)

// TestMain builds the service's program unless TILLFLOW_BIN names one.
func TestMain(m *testing.M) {
	if os.Getenv("TILLFLOW_BIN") == "" {
		dir, err := os.MkdirTemp("", "tillflow-bin-")
		if err == nil {
			defer func() { _ = os.RemoveAll(dir) }() // what is left is in the system's own place for such
			err = build(filepath.Join(dir, "tillflow"))
		}
		if err != nil {
			panic(err)
		}
	}
	m.Run()
}

func build(path string) error {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "tillflow").Output()
	if err != nil {
		return fmt.Errorf("find the service's module: %w", err)
	}
	cmd := exec.Command("go", "build", "-o", path, "./cmd/tillflow")
	cmd.Dir = strings.TrimSpace(string(root))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the service: %w: %s", err, out)
	}
	return os.Setenv("TILLFLOW_BIN", path)
}

// world is the service as a process of its own, behind files of the test's own CAs.
type world struct {
	stack   *stack.Stack
	pool    *pgxpool.Pool
	dir     string
	address string // of the session endpoint
	service *stack.Child
	web     authority // signs the service's own certificate
	shopify authority // the CA in the bundle

	rows     int // of the matrix
	knocks   int
	admitted int // knocks that were answered with 200
}

// open starts everything but the service.
func open(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o711)) // the user that root lends PostgreSQL passes through
	w := &world{dir: dir, web: newCA(t, "Web CA"), shopify: newCA(t, "Shopify CA")}
	var err error
	w.stack, err = stack.Start(t.Context(), stack.Options{Dir: dir, Volatile: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.stack.Stop()) })
	w.pool, err = pgxpool.New(t.Context(), w.stack.Postgres.URL("tillflow"))
	require.NoError(t, err)
	t.Cleanup(w.pool.Close)
	w.write(t, "shopify-ca.pem", bundle(w.shopify))
	w.renew(t)
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, "mtls-"+name) }

// write replaces a file in one step, as deployments do.
func (w *world) write(t *testing.T, name string, content []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(w.path(name)+".new", content, 0o600))
	require.NoError(t, os.Rename(w.path(name)+".new", w.path(name)))
}

// renew gives the service a new certificate of its own.
func (w *world) renew(t *testing.T) tls.Certificate {
	t.Helper()
	cert := w.web.issue(t, forLocalhost)
	w.write(t, "server.key", keyOf(t, cert))
	w.write(t, "server.pem", pemOf(cert.Certificate...))
	return cert
}

// serve runs the service. The session endpoint listens on all addresses: a proxy has another one than a stranger.
func (w *world) serve(t *testing.T, settings map[string]string) {
	t.Helper()
	free, err := port.Free(t.Context(), "127.0.0.1", 1)
	require.NoError(t, err)
	w.address = port.Join("127.0.0.1", free[0])
	set := map[string]string{
		"SHOPIFY_LISTEN": port.Join("0.0.0.0", free[0]), "SHOPIFY_CLIENT_CA": w.path("shopify-ca.pem"),
		"SHOPIFY_CERT": w.path("server.pem"), "SHOPIFY_KEY": w.path("server.key"),
	}
	for name, value := range settings {
		set[name] = value
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w.service, err = w.stack.Spawn(ctx, "serve", set)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.service.Stop()) })
}

// caller is one way to knock.
type caller struct {
	cert    *tls.Certificate // nil presents none
	version uint16           // of TLS, the highest; zero is 1.3
	plain   bool             // no TLS at all
	from    string           // local address; empty: any
	header  http.Header
}

// got is what came of it.
type got struct {
	session string            // its id
	status  int               // zero: no HTTP answer
	body    string            // of the answer
	fault   string            // why there was none
	server  *x509.Certificate // the service's own
}

// String is the result in a word or two.
func (g got) String() string {
	if g.status != 0 {
		return fmt.Sprintf("HTTP %d", g.status)
	}
	if _, alert, found := strings.Cut(g.fault, "remote error: tls: "); found {
		alert, _, _ = strings.Cut(alert, "\n")
		return "alert: " + alert
	}
	return g.fault
}

// knock sends one payment session over a connection of its own. It reads even when it could not write: with TLS 1.3 a
// client may have sent its request before it hears that it is refused.
func (w *world) knock(t *testing.T, c caller) got {
	t.Helper()
	w.knocks++
	g := got{session: fmt.Sprintf("mtls-%d", w.knocks)}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := w.dial(ctx, c)
	if err != nil {
		g.fault = err.Error()
		return g
	}
	defer conn.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+w.address+"/shopify/payment_session", bytes.NewReader(session(g.session)))
	require.NoError(t, err)
	if c.header != nil {
		req.Header = c.header.Clone()
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Shopify-Shop-Domain", stack.Shop)
	req.Header.Set("Shopify-Request-Id", "req-"+g.session)
	req.Header.Set("Shopify-Api-Version", "2026-10")
	written := req.Write(conn)
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		g.fault = errors.Join(err, written).Error()
		return g
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16)) // what was cut off is no answer of ours
	g.status, g.body = resp.StatusCode, string(body)
	if g.status == http.StatusOK {
		w.admitted++
	}
	if over, is := conn.(*tls.Conn); is {
		g.server = over.ConnectionState().PeerCertificates[0]
	}
	return g
}

// dial opens a connection, with a handshake unless the caller speaks plainly.
func (w *world) dial(ctx context.Context, c caller) (net.Conn, error) {
	dialer := &net.Dialer{}
	if c.from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(c.from)}
	}
	conn, err := dialer.DialContext(ctx, "tcp", w.address)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil || c.plain {
		return conn, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(w.web.cert)
	over := tls.Client(conn, &tls.Config{
		RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS10, MaxVersion: c.version, NextProtos: []string{"http/1.1"},
		// A client that presents its certificate whatever the server would like to see.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if c.cert == nil {
				return &tls.Certificate{}, nil
			}
			return c.cert, nil
		},
	})
	if err := over.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return over, nil
}

// session is a payment session as Shopify sends it.
func session(id string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"gid":"gid://shopify/PaymentSession/%s","group":"group-%s","session_id":"s-%s","amount":"12.30","currency":"EUR",
		"test":true,"kind":"sale","merchant_locale":"en","proposed_at":"2026-11-21T12:00:00Z",
		"payment_method":{"type":"offsite","data":{"cancel_url":"https://shop.example.com/cancel"}}}`, id, id, id, id)
}

// stored counts the payments of a session.
func (w *world) stored(t *testing.T, id string) int {
	t.Helper()
	var n int
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT count(*) FROM payments WHERE external_id = $1`, id).Scan(&n))
	return n
}

// payments counts all that are stored.
func (w *world) payments(t *testing.T) int {
	t.Helper()
	var n int
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT count(*) FROM payments`).Scan(&n))
	return n
}

// line is what the service logs of a caller or a file.
type line struct {
	Level, Message, Kind, Reason, Issuer, Serial, File, Error string
}

// logged reads the service's log.
func (w *world) logged(t *testing.T) []line {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "service.log"))
	require.NoError(t, err)
	var list []line
	scan := bufio.NewScanner(bytes.NewReader(text))
	for scan.Scan() {
		var l line
		if json.Unmarshal(scan.Bytes(), &l) == nil && l.Message == "client certificate" {
			list = append(list, l)
		}
	}
	require.NoError(t, scan.Err())
	return list
}
