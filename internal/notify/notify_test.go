package notify_test

import (
	"bytes"
	"context"
	"flag"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/activities"
	"tillflow/internal/crypt"
	"tillflow/internal/money"
	"tillflow/internal/notify"
	"tillflow/internal/payment"
)

var _ activities.Mailer = (*notify.Mailer)(nil)

var update = flag.Bool("update", false, "write the golden mails again")

const paymentID = "0192f0c1-2222-7333-8444-555566667777"

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func notice(change ...func(*payment.Notice)) payment.Notice {
	n := payment.Notice{
		ID: 12, Shop: "a.myshopify.com", Mail: "owner@example.test", Locale: "en", PaymentID: paymentID, External: "rMUrDNGNYzrtX",
		Reason: payment.InDoubt, Amount: money.New(1230, "EUR"), Since: noon.Add(-90 * time.Minute), Tries: 1,
	}
	for _, c := range change {
		c(&n)
	}
	return n
}

func options(b *box, change ...func(*notify.Options)) notify.Options {
	o := notify.Options{
		Address: b.address, From: "Tillflow <pay@example.test>", Plain: b.roots == nil, Roots: b.roots,
		TemporalUI: "https://temporal.example.test/", Namespace: "default", Now: func() time.Time { return noon }, Log: zerolog.Nop(),
	}
	for _, c := range change {
		c(&o)
	}
	return o
}

func send(t *testing.T, o notify.Options, n payment.Notice) error {
	t.Helper()
	m, err := notify.New(o)
	require.NoError(t, err)
	return m.SendNotice(t.Context(), n)
}

// read gives the parts of a mail.
func read(t *testing.T, raw []byte) (header mail.Header, text, html string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	require.NoError(t, err)
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/alternative", kind)
	parts := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []struct {
		kind string
		body *string
	}{{"text/plain", &text}, {"text/html", &html}} {
		p, err := parts.NextRawPart()
		require.NoError(t, err)
		kind, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		require.NoError(t, err)
		require.Equal(t, want.kind, kind)
		require.Equal(t, "UTF-8", params["charset"])
		require.Equal(t, "quoted-printable", p.Header.Get("Content-Transfer-Encoding"))
		body, err := io.ReadAll(quotedprintable.NewReader(p))
		require.NoError(t, err)
		*want.body = strings.ReplaceAll(string(body), "\r\n", "\n")
	}
	_, err = parts.NextPart()
	require.ErrorIs(t, err, io.EOF)
	return m.Header, text, html
}

// delivered sends a notice to a server of its own and reads what came there.
func delivered(t *testing.T, n payment.Notice) (header mail.Header, text, html string) {
	t.Helper()
	b := serve(t, false)
	require.NoError(t, send(t, options(b), n))
	require.Len(t, b.received(), 1)
	return read(t, b.received()[0].data)
}

var reasons = []payment.OperatorReason{
	payment.InDoubt, payment.AccountBlocked, payment.WrongAmount, payment.ResolveRefused,
	payment.RejectRefused, payment.TellOverdue, payment.ReversalStuck, payment.RoutingFault,
	payment.RefundFailed, payment.RefundElsewhere, payment.Disputed, payment.DisputeLost, payment.Overdrawn,
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "write it with -update")
	require.Equal(t, string(want), got)
}

