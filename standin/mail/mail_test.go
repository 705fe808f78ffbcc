package mail

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
)

// bundle is one running catcher.
type bundle struct {
	*Server
	http *httptest.Server
	smtp string
}

func setup(t *testing.T, opts Options) bundle {
	t.Helper()
	if opts.Now == nil {
		opts.Now = func() time.Time { return time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC) }
	}
	server, err := New(opts)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	front := httptest.NewServer(server)
	t.Cleanup(func() {
		front.Close()
		require.NoError(t, server.Close())
		require.NoError(t, <-ended)
		require.NoError(t, server.Close(), "closing twice is harmless")
	})
	return bundle{Server: server, http: front, smtp: listener.Addr().String()}
}

func (b bundle) send(raw string) error {
	return smtp.SendMail(b.smtp, nil, "shop@example.com", []string{"ops@example.com", "ada@example.com"}, []byte(crlf(raw)))
}

func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

func (b bundle) get(t *testing.T, path string) (int, http.Header, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	b.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return recorder.Code, recorder.Header(), recorder.Body.String()
}

const multipartMail = `From: =?utf-8?q?Fern_=26_Clay_=E2=80=93_payments?= <shop@example.com>
To: ops@example.com
Subject: =?utf-8?b?WmFobHVuZyBow6RuZ3Q=?=
Message-Id: <1@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Z=C3=BCrich <b>waits</b>: https://till.example/ops/1?a=3D1&b=3D2. Bye
--inner
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PHA+WsO8cmljaDwvcD48c2NyaXB0PmFsZXJ0KDEpPC9zY3JpcHQ+
--inner--
--outer
Content-Type: application/pdf; name=ignored.pdf
Content-Disposition: attachment; filename="invoice.pdf"
Content-Transfer-Encoding: base64

AAEC
--outer--
`

func TestCaughtMail(t *testing.T) {
	t.Parallel()
	b := setup(t, Options{})
	require.NoError(t, b.send(multipartMail))

	status, header, body := b.get(t, "/_books")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, header.Get("Content-Type"), "application/json")
	var books Books
	require.NoError(t, json.Unmarshal([]byte(body), &books))
	require.Equal(t, Books{Received: 1, Messages: []Message{{
		ID: 1, At: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), From: "shop@example.com",
		To: []string{"ops@example.com", "ada@example.com"}, HeaderFrom: "Fern & Clay – payments <shop@example.com>",
		HeaderTo: "ops@example.com", Subject: "Zahlung hängt", MessageID: "<1@example.com>",
		Text: "Zürich <b>waits</b>: https://till.example/ops/1?a=1&b=2. Bye", HTML: "<p>Zürich</p><script>alert(1)</script>",
		Attachments: []Attachment{{Name: "invoice.pdf", Type: "application/pdf", Bytes: 3}},
		Bytes:       books.Messages[0].Bytes,
	}}}, books)

	t.Run("the list names it", func(t *testing.T) {
		t.Parallel()
		_, header, page := b.get(t, "/")
		require.Contains(t, page, "Mail catcher, nothing is delivered")
		require.Contains(t, page, `<a href="/messages/1"><strong>Zahlung hängt</strong></a>`)
		require.Contains(t, page, "ops@example.com, ada@example.com")
		require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
	})
	t.Run("its page escapes the text and frames the HTML", func(t *testing.T) {
		t.Parallel()
		_, _, page := b.get(t, "/messages/1")
		require.Contains(t, page, "Zürich &lt;b&gt;waits&lt;/b&gt;: ")
		require.Contains(t, page, `<a href="https://till.example/ops/1?a=1&amp;b=2" rel="noreferrer">`)
		require.Contains(t, page, `<iframe title="HTML part of the message" src="/messages/1/html" sandbox="allow-popups `)
		require.Contains(t, page, "invoice.pdf")
		require.NotContains(t, page, "<script")
	})
	t.Run("the HTML is served in a sandbox", func(t *testing.T) {
		t.Parallel()
		_, header, part := b.get(t, "/messages/1/html")
		require.Contains(t, part, "<p>Zürich</p>")
		require.Regexp(t, `^sandbox allow-popups .*; default-src 'none';`, header.Get("Content-Security-Policy"))
		require.NotContains(t, header.Get("Content-Security-Policy"), "allow-scripts")
		require.NotContains(t, header.Get("Content-Security-Policy"), "allow-same-origin")
	})
	t.Run("other ids are 404", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"/messages/2", "/messages/x", "/messages/2/html", "/nothing"} {
			status, _, _ := b.get(t, path)
			require.Equal(t, http.StatusNotFound, status, path)
		}
	})
	t.Run("the style sheet is served", func(t *testing.T) {
		t.Parallel()
		_, header, _ := b.get(t, "/_style.css")
		require.Equal(t, "text/css; charset=utf-8", header.Get("Content-Type"))
	})
}

