package browser_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"tillflow/dev/stack"
	"tillflow/dev/temporalserver"
	"tillflow/internal/flow"
	"tillflow/internal/subscription"
	"tillflow/standin/mail"
)

// tongue is what pages and mails say in a customer's language.
type tongue struct {
	choose, keeps, isPaid, chargedWith, isDue, hasExpired, noAccess, payAnother string // pages
	welcome, renews, needsCard, arrived                                         string // subjects
}

var german = tongue{
	choose: "Wie möchten Sie bezahlen?", keeps: "Womit Sie bezahlen, wird für spätere Zahlungen gespeichert.", isPaid: "Ihr Abonnement ist bezahlt", chargedWith: "Abgebucht von visa 4242",
	isDue: "Ihre Zahlung ist fällig", hasExpired: "Die Karte ist abgelaufen.", noAccess: "Ihr Zugang Angehalten, bis bezahlt ist.",
	payAnother: "Jetzt mit einer anderen Karte bezahlen",
	welcome:    "Willkommen bei " + planName, renews: planName + " verlängert sich am ",
	needsCard: "Bitte geben Sie eine neue Zahlungsart für " + planName + " an", arrived: "Ihre Zahlung für " + planName + " ist angekommen",
}

// membersArea is the merchant's own site: it sells the plan and lets in who is
// paid up, by /api/v1 alone.
type membersArea struct {
	api, key, home string
	client         *http.Client
}

