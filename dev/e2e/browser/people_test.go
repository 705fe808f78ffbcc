package browser_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tillflow/dev/stack"
	"tillflow/internal/store"
	"tillflow/standin/shopify"
)

const clarasPassword = "seventeen quiet marmots"

// authenticator is the app on somebody's phone: RFC 6238, written from it and not
// from our own code.
func (w *world) authenticator(t *testing.T, secret string) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(secret, " ", ""))
	require.NoError(t, err)
	mac := hmac.New(sha1.New, key)
	require.NoError(t, binary.Write(mac, binary.BigEndian, w.Clock.Now().Unix()/30))
	sum := mac.Sum(nil)
	at := sum[19] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[at:])&0x7fffffff)%1_000_000)
}

var shownSecret = regexp.MustCompile(`Secret: ([A-Z2-7 ]+?) 3\.`)

func (b *tab) fill(id, text string) {
	b.Helper()
	b.do(chromedp.SetValue(chromedp.ID(id), text))
}

// joins: an administrator invites somebody, who lets herself in, loses her phone
// and finds back. Every page on the way is looked at as those behind the login.
func joins(t *testing.T, w *world) {
	admin := w.enter(t, "admin")
	admin.visit(w.PayURL + "/console/people")
	admin.sees("People", "Invite somebody")
	admin.fill("name", "Clara")
	admin.fill("role", "finance")
	admin.press("Invite")
	admin.sees("Invitation", "For clara, until")
	admin.soundInAll("people-invited")
	link := steady(admin, chromedp.Evaluate[string](`document.querySelector("#link").value`))
	require.True(t, strings.HasPrefix(link, w.PayURL+"/console/join/"), link)

	b := w.open(t)
	b.visit(link)
	b.sees("Welcome to tillflow", "You sign in as clara, in the role finance.")
	require.Equal(t, w.PayURL+"/console/join", b.at(), "the secret does not stay in the address")
	b.soundInAll("join")
	found := shownSecret.FindStringSubmatch(b.text())
	require.Len(t, found, 2, b.text())
	secret := found[1]
	b.fill("password", clarasPassword)
	b.fill("again", clarasPassword)
	b.fill("code", "000000")
	b.press("Finish")
	b.sees("Welcome to tillflow", "The code is not the one that belongs to this secret.")
	b.fill("password", clarasPassword)
	b.fill("again", clarasPassword)
	b.fill("code", w.authenticator(t, secret))
	b.press("Finish")
	b.sees("Keep your recovery codes", "shown this once")
	b.soundInAll("joined")
	codes := steady(b, chromedp.Evaluate[[]string](`[...document.querySelectorAll(".codes code")].map((c) => c.innerText)`))
	require.Len(t, codes, 10)

	b.visit(link)
	b.sees("This link is not valid any more")
	b.answered(http.StatusGone)
	b.soundInAll("join-used")

	w.Clock.Skip(time.Minute) // the code that proved the authenticator is spent
	b.visit(w.PayURL + "/console")
	b.sees("Sign in")
	b.soundInAll("login")
	b.passes(clarasPassword)
	b.sees("Enter your code")
	b.soundInAll("login-code")
	b.fill("code", w.authenticator(t, secret))
	b.press("Go on")
	b.sees("Payments")
	b.visit(w.PayURL + "/console/me")
	b.sees("clara", "10 recovery codes are left.", "password and code")
	b.soundInAll("me-local")
	b.press("Sign out everywhere")
	b.sees("Sign in", "You are signed out.")

	b.passes(clarasPassword)
	b.sees("Enter your code")
	b.press("I do not have my authenticator")
	b.sees("Use a recovery code")
	b.soundInAll("login-recovery")
	b.fill("code", strings.ToLower(codes[6]))
	b.press("Go on")
	b.sees("Payments")
	b.visit(w.PayURL + "/console/me")
	b.sees("clara", "9 recovery codes are left.", "password and recovery code")
}

// passes gives Clara's name and a password, and waits for the answer's page.
func (b *tab) passes(password string) {
	b.Helper()
	b.fill("name", "clara")
	b.fill("password", password)
	_, err := ask[bool](b, `(document.documentElement.dataset.left = "yes", true)`)
	require.NoError(b, err)
	b.press("Sign in")
	require.Eventually(b, func() bool {
		arrived, err := ask[bool](b, `document.readyState === "complete" && !document.documentElement.dataset.left`)
		return err == nil && arrived
	}, patience, 30*time.Millisecond, "the login answers")
}