func TestEveryReasonHasItsMail(t *testing.T) {
	t.Parallel()
	for _, reason := range reasons {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			header, text, html := delivered(t, notice(func(n *payment.Notice) { n.Reason = reason }))
			golden(t, string(reason)+".txt", "Subject: "+header.Get("Subject")+"\n\n"+text)
			golden(t, string(reason)+".html", html)
			for _, part := range []string{text, html} {
				require.Contains(t, part, "tillflow payment show "+paymentID)
				require.Contains(t, part, "12.30 EUR")
				require.Contains(t, part, "rMUrDNGNYzrtX")
				require.NotContains(t, part, "owner@example.test")
			}
		})
	}
	t.Run("a refused answer about a refund sets no money in motion, and its mail says so", func(t *testing.T) {
		t.Parallel()
		for reason, money := range map[payment.OperatorReason]string{
			payment.ResolveRefused: "The money has moved and stays as it is.", payment.RejectRefused: "No money has moved.",
		} {
			_, text, _ := delivered(t, notice(func(n *payment.Notice) { n.Reason, n.Move = reason, payment.OpRefund }))
			golden(t, "refund_"+string(reason)+".txt", text)
			require.Contains(t, strings.ReplaceAll(text, "\n", " "), money)
			require.NotContains(t, text, "goes back to the buyer by itself")
			require.NotContains(t, text, "give_back")
		}
	})
	t.Run("a refund of another amount is not a charge of another amount", func(t *testing.T) {
		t.Parallel()
		_, text, _ := delivered(t, notice(func(n *payment.Notice) { n.Reason, n.Move = payment.WrongAmount, payment.OpRefund }))
		require.Contains(t, text, "Wrong refund")
		require.NotContains(t, text, "give_back")
	})
	t.Run("a request that names no payment of ours has no commands", func(t *testing.T) {
		t.Parallel()
		_, text, _ := delivered(t, notice(func(n *payment.Notice) { n.Reason, n.PaymentID, n.Move = payment.TellOverdue, "", payment.OpRefund }))
		require.NotContains(t, text, "tillflow payment")
		require.Contains(t, text, "names no payment that is known here")
	})
	for _, reason := range []payment.OperatorReason{payment.NobodyNeeded, "new"} {
		t.Run("a reason without a text is a Bug: "+string(reason), func(t *testing.T) {
			t.Parallel()
			b := serve(t, false)
			requireClass(t, payment.Bug, send(t, options(b), notice(func(n *payment.Notice) { n.Reason = reason })))
			require.Empty(t, b.received())
		})
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	b := serve(t, false)
	m, err := notify.New(options(b))
	require.NoError(t, err)
	require.NoError(t, m.SendNotice(t.Context(), notice()))
	require.NoError(t, m.SendNotice(t.Context(), notice()))
	require.NoError(t, m.SendNotice(t.Context(), notice(func(n *payment.Notice) { n.ID = 13 })))
	var heads []mail.Header
	for _, r := range b.received() {
		header, _, _ := read(t, r.data)
		heads = append(heads, header)
		require.Equal(t, "pay@example.test", r.from)
		require.Equal(t, "owner@example.test", r.to)
	}
	require.Equal(t, "<notice-12."+paymentID+"@example.test>", heads[0].Get("Message-Id"))
	require.Equal(t, heads[0].Get("Message-Id"), heads[1].Get("Message-Id"), "a repeat is recognised")
	require.NotEqual(t, heads[0].Get("Message-Id"), heads[2].Get("Message-Id"))
	require.Equal(t, `"Tillflow" <pay@example.test>`, heads[0].Get("From"))
	require.Equal(t, "auto-generated", heads[0].Get("Auto-Submitted"))
	date, err := heads[0].Date()
	require.NoError(t, err)
	require.True(t, date.Equal(noon))
}

