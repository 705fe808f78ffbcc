package shopify

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFirstFinalMutationWins(t *testing.T) {
	t.Parallel()
	cases := []struct {
		on            SessionType
		first, second string
		refusal       string
	}{
		{PaymentSession, opPaymentResolve, opPaymentReject, "PaymentSession is already resolved"},
		{PaymentSession, opPaymentReject, opPaymentResolve, "PaymentSession is already rejected"},
		{PaymentSession, opPaymentResolve, opPaymentPending, "PENDING_INVALID_STATE"},
		{PaymentSession, opPaymentReject, opPaymentPending, "PENDING_INVALID_STATE"},
		{RefundSession, opRefundResolve, opRefundReject, "REFUND_SESSION_INVALID_STATE"},
		{RefundSession, opRefundReject, opRefundResolve, "REFUND_SESSION_INVALID_STATE"},
		{CaptureSession, opCaptureResolve, opCaptureReject, "CAPTURE_SESSION_INVALID_STATE"},
		{CaptureSession, opCaptureReject, opCaptureResolve, "CAPTURE_SESSION_INVALID_STATE"},
		{VoidSession, opVoidResolve, opVoidReject, "VOID_SESSION_INVALID_STATE"},
		{VoidSession, opVoidReject, opVoidResolve, "VOID_SESSION_INVALID_STATE"},
	}
	for _, c := range cases {
		t.Run(c.second+" after "+c.first+" is refused and changes nothing", func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			gid := b.payment(t, SessionRequest{ID: "Ps1", Kind: kindFor(c.on)}).GID
			if c.on != PaymentSession {
				gid = b.move(t, c.on)
			}
			require.Empty(t, firstError(b.mutate(t, c.first, argsFor(c.first, gid, b.clock.now()))))
			before := b.session(t, gid)

			payload := b.mutate(t, c.second, argsFor(c.second, gid, b.clock.now()))

			require.Equal(t, c.refusal, firstError(payload))
			require.Nil(t, payload[string(c.on)+"Session"])
			after := b.session(t, gid)
			require.Equal(t, before.State, after.State)
			require.Equal(t, c.first, after.Final.Op)
			require.Len(t, after.Mutations, 2)
			require.Equal(t, ResultEffective, after.Mutations[0].Result)
			require.Equal(t, ResultRefused, after.Mutations[1].Result)
			require.Equal(t, c.refusal, after.Mutations[1].Problem)
			require.Equal(t, 1, b.counts(t).EffectiveFinals)
			require.Equal(t, 1, b.counts(t).Refused)
		})
	}
}

func TestRepeatsReturnTheFirstResult(t *testing.T) {
	t.Parallel()
	cases := map[string]SessionType{
		opPaymentResolve: PaymentSession, opPaymentReject: PaymentSession, opPaymentPending: PaymentSession,
		opRefundResolve: RefundSession, opRefundReject: RefundSession,
		opCaptureResolve: CaptureSession, opCaptureReject: CaptureSession,
		opVoidResolve: VoidSession, opVoidReject: VoidSession,
	}
	for name, on := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			gid := b.payment(t, SessionRequest{ID: "Ps1", Kind: kindFor(on)}).GID
			if on != PaymentSession {
				gid = b.move(t, on)
			}
			first := b.mutate(t, name, argsFor(name, gid, b.clock.now()))
			require.Empty(t, firstError(first))

			again := argsFor(name, gid, b.clock.now().Add(time.Hour))
			if reason, ok := again["reason"].(map[string]any); ok {
				reason["merchantMessage"] = "another text"
			}
			require.Equal(t, first, b.mutate(t, name, again), "later arguments are ignored")

			session := b.session(t, gid)
			require.Equal(t, ResultRepeat, session.Mutations[1].Result)
			require.Equal(t, 1, b.counts(t).Repeats)
			require.Zero(t, b.counts(t).Refused)
		})
	}
}

func TestRepeatedPendingAfterResolveIsStillARepeat(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gid := b.payment(t, SessionRequest{}).GID
	args := argsFor(opPaymentPending, gid, b.clock.now())
	first := b.mutate(t, opPaymentPending, args)
	require.Empty(t, firstError(b.mutate(t, opPaymentResolve, argsFor(opPaymentResolve, gid, b.clock.now()))))

	require.Equal(t, first, b.mutate(t, opPaymentPending, args))
	require.Equal(t, StateResolved, b.session(t, gid).State)
}

