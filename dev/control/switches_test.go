package control_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
)

func TestSwitches(t *testing.T) {
	t.Parallel()
	looks := func(calls ...string) (list []faults.Rule) {
		for _, call := range calls {
			list = append(list, faults.Rule{Call: call, Kind: faults.HoldReply, Times: -1})
		}
		return list
	}
	lost := func(call string) []faults.Rule { return []faults.Rule{{Call: call, Kind: faults.LoseReply}} }
	for _, tt := range []struct {
		name, button    string
		form            url.Values
		stripe, shopify []faults.Rule
	}{
		{
			"lose the next reply holds the look-ups that would find out at once", "lose-reply", nil,
			append(lost("checkout.sessions.create"), looks("checkout.sessions.list", "checkout.sessions.retrieve")...), nil,
		},
		{
			"of a refund", "lose-reply",
			url.Values{"call": {"refunds.create"}},
			append(lost("refunds.create"), looks("refunds.list", "refunds.retrieve")...), nil,
		},
		{
			"of a capture", "lose-reply",
			url.Values{"call": {"payment_intents.capture"}},
			append(lost("payment_intents.capture"), looks("payment_intents.retrieve")...), nil,
		},
		{
			"of a void", "lose-reply",
			url.Values{"call": {"payment_intents.cancel"}},
			append(lost("payment_intents.cancel"), looks("payment_intents.retrieve")...), nil,
		},
		{"look-ups may be free", "lose-reply", url.Values{"looks": {"free"}}, lost("checkout.sessions.create"), nil},
		{"webhook twice", "webhook-twice", nil, []faults.Rule{{Call: "*", Kind: faults.WebhookTwice}}, nil},
		{"webhook before reply", "webhook-first", nil, []faults.Rule{{Call: "hosted.pay", Kind: faults.WebhookBeforeReply}}, nil},
		{
			"slow settle", "slow-settle",
			url.Values{"call": {"refunds.create"}, "delay": {"5m"}},
			[]faults.Rule{{Call: "refunds.create", Kind: faults.SlowSettle, DelayMS: 300_000}},
			nil,
		},
		{
			"Shopify throttles", "throttle",
			url.Values{"times": {"3"}},
			nil,
			[]faults.Rule{{Call: "paymentSession*", Kind: faults.Decline("THROTTLED"), Times: 3}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			require.Contains(t, b.page(), "Nothing is armed.")
			page := b.press("/arm/"+tt.button, tt.form)
			require.Equal(t, tt.stripe, rules(b.stripe))
			require.Equal(t, tt.shopify, rules(b.shopify))
			require.NotContains(t, page, "Nothing is armed.")
			require.Contains(t, page, "Armed: ", "the press is told")
		})
	}
}

// Every choice that the page offers is taken by the stand-in: a call that it does not know is refused there.
func TestEveryChoiceIsKnownAtItsStandIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	form := regexp.MustCompile(`(?s)action="/arm/([^"]+)".*?</form>`)
	knob := regexp.MustCompile(`(?s)<select [^>]*name="([^"]+)">(.*?)</select>`)
	value := regexp.MustCompile(`<option value="([^"]+)">`)
	pressed := 0
	for _, f := range form.FindAllStringSubmatch(b.page(), -1) {
		b.press("/arm/"+f[1], nil)
		for _, k := range knob.FindAllStringSubmatch(f[0], -1) {
			for _, v := range value.FindAllStringSubmatch(k[2], -1) {
				b.press("/arm/"+f[1], url.Values{k[1]: {strings.ReplaceAll(v[1], "&#43;", "+")}})
				pressed++
			}
		}
	}
	require.GreaterOrEqual(t, pressed, 20)
}

func TestUnknownChoicesArmNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Contains(t, b.refused(http.StatusNotFound, "/arm/explode", nil), "There is no such switch")
	page := b.refused(http.StatusBadRequest, "/arm/slow-settle", url.Values{"delay": {"-1s"}})
	require.Contains(t, page, "“How long” has no such choice, so nothing was armed.")
	require.Contains(t, page, "choose one of the list", "what to do instead")
	require.Empty(t, rules(b.stripe))
	b.refused(http.StatusBadRequest, "/arm/webhook-twice", url.Values{"x": {strings.Repeat("x", 1<<20)}})
	require.Empty(t, rules(b.stripe), "a form beyond measure is not read")
}