var membersPage = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><title>Members’ area</title><link rel="icon" href="data:,">
<main><h1>Members’ area</h1><p>{{if .PaidUp}}You are in.{{else}}Please pay first.{{end}} ({{.Standing}})</p></main></html>`))

// opensMembersArea serves the site until the test ends.
func (w *world) opensMembersArea(t *testing.T) string {
	t.Helper()
	a := &membersArea{api: w.PayURL + "/api/v1/", key: w.APIKey, client: &http.Client{Timeout: 20 * time.Second}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /join/{ref}", a.join)
	mux.HandleFunc("GET /members/{ref}", a.members)
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	a.home = site.URL
	return site.URL
}

func (a *membersArea) join(w http.ResponseWriter, r *http.Request) {
	ref, form := r.PathValue("ref"), r.URL.Query()
	var answer struct{ URL string }
	status, err := a.ask(r.Context(), http.MethodPost, "subscription", map[string]any{
		"ref": ref, "plan": planID, "version": 1, "test": true, "locale": form.Get("locale"), "return_url": a.home + "/members/" + ref,
		"cancel_url": a.home + "/members/" + ref, "customer": map[string]string{"email": form.Get("mail")},
	}, &answer)
	if err != nil || status != http.StatusCreated {
		http.Error(w, fmt.Sprint(status, err), http.StatusBadGateway)
		return
	}
	http.Redirect(w, r, answer.URL, http.StatusSeeOther)
}

func (a *membersArea) members(w http.ResponseWriter, r *http.Request) {
	var answer entitled
	status, err := a.ask(r.Context(), http.MethodGet, "entitlement?ref="+r.PathValue("ref"), nil, &answer)
	if err != nil || status != http.StatusOK {
		http.Error(w, fmt.Sprint(status, err), http.StatusBadGateway)
		return
	}
	var page bytes.Buffer
	if err := membersPage.Execute(&page, answer); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = page.WriteTo(w)
}

// entitled is what /api/v1 says of a customer.
type entitled struct {
	PaidUp   bool `json:"paid_up"`
	Standing subscription.Standing
}

// ask is one request of the merchant's backend.
func (a *membersArea) ask(ctx context.Context, method, path string, body, into any) (int, error) {
	content, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, method, a.api+path, bytes.NewReader(content))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+a.key)
	resp, err := a.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, json.NewDecoder(resp.Body).Decode(into)
}

// asks makes the window's pages come in a language.
func (b *tab) asks(locale string) {
	b.Helper()
	b.do(call(network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": locale}}))
}

// entitled checks what the merchant's backend is told.
func (m *member) entitled(paidUp bool, standing subscription.Standing) {
	m.Helper()
	a := &membersArea{api: m.world.PayURL + "/api/v1/", key: m.world.APIKey, client: &http.Client{Timeout: 20 * time.Second}}
	var got entitled
	require.Eventually(m, func() bool {
		status, err := a.ask(m.Context(), http.MethodGet, "entitlement?ref="+m.ref, nil, &got)
		return err == nil && status == http.StatusOK && got == (entitled{paidUp, standing})
	}, patience, 50*time.Millisecond, "%t and %s; it says %v", paidUp, standing, lazy(func() string { return fmt.Sprint(got) }))
}

// becomes waits until the subscription fits.
func (m *member) becomes(what string, fits func(subscription.Record) bool) (last subscription.Record) {
	m.Helper()
	require.Eventually(m, func() bool {
		r, err := m.world.Service.Store.Subscription(m.Context(), stack.Shop, m.id)
		if err == nil {
			last = r
		}
		return err == nil && fits(r)
	}, patience, 50*time.Millisecond, "%s; it is %v", what, lazy(func() string {
		return fmt.Sprintf("%s in period %d, task %q at %s, open %+v, needs %q", last.State, last.Period.Number, last.Task, last.DueAt, last.Open, last.Operator)
	}))
	return last
}

// skips moves everything to the moment at which the clock does the next thing.
func (m *member) skips(what string, task subscription.Task) {
	m.Helper()
	r := m.becomes(what+" is next", func(r subscription.Record) bool { return r.Task == task })
	if d := r.DueAt.Sub(m.world.Clock.Now()) + time.Second; d > 0 {
		m.world.Clock.Skip(d)
		ctx, cancel := context.WithTimeout(m.Context(), patience)
		defer cancel()
		err := temporalserver.FastForward(ctx, m.world.Service.Temporal, m.world.Config.TemporalNamespace, flow.SubscriptionID(stack.Shop, m.id), d)
		if _, gone := errors.AsType[*serviceerror.NotFound](err); !gone {
			require.NoError(m, err)
		}
	}
	m.becomes(what, func(now subscription.Record) bool { return now.Revision > r.Revision })
}

// mails are those that the customer got.
func (m *member) mails() []mail.Message { return m.world.mailsTo(m.mail) }

func (w *world) mailsTo(address string) []mail.Message {
	return slices.DeleteFunc(w.Mail.Books().Messages, func(one mail.Message) bool { return !slices.Contains(one.To, address) })
}

// gets waits for a mail whose subject begins so, reads it in the mail box, and
// keeps pictures of what a mail program shows of it.
func (m *member) gets(name, subject string) {
	m.Helper()
	var one mail.Message
	require.Eventually(m, func() bool {
		i := slices.IndexFunc(m.mails(), func(one mail.Message) bool { return strings.HasPrefix(one.Subject, subject) })
		if i >= 0 {
			one = m.mails()[i]
		}
		return i >= 0
	}, patience, 50*time.Millisecond, "a mail %q; there are %v", subject, lazy(func() string { return subjects(m.mails()) }))
	require.Empty(m, one.Problem)
	m.visit(fmt.Sprintf("%s/messages/%d/html", m.world.MailURL, one.ID))
	m.sees(one.Subject)
	for _, px := range []int64{desktop, phone} {
		m.width(px)
		wide, err := ask[bool](m.tab, `document.scrollingElement.scrollWidth > document.scrollingElement.clientWidth`)
		require.NoError(m, err)
		require.False(m, wide, "%s scrolls sideways at %d px", one.Subject, px)
		m.picture(fmt.Sprintf("member-%s-mail-%s-%d", m.ref, name, px))
	}
	m.visit(fmt.Sprintf("%s/messages/%d", m.world.MailURL, one.ID))
	m.sees(one.Subject)
}

func subjects(list []mail.Message) string {
	var all []string
	for _, one := range list {
		all = append(all, one.Subject)
	}
	return strings.Join(all, " | ")
}

// linkOf is the address on the mail that begins so.
func (m *member) linkOf(subject string) string {
	m.Helper()
	for _, one := range slices.Backward(m.mails()) {
		if strings.HasPrefix(one.Subject, subject) {
			for line := range strings.Lines(one.Text) {
				if line = strings.TrimSpace(line); strings.HasPrefix(line, m.world.PayURL+"/subscription/") {
					return line
				}
			}
		}
	}
	m.Fatalf("no mail %q has a link", subject)
	return ""
}

// tells: the merchant got a mail, which names nobody.
func (m *member) tells(subject string) {
	m.Helper()
	require.Eventually(m, func() bool {
		for _, one := range m.world.mailsTo("owner@" + stack.Shop) {
			require.NotContains(m, one.Text+one.HTML, m.mail)
			if one.Subject == subject {
				return true
			}
		}
		return false
	}, patience, 50*time.Millisecond, "the merchant is told %q", subject)
}

// file reads what a link of the page leads to, as the window would; of several
// with one label the one whose address holds the part.
func (b *tab) file(label string, part ...string) [][]string {
	b.Helper()
	links := steady(b, chromedp.Evaluate[[]string](fmt.Sprintf(
		`[...document.querySelectorAll("a[href]")].filter((a) => a.innerText.trim() === %q).map((a) => a.href)`, label)))
	links = slices.DeleteFunc(links, func(a string) bool { return len(part) > 0 && !strings.Contains(a, part[0]) })
	require.Len(b, links, 1, label)
	var cookies network.GetCookiesResult
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) (err error) {
		cookies, err = cdp.Call(ctx, target, network.GetCookies, network.GetCookiesParams{})
		return err
	}))
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, links[0], nil)
	require.NoError(b, err)
	for _, c := range cookies.Cookies {
		req.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	resp, err := (&http.Client{Timeout: 20 * time.Second}).Do(req)
	require.NoError(b, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	require.NoError(b, err)
	require.Equal(b, http.StatusOK, resp.StatusCode, string(content))
	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	require.NoError(b, err)
	b.world.tally.steps.Add(1)
	return rows
}