func TestNamesFromOutside(t *testing.T) {
	t.Parallel()
	header, text, html := delivered(t, notice(func(n *payment.Notice) {
		n.Shop, n.External = "shop\r\nBcc: thief@example.test", `<b>"\`+"\nx"
	}))
	require.Empty(t, header.Get("Bcc"))
	require.Contains(t, text, "Session  <b>\"\\x\n")
	require.Contains(t, html, "&lt;b&gt;&#34;\\x")
	_, link, found := strings.Cut(text, "in Temporal:\n")
	require.True(t, found)
	u, err := url.Parse(strings.SplitN(link, "\n", 2)[0])
	require.NoError(t, err)
	require.Equal(t, `PayShop="shopBcc: thief@example.test" AND (PayRef="<b>\"\\x" OR PayNeedsOperator=true)`, u.Query().Get("query"))
	require.Equal(t, "/namespaces/default/workflows", u.Path)
}

func TestWithoutTemporalThereIsNoLink(t *testing.T) {
	t.Parallel()
	b := serve(t, false)
	require.NoError(t, send(t, options(b, func(o *notify.Options) { o.TemporalUI = "" }), notice()))
	_, text, html := read(t, b.received()[0].data)
	require.NotContains(t, text, "in Temporal:")
	require.NotContains(t, html, "<a ")
}

func TestConnection(t *testing.T) {
	t.Parallel()
	withUsers := func(b *box) { b.users = map[string]string{"till": "secret"} }
	login := func(password string) func(*notify.Options) {
		return func(o *notify.Options) { o.User, o.Password = "till", crypt.Secret(password) }
	}
	t.Run("TLS is used where the server offers it", func(t *testing.T) {
		t.Parallel()
		b := serve(t, true)
		require.NoError(t, send(t, options(b, func(o *notify.Options) { o.Plain = true }), notice()))
		require.True(t, b.received()[0].tls)
	})
	t.Run("it is asked for unless a plain connection is permitted", func(t *testing.T) {
		t.Parallel()
		b := serve(t, false)
		requireClass(t, payment.Unavailable, send(t, options(b, func(o *notify.Options) { o.Plain = false }), notice()))
		require.Empty(t, b.received())
	})
	t.Run("a certificate of nobody we trust is Unauthorized", func(t *testing.T) {
		t.Parallel()
		b := serve(t, true)
		requireClass(t, payment.Unauthorized, send(t, options(b, func(o *notify.Options) { o.Roots = nil }), notice()))
		require.Empty(t, b.received())
	})
	t.Run("a user logs in over TLS", func(t *testing.T) {
		t.Parallel()
		b := serve(t, true, withUsers)
		require.NoError(t, send(t, options(b, login("secret")), notice()))
		require.Equal(t, "till", b.received()[0].user)
	})
	t.Run("a wrong password is Unauthorized and does not show", func(t *testing.T) {
		t.Parallel()
		b := serve(t, true, withUsers)
		err := send(t, options(b, login("hunter2")), notice())
		requireClass(t, payment.Unauthorized, err)
		require.NotContains(t, err.Error(), "hunter2")
	})
	t.Run("a password is not sent in clear", func(t *testing.T) {
		t.Parallel()
		b := serve(t, false, withUsers)
		requireClass(t, payment.Unauthorized, send(t, options(b, login("secret")), notice()))
		require.Empty(t, b.received())
	})
	t.Run("nobody there is Unavailable", func(t *testing.T) {
		t.Parallel()
		b := &box{address: "127.0.0.1:1"}
		requireClass(t, payment.Unavailable, send(t, options(b), notice()))
	})
	t.Run("a caller who has gone sends nothing", func(t *testing.T) {
		t.Parallel()
		b := serve(t, false)
		m, err := notify.New(options(b))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		requireClass(t, payment.Unavailable, m.SendNotice(ctx, notice()))
		require.Empty(t, b.received())
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	no := func(code int) *smtp.SMTPError {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: "owner@example.test is not welcome"}
	}
	for name, tc := range map[string]struct {
		change func(*box)
		want   payment.Class
	}{
		"an unknown address is Invalid":       {func(b *box) { b.refuseTo = no(550) }, payment.Invalid},
		"a busy mailbox is Unavailable":       {func(b *box) { b.refuseTo = no(450) }, payment.Unavailable},
		"a refused sender is Invalid":         {func(b *box) { b.refuseFrom = no(553) }, payment.Invalid},
		"a login that is missing":             {func(b *box) { b.refuseFrom = no(530) }, payment.Unauthorized},
		"a busy server is Unavailable":        {func(b *box) { b.refuseFrom = no(421) }, payment.Unavailable},
		"a refused text is Invalid":           {func(b *box) { b.refuseData = no(554) }, payment.Invalid},
		"a text to send later is Unavailable": {func(b *box) { b.refuseData = no(451) }, payment.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := send(t, options(serve(t, false, tc.change)), notice())
			requireClass(t, tc.want, err)
			require.NotContains(t, err.Error(), "owner@example.test", "an address stays out of logs")
		})
	}
	t.Run("a lost answer to the whole mail is Unknown", func(t *testing.T) {
		t.Parallel()
		hang := make(chan struct{})
		b := serve(t, false, func(b *box) { b.hang = hang })
		close(hang)
		requireClass(t, payment.Unknown, send(t, options(b), notice()))
		require.Len(t, b.received(), 1)
	})
	t.Run("a server that does not answer is given up in time", func(t *testing.T) {
		t.Parallel()
		hang := make(chan struct{})
		t.Cleanup(func() { close(hang) })
		b := serve(t, false, func(b *box) { b.hang = hang })
		m, err := notify.New(options(b))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		requireClass(t, payment.Unknown, m.SendNotice(ctx, notice()))
	})
	for name, address := range map[string]string{"no address": "", "a malformed one": "owner at example"} {
		t.Run(name+" is Invalid", func(t *testing.T) {
			t.Parallel()
			b := serve(t, false)
			requireClass(t, payment.Invalid, send(t, options(b), notice(func(n *payment.Notice) { n.Mail = address })))
		})
	}
}

func TestNotConfigured(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	m, err := notify.New(notify.Options{From: "pay@example.test", Log: zerolog.New(&log)})
	require.NoError(t, err)
	for tries := 1; tries <= 3; tries++ {
		err := m.SendNotice(t.Context(), notice(func(n *payment.Notice) { n.Tries = tries }))
		requireClass(t, payment.Unavailable, err)
		var failed *payment.Error
		require.ErrorAs(t, err, &failed)
		require.Equal(t, "mail_not_configured", failed.Code)
	}
	require.Equal(t, 1, strings.Count(log.String(), "\n"), "said once for each notice: %s", log.String())
	require.JSONEq(t, `{"level":"error","notice":12,"payment_id":"`+paymentID+`","shop":"a.myshopify.com","reason":"in_doubt",
		"message":"a person is needed and cannot be told: mails are not configured"}`, log.String())
}

func TestNew(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*notify.Options){
		"no port":          func(o *notify.Options) { o.Address = "mail.example.test" },
		"no host":          func(o *notify.Options) { o.Address = ":25" },
		"a port of words":  func(o *notify.Options) { o.Address = "mail.example.test:smtp" },
		"a port too large": func(o *notify.Options) { o.Address = "mail.example.test:65536" },
		"no sender":        func(o *notify.Options) { o.From = "" },
		"a broken sender":  func(o *notify.Options) { o.From = "till at example" },
	} {
		t.Run(name+" is refused at start", func(t *testing.T) {
			t.Parallel()
			o := notify.Options{Address: "mail.example.test:587", From: "pay@example.test"}
			change(&o)
			_, err := notify.New(o)
			require.Error(t, err)
		})
	}
}

func requireClass(t *testing.T, want payment.Class, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, payment.ClassOf(err, "unclassified"), err.Error())
}