func TestArmedSwitches(t *testing.T) {
	t.Parallel()

	t.Run("the page counts what each did", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.press("/arm/throttle", url.Values{"times": {"3"}})
		require.Contains(t, b.page(), "Shopify: refuse with THROTTLED")
		require.Contains(t, b.page(), "met 0 calls, struck 0")
		b.shopify.Plan("paymentSessionResolve", "")
		require.Contains(t, b.page(), "met 1 call, struck 1")
		require.Contains(t, b.page(), "armed, 2 left")
		b.shopify.Plan("paymentSessionReject", "")
		b.shopify.Plan("paymentSessionResolve", "")
		page := b.page()
		require.Contains(t, page, "struck 3")
		require.Contains(t, page, `<span class="pill good">struck</span>`)
		require.NotContains(t, page, "/lift/", "what is over cannot be lifted")
	})

	t.Run("one is lifted alone", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.press("/arm/webhook-twice", nil)
		b.press("/arm/webhook-first", nil)
		page := b.press("/lift/stripe/f1", nil)
		require.Contains(t, page, "lifted")
		require.Empty(t, b.stripe.Webhook("checkout.session.completed", ""))
		require.True(t, b.stripe.Plan("hosted.pay", "").Has(faults.WebhookBeforeReply))
		require.Contains(t, b.refused(http.StatusNotFound, "/lift/stripe/f9", nil), "not armed any more")
		require.Contains(t, b.refused(http.StatusNotFound, "/lift/mail/f1", nil), "not armed any more")
	})

	t.Run("all are lifted at once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.press("/arm/webhook-twice", nil)
		b.press("/arm/throttle", nil)
		require.Contains(t, b.press("/clear", nil), "Nothing is armed.")
		require.Empty(t, rules(b.stripe))
		require.Empty(t, rules(b.shopify))
	})

	t.Run("rules of others are shown in words, with what they match", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for kind, words := range map[faults.Kind]string{
			faults.LoseRequest: "lose the request", faults.Delay: "begin 1.5s late", faults.DelayReply: "answer 1.5s late",
			faults.TooManyRequests: "refuse with 429", faults.ErrorBefore: "nothing done", faults.ErrorAfter: "do it and fail",
			faults.WrongAmount: "take another amount", faults.WebhookDrop: "drop the webhook", faults.WebhookDelay: "send the webhook 1.5s late",
			faults.WebhookReorder: "after the next one", faults.Decline("card_declined"): "refuse with card_declined",
		} {
			_, err := b.stripe.Arm(faults.Rule{Call: "*", Kind: kind, DelayMS: 1500, Match: "ref-7"})
			require.NoError(t, err)
			require.Contains(t, b.page(), words)
		}
		require.Contains(t, b.page(), "<code>* with ref-7</code>")
	})
}

func TestHeldAnswersAreLetThrough(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Contains(t, b.refused(http.StatusConflict, "/release", nil), "Nothing is held back")
	b.press("/arm/lose-reply", nil)
	require.NotContains(t, b.page(), "Let look-ups through", "nothing is held yet")

	answered := make(chan int, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() { // a look-up, as the service makes it
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/v1/checkout/sessions", nil).WithContext(ctx)
		b.stripe.Serve(w, r, faults.Call{Name: "checkout.sessions.list", Do: func(*faults.Plan) faults.Reply {
			return faults.Reply{Status: http.StatusOK}
		}})
		answered <- w.Code
	}()
	require.Eventually(t, func() bool { return b.stripe.Held() == 1 }, patience, time.Millisecond)
	require.Contains(t, b.page(), "1 answer of look-ups held back now.")

	page := b.press("/release", nil)
	require.Equal(t, http.StatusOK, <-answered)
	require.Contains(t, page, "Let 1 held answer through; later ones are answered at once.")
	require.False(t, b.stripe.Plan("checkout.sessions.list", "").Has(faults.HoldReply))
	require.True(t, b.stripe.Plan("checkout.sessions.create", "").Has(faults.LoseReply), "the reply is still to be lost")
}