func TestUnknownSessions(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		opPaymentResolve: "PaymentSession not found", opPaymentReject: "PaymentSession not found",
		opPaymentPending: "NOT_FOUND",
		opRefundResolve:  "REFUND_SESSION_NOT_FOUND", opRefundReject: "REFUND_SESSION_NOT_FOUND",
		opCaptureResolve: "CAPTURE_SESSION_NOT_FOUND", opCaptureReject: "CAPTURE_SESSION_NOT_FOUND",
		opVoidResolve: "VOID_SESSION_NOT_FOUND", opVoidReject: "VOID_SESSION_NOT_FOUND",
	}
	b := setup(t)
	payment := b.payment(t, SessionRequest{ID: "Ps1"}).GID
	refund := b.move(t, RefundSession)
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wrongType := payment
			if cases[name] == "PaymentSession not found" || name == opPaymentPending {
				wrongType = refund
			}
			for rule, id := range map[string]string{
				"never sent": "gid://shopify/PaymentSession/none", "id instead of gid": "Ps1", "gid of another type": wrongType,
			} {
				require.Equal(t, want, firstError(b.mutate(t, name, argsFor(name, id, b.clock.now()))), rule)
			}
		})
	}
}

func TestSessionsBelongToTheirShop(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gid := b.payment(t, SessionRequest{Shop: borealis}).GID
	require.Equal(t, "PaymentSession not found", firstError(b.mutate(t, opPaymentResolve, map[string]any{"id": gid})))
	require.Equal(t, 1, b.counts(t).Strays)
}

func TestPendingRules(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		ahead time.Duration
		want  string
	}{
		"a past end is refused":                  {-time.Second, "EXPIRED_PENDING_EXPIRES_AT"},
		"an end at this moment is refused":       {0, "EXPIRED_PENDING_EXPIRES_AT"},
		"an end behind the limit is refused":     {72*time.Hour + time.Second, "OUT_OF_RANGE_PENDING_EXPIRES_AT"},
		"an end at the limit is accepted":        {72 * time.Hour, ""},
		"an end in the near future is accepted":  {time.Second, ""},
		"forty-eight hours ahead are acceptable": {48 * time.Hour, ""},
	}
	for rule, c := range cases {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			gid := b.payment(t, SessionRequest{}).GID
			end := b.clock.now().Add(c.ahead)
			args := map[string]any{
				"id": gid, "pendingExpiresAt": end.Format(time.RFC3339), "reason": "BUYER_ACTION_REQUIRED",
			}
			require.Equal(t, c.want, firstError(b.mutate(t, opPaymentPending, args)))
			session := b.session(t, gid)
			if c.want != "" {
				require.Equal(t, StateOpen, session.State)
				require.Zero(t, b.counts(t).Orders)
				return
			}
			require.Equal(t, StatePending, session.State)
			require.Equal(t, end, *session.PendingExpiresAt)
			require.Nil(t, session.Final, "pending decides nothing")
			require.Equal(t, 1, b.counts(t).Pending)
			require.Equal(t, 1, b.counts(t).Orders, "pending makes the order")
		})
	}
}

func TestPendingEndsInEitherFinal(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]OrderStatus{opPaymentResolve: StatusPaid, opPaymentReject: StatusVoided} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			gid := b.payment(t, SessionRequest{}).GID
			b.mutate(t, opPaymentPending, argsFor(opPaymentPending, gid, b.clock.now()))
			require.Equal(t, StatusPending, b.Books(acme, false).Shops[acme].Orders[0].Status)

			require.Empty(t, firstError(b.mutate(t, name, argsFor(name, gid, b.clock.now()))))

			require.Equal(t, name, b.session(t, gid).Final.Op)
			require.Zero(t, b.counts(t).Pending)
			require.Equal(t, 1, b.counts(t).Orders, "there is still one order")
			require.Equal(t, status, b.Books(acme, false).Shops[acme].Orders[0].Status)
		})
	}
}

func TestAuthorizationExpiry(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		kind  PaymentKind
		ahead time.Duration
		want  string
	}{
		"a future end is kept":                          {KindAuthorization, 7 * 24 * time.Hour, ""},
		"a past end is refused":                         {KindAuthorization, -time.Hour, "Authorization expires at must be in the future"},
		"an end years ahead is refused":                 {KindAuthorization, 3 * 366 * 24 * time.Hour, "Authorization expires at is too far in the future"},
		"a sale has no end":                             {KindSale, time.Hour, "Authorization expires at is only valid for an authorization"},
		"a zero time sent by mistake is not overlooked": {KindAuthorization, -250 * 365 * 24 * time.Hour, "Authorization expires at must be in the future"},
	}
	for rule, c := range cases {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			gid := b.payment(t, SessionRequest{Kind: c.kind}).GID
			end := b.clock.now().Add(c.ahead)
			payload := b.mutate(t, opPaymentResolve, map[string]any{
				"id": gid, "authorizationExpiresAt": end.Format(time.RFC3339),
			})
			require.Equal(t, c.want, firstError(payload))
			if c.want == "" {
				require.Equal(t, end.Format(time.RFC3339), payload["paymentSession"].(map[string]any)["authorizationExpiresAt"])
				require.Equal(t, StatusAuthorized, b.Books(acme, false).Shops[acme].Orders[0].Status)
				b.clock.add(c.ahead)
				require.Equal(t, StatusExpired, b.Books(acme, false).Shops[acme].Orders[0].Status)
			}
		})
	}
	t.Run("an authorization without an end is accepted", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		gid := b.payment(t, SessionRequest{Kind: KindAuthorization}).GID
		require.Empty(t, firstError(b.mutate(t, opPaymentResolve, map[string]any{"id": gid})))
	})
}