// refusals: what a wrong role, a form of nobody's and a guesser get.
func refusals(t *testing.T, w *world) {
	session := w.order(t, shopify.SessionRequest{Shop: stack.Shop, Amount: "19.00", Test: true})
	found, err := w.Service.Store.FindPayment(t.Context(), session.ID)
	require.NoError(t, err)
	home := w.PayURL + "/console"
	address := home + "/payments/" + found.Run.PaymentID
	denied := func() int {
		list, err := w.Service.Store.ListAudit(t.Context(), store.AuditFilter{Action: "access.denied", Limit: 500})
		require.NoError(t, err)
		return len(list)
	}
	before := denied()
	refused := 0
	for role, paths := range map[string][]string{
		"viewer":   {address + "/act?do=retry&choice=", home + "/audit", home + "/people"},
		"operator": {home + "/audit", home + "/people"},
		"finance":  {home + "/people"},
	} {
		b := w.enter(t, role)
		for _, path := range paths {
			b.visit(path)
			b.sees("Your role does not permit this", "Nothing was done, and this was noted.")
			b.answered(http.StatusForbidden)
			refused++
			require.Equal(t, before+refused, denied(), "%s at %s is in the audit", role, path)
		}
		if role == "viewer" {
			b.soundInAll("denied")
		}
	}

	b := w.enter(t, "operator")
	b.visit(address + "/act?do=note&choice=")
	b.sees("Write a note?")
	_, err = ask[bool](b, `(document.querySelectorAll("main [name=csrf]").forEach((e) => e.remove()), true)`)
	require.NoError(t, err)
	b.fill("reason", "forged")
	b.press("Write a note")
	b.sees("This form is not valid any more", "Nothing was done.")
	b.answered(http.StatusForbidden)
	b.soundInAll("forged")
	d, err := w.Service.Store.ShowPayment(t.Context(), found.Run.PaymentID, false)
	require.NoError(t, err)
	require.Empty(t, d.Actions, "nothing was written")
	b.visit(w.PayURL + "/console/payments/nobody")
	b.sees("Not found")
	b.answered(http.StatusNotFound)
	b.soundInAll("not-found")

	guesses := guessed(t, w)
	t.Logf("PROOF 7.refusals ok %d requests of a wrong role 403 and in the audit, a form without token 403, a guesser slowed after %d guesses", refused, guesses)
}

var slowed = regexp.MustCompile(`Too many tries\. Try again in ([0-9]+) second`)

// guessed: somebody guesses at Clara's password, and waits after each guess twice as
// long as before. It answers how many guesses were free.
func guessed(t *testing.T, w *world) int {
	t.Helper()
	const noticed = 60 // seconds that the slowest machine does not sit out below
	b := w.open(t)
	b.visit(w.PayURL + "/console/login")
	b.sees("Sign in")
	free := 0
	for guess, wait := 1, 0; ; guess++ {
		require.Less(t, guess, 40, "a guesser is slowed, last by %d s", wait)
		b.passes(fmt.Sprintf("guess number %d", guess))
		found := slowed.FindStringSubmatch(b.text())
		if found == nil {
			b.sees("Sign in", "Name or password is not correct.")
			continue
		}
		b.answered(http.StatusTooManyRequests)
		if free == 0 {
			free = guess - 1
		}
		next, err := strconv.Atoi(found[1])
		require.NoError(t, err)
		require.GreaterOrEqual(t, next, wait, "waits grow")
		if wait = next; wait > noticed {
			break
		}
		w.Clock.Skip(time.Duration(wait) * time.Second)
	}
	require.Less(t, free, 12, "a guesser is slowed")
	b.passes(clarasPassword)
	b.sees("Sign in", "Too many tries.")
	b.answered(http.StatusTooManyRequests)
	b.soundInAll("login-slowed")
	w.Clock.Skip(20 * time.Minute) // longer than any wait
	b.passes(clarasPassword)
	b.sees("Enter your code")
	return free
}