func TestMailOfOneTextPart(t *testing.T) {
	t.Parallel()
	b := setup(t, Options{})
	require.NoError(t, b.send("Subject: \nContent-Type: text/plain; charset=iso-8859-1\n\nZ\xfcrich\n"))
	m := b.Books().Messages[0]
	require.Equal(t, "Zürich\r\n", m.Text)
	require.Empty(t, m.Problem)
	_, _, page := b.get(t, "/messages/1")
	require.Contains(t, page, "(no subject)")
	status, _, _ := b.get(t, "/messages/1/html")
	require.Equal(t, http.StatusNotFound, status, "there is no HTML part")
}

func TestBrokenMailIsKeptWithItsProblem(t *testing.T) {
	t.Parallel()
	deep, end := "", ""
	for i := range maxDepth + 2 {
		deep += fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
		end = fmt.Sprintf("\n--b%d--\n", i) + end
	}
	wide := "Content-Type: multipart/mixed; boundary=w\n\n" + strings.Repeat("--w\n\nx\n", maxParts+1) + "--w--\n"
	cases := map[string]struct{ raw, want string }{
		"no header":        {"this is no mail", "read header"},
		"bad base64":       {"Content-Transfer-Encoding: base64\n\n!!!!\n", "decode text/plain"},
		"missing boundary": {"Content-Type: multipart/mixed\n\nx\n", "boundary"},
		"cut off":          {"Content-Type: multipart/mixed; boundary=x\n\n--x\n\nhalf", "EOF"},
		"too deep":         {deep + "\nx" + end, "levels"},
		"too many parts":   {wide, "more than 100 parts"},
	}
	for rule, c := range cases {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			m := parse(stored{ID: 1, Raw: []byte(crlf(c.raw))})
			require.Contains(t, m.Problem, c.want)
		})
	}
	t.Run("it is shown as such", func(t *testing.T) {
		t.Parallel()
		b := setup(t, Options{})
		require.NoError(t, b.send("Content-Transfer-Encoding: base64\n\n!!!!\n"))
		_, _, page := b.get(t, "/messages/1")
		require.Contains(t, page, "This message could not be read whole")
	})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	b := setup(t, Options{MaxMessages: 2, MaxMessageBytes: 200})
	for i := range 3 {
		require.NoError(t, b.send(fmt.Sprintf("Subject: n%d\n\nx\n", i+1)))
	}
	require.ErrorContains(t, b.send("Subject: big\n\n"+strings.Repeat("x", 300)+"\n"), "552")
	books := b.Books()
	require.Equal(t, 3, books.Received)
	require.Len(t, books.Messages, 2)
	require.Equal(t, "n2", books.Messages[0].Subject, "the oldest made room")
	_, _, page := b.get(t, "/")
	require.Contains(t, page, "2 kept of 3 received")
	require.Less(t, strings.Index(page, "n3"), strings.Index(page, "n2"), "the newest is first")

	_, err := New(Options{MaxMessages: -1})
	require.Error(t, err)
}

func TestManySendersAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, Options{})
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			if err := b.send(fmt.Sprintf("Subject: n%d\n\nx\n", i)); err != nil {
				t.Errorf("send: %v", err)
			}
		})
	}
	group.Wait()
	require.Equal(t, 20, b.Books().Received)
}

func TestFaults(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		kind faults.Kind
		want string // of the SMTP answer; "" means a lost connection
		kept int
	}{
		"the request is lost": {faults.LoseRequest, "", 0},
		"the reply is lost":   {faults.LoseReply, "", 1},
		"too many":            {faults.TooManyRequests, "450", 0},
		"error before":        {faults.ErrorBefore, "451", 0},
		"error after":         {faults.ErrorAfter, "451", 1},
		"refused":             {faults.Decline("mailbox unavailable"), `550 "5.7.1 mailbox unavailable"`, 0},
	}
	for rule, c := range cases {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			b := setup(t, Options{})
			_, err := b.Faults().Arm(faults.Rule{Call: opMessage, Kind: c.kind})
			require.NoError(t, err)
			err = b.send("Subject: hello\n\nx\n")
			require.Error(t, err)
			require.Contains(t, err.Error(), c.want)
			require.Len(t, b.Books().Messages, c.kept)
			require.NoError(t, b.send("Subject: hello\n\nx\n"))
		})
	}
	t.Run("they are armed over HTTP", func(t *testing.T) {
		t.Parallel()
		b := setup(t, Options{})
		recorder := httptest.NewRecorder()
		b.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/_faults",
			strings.NewReader(`{"call":"message","kind":"500_before"}`)))
		require.Equal(t, http.StatusCreated, recorder.Code)
		require.ErrorContains(t, b.send("Subject: hello\n\nx\n"), "451")
	})
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "mail.json")
	b := setup(t, Options{SnapshotPath: path})
	require.NoError(t, b.send(multipartMail))
	require.NoError(t, b.send("Subject: two\n\nx\n"))

	again := setup(t, Options{SnapshotPath: path})
	require.Equal(t, b.Books(), again.Books())
	require.NoError(t, again.send("Subject: three\n\nx\n"))
	require.Equal(t, 3, again.Books().Messages[2].ID, "ids go on")

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	t.Run("a smaller limit applies to what was saved", func(t *testing.T) {
		require.Len(t, setup(t, Options{SnapshotPath: path, MaxMessages: 1}).Books().Messages, 1)
	})
}

func TestSnapshotThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{`{`: "unexpected end", `{"format":7}`: "has format 7"} {
		path := filepath.Join(t.TempDir(), "mail.json")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := New(Options{SnapshotPath: path})
		require.ErrorContains(t, err, want)
	}
	t.Run("mail that cannot be saved is not taken", func(t *testing.T) {
		t.Parallel()
		b := setup(t, Options{SnapshotPath: filepath.Join(t.TempDir(), "missing", "mail.json")})
		require.ErrorContains(t, b.send("Subject: x\n\nx\n"), "451")
		require.Zero(t, b.Books().Received)
	})
}

func TestLinks(t *testing.T) {
	t.Parallel()
	cases := map[string][]span{
		"":                       nil,
		"none":                   {{Text: "none"}},
		"http://a.b/c":           {{"http://a.b/c", true}},
		"see (https://a.b), ok":  {{"see (", false}, {"https://a.b", true}, {"), ok", false}},
		"https://a b http://c\n": {{"https://a", true}, {" b ", false}, {"http://c", true}, {"\n", false}},
		"javascript:alert(1)":    {{Text: "javascript:alert(1)"}},
	}
	for text, want := range cases {
		require.Equal(t, want, links(text), text)
	}
}

func TestServeAfterClose(t *testing.T) {
	t.Parallel()
	server, err := New(Options{})
	require.NoError(t, err)
	require.NoError(t, server.Close())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, server.Serve(listener))
	_, err = listener.Accept()
	require.ErrorIs(t, err, net.ErrClosed, "the listener is not left open")
}