func TestOffsiteRefusesCardArguments(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gid := b.payment(t, SessionRequest{}).GID
	payload := b.mutate(t, opPaymentResolve, map[string]any{"id": gid, "authentication": map[string]any{}})
	require.Equal(t, "Authentication is not allowed for this payment method", firstError(payload))

	payload = b.mutate(t, opPaymentReject, map[string]any{"id": gid, "reason": map[string]any{"code": "CONFIRMATION_REJECTED"}})
	require.Equal(t, "CONFIRMATION_REJECTED requires a confirmation", firstError(payload))
	require.Equal(t, StateOpen, b.session(t, gid).State)
}

func TestOneResolvePerGroup(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.payment(t, SessionRequest{Group: "g1"}).GID
	second := b.payment(t, SessionRequest{Group: "g1"}).GID
	elsewhere := b.payment(t, SessionRequest{Group: "g2"}).GID
	resolve := func(gid string) string {
		return firstError(b.mutate(t, opPaymentResolve, map[string]any{"id": gid}))
	}
	require.Empty(t, resolve(first))
	require.Equal(t, "Another PaymentSession of this group is already resolved", resolve(second))
	require.Equal(t, "PENDING_INVALID_STATE",
		firstError(b.mutate(t, opPaymentPending, argsFor(opPaymentPending, second, b.clock.now()))))
	require.Empty(t, resolve(elsewhere))
	require.Empty(t, firstError(b.mutate(t, opPaymentReject, argsFor(opPaymentReject, second, b.clock.now()))),
		"the loser can be rejected")
	require.Equal(t, 2, b.counts(t).Orders)
	require.Equal(t, Counts{
		Sessions: 3, Orders: 2, EffectiveFinals: 3, Resolved: 2, Rejected: 1, Refused: 2,
	}, b.counts(t))
}

func TestNextActionLeadsBack(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		opPaymentResolve: "/orders/%/thank_you", opPaymentPending: "/orders/%/thank_you", opPaymentReject: "/checkouts/%",
	}
	for name, path := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			started := b.payment(t, SessionRequest{})
			payload := b.mutate(t, name, argsFor(name, started.GID, b.clock.now()))
			next := payload["paymentSession"].(map[string]any)["nextAction"].(map[string]any)
			require.Equal(t, "REDIRECT", next["action"])
			context := next["context"].(map[string]any)
			require.Equal(t, "PaymentSessionActionsRedirect", context["__typename"])
			want := "http://shop.test/shops/" + acme + replacePercent(path, started.Checkout)
			require.Equal(t, want, context["redirectUrl"])
			page := b.get(t, want[len("http://shop.test"):])
			require.Equal(t, http.StatusOK, page.status)
		})
	}
}

func TestBooksStayBoundedUnderEndlessRepeats(t *testing.T) {
	t.Parallel()
	var session Session
	for range maxMutations + 7 {
		session.note(Mutation{Op: opPaymentResolve})
	}
	require.Len(t, session.Mutations, maxMutations)
	require.Equal(t, 7, session.MoreMutations)
}

func TestRacingFinalsHaveOneWinner(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gid := b.payment(t, SessionRequest{}).GID
	sh := b.shops[acme]
	const racers = 32
	effective := make(chan string, racers)
	var group sync.WaitGroup
	for i := range racers {
		name := opPaymentResolve
		if i%2 == 1 {
			name = opPaymentReject
		}
		op, _ := operationNamed(name)
		group.Go(func() {
			if firstError(b.perform(&outbox{}, sh, op, argsFor(name, gid, b.clock.now()))) == "" {
				effective <- name
			}
		})
	}
	group.Wait()
	close(effective)
	winner := b.session(t, gid).Final.Op
	won := 0
	for name := range effective {
		require.Equal(t, winner, name, "only repeats of the winner succeed")
		won++
	}
	require.Equal(t, racers/2, won)
	require.Equal(t, 1, b.counts(t).EffectiveFinals)
}
