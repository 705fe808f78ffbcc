package recharge

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/dev/stack"
	"tillflow/internal/access/audit"
	"tillflow/internal/crypt"
	"tillflow/internal/recharge"
	"tillflow/standin/faults"
	standin "tillflow/standin/recharge"
)

var tester = audit.Actor{Name: "tester"}

func credentials(token, secret string) *recharge.Credentials {
	return &recharge.Credentials{Token: crypt.Secret(token), Secret: crypt.Secret(secret)}
}

// TestRecharge is one story on one stack: each part goes on from the one before.
func TestRecharge(t *testing.T) {
	w := open(t)
	t.Run("1,200 failed charges, a 429, a lost answer, a lost page and a killed worker: each is told once", w.everyChargeOnce)
	t.Run("a webhook that comes twice tells its charge once", w.webhookTwice)
	t.Run("a refused token stops nobody else, and is over when it is replaced", w.unauthorized)
	t.Run("an answer of 500, a refused cursor and half a page leave the walk where it is", w.troubles)
	t.Run("what the policy names is charged again once, also when the answer is lost", w.policy)
}

func (w *world) everyChargeOnce(t *testing.T) {
	w = w.on(t)
	var ids []int64
	for _, errorType := range []string{"CARD_EXPIRED", "INSUFFICIENT_FUNDS", "AUTHENTICATION_REQUIRED", "SHIPPING_RATE_ERROR"} {
		ids = append(ids, w.fails(stack.Shop, 300, standin.ChargeSpec{ErrorType: errorType, Note: "for " + errorType})...)
	}
	want := texts(ids)
	board := w.Recharge.Faults()
	for _, rule := range []faults.Rule{
		{Call: "charges.list", Kind: faults.TooManyRequests, Nth: 2, DelayMS: 3000},
		{Call: "charges.list", Kind: faults.LoseReply, Nth: 4},
		{Call: "charges.list", Kind: faults.HoldReply, Nth: 6},
	} {
		_, err := board.Arm(rule)
		require.NoError(t, err)
	}
	require.NoError(t, w.Recharge.ArmPage(standin.PageFault{Call: "charges.list", Kind: standin.PageLost, Nth: 4}))
	began := time.Now()
	w.spawn("worker")
	w.spawn("serve")
	w.soon("the walk stands at its sixth call", func() bool { return board.Held() == 1 })
	known := w.connection(stack.Shop).Failing
	require.Positive(t, known)
	require.Less(t, known, 1200, "the worker dies in the middle")
	require.NoError(t, w.roles["worker"].Kill())
	board.Release()
	w.spawn("worker")
	w.soon("all are known and told", w.settled(stack.Shop, 1200))
	for _, rule := range board.Status().Rules {
		require.True(t, rule.Spent, "%s of %s never struck", rule.Kind, rule.Call)
	}
	require.Equal(t, 1, w.Recharge.PageFaults()[0].Fired, "no page was lost")

	books := w.Recharge.Books(stack.Shop).Stores[stack.Shop]
	require.Len(t, books.Charges, 1200)
	require.Empty(t, books.Payments, "nothing is charged again unless the shop says so")
	mailed, mails := w.mailed(stack.Shop)
	w.once(want, mailed, "the mails")
	d := w.desk("operator")
	listed, pages := d.listed("/console/recharge?shop=" + stack.Shop)
	w.once(want, listed, "the console")
	rows := d.exported(stack.Shop)
	exported := make([]string, len(rows))
	customers := map[int64]int64{}
	for _, c := range books.Charges {
		customers[c.ID] = c.ShopifyID
	}
	for i, row := range rows {
		exported[i] = row[0]
		id, err := strconv.ParseInt(row[0], 10, 64)
		require.NoError(t, err)
		require.Equal(t, strconv.FormatInt(customers[id], 10), row[10], "the External Customer ID")
		require.Equal(t, "for "+row[3], row[20], "the note")
	}
	w.once(want, exported, "the file")
	t.Logf("PROOF 5 ok 1200 failed charges over %d calls for pages with a 429, a lost answer, a lost page and a killed worker (%d known then): "+
		"each once in %d mails, %d pages of the console and %d rows of the file, in %.0f s",
		books.Calls["charges.list"], known, mails, pages, len(rows), time.Since(began).Seconds())
}

func (w *world) webhookTwice(t *testing.T) {
	w = w.on(t)
	w.soon("the webhooks are made", func() bool {
		return len(w.Recharge.Books(stack.Shop).Stores[stack.Shop].Subscribed) == len(recharge.Topics())
	})
	_, err := w.Recharge.Faults().Arm(faults.Rule{Call: "charge/failed", Kind: faults.WebhookTwice})
	require.NoError(t, err)
	ids, err := w.Recharge.AddCharges(stack.Shop, 1, standin.ChargeSpec{ErrorType: "CARD_DECLINED", Announce: true, AgeSeconds: 1})
	require.NoError(t, err)
	w.soon("it is told", w.settled(stack.Shop, 1201))
	w.soon("both deliveries are answered", func() bool {
		n := 0
		for _, d := range w.Recharge.Books(stack.Shop).Stores[stack.Shop].Webhooks {
			if d.LastStatus == 200 && d.Topic == "charge/failed" {
				n += d.Attempts
			}
		}
		return n >= 2
	})
	mailed, _ := w.mailed(stack.Shop)
	n := 0
	for _, id := range mailed {
		if id == strconv.FormatInt(ids[0], 10) {
			n++
		}
	}
	require.Equal(t, 1, n)
}

func (w *world) unauthorized(t *testing.T) {
	w = w.on(t)
	want := texts(w.fails(small, 10, standin.ChargeSpec{}))
	w.fails(refused, 3, standin.ChargeSpec{})
	w.connect(refused, "a token that Recharge does not know", recharge.Policy{})
	w.connect(small, "", recharge.Policy{})
	w.soon("the other shop is told", w.settled(small, 10))
	mailed, _ := w.mailed(small)
	w.once(want, mailed, "the mails")
	w.soon("the trouble is noted", func() bool { return w.connection(refused).Trouble == "Unauthorized http_401" })
	page := w.desk("viewer").get("/console/recharge")
	require.Contains(t, page, "cannot be read since")
	out, err := w.Command(t.Context(), "recharge", "list")
	require.NoError(t, err)
	require.Contains(t, out, "Unauthorized http_401")
	w.connect(refused, "", recharge.Policy{})
	w.soon("it is told at last", w.settled(refused, 3))
}

func (w *world) troubles(t *testing.T) {
	w = w.on(t)
	board := w.Recharge.Faults()
	failed, err := board.Arm(faults.Rule{Call: "charges.list", Kind: faults.ErrorBefore, Times: -1})
	require.NoError(t, err)
	w.fails(small, 300, standin.ChargeSpec{})
	w.soon("the trouble is noted", func() bool { return w.connection(small).Trouble == "Unavailable http_500" })
	board.Disarm(failed.ID)
	require.NoError(t, w.Recharge.ArmPage(standin.PageFault{Call: "charges.list", Kind: standin.PageRefuse}))
	require.NoError(t, w.Recharge.ArmPage(standin.PageFault{Call: "charges.list", Kind: standin.PageHalf, Times: 2}))
	w.soon("all are told", w.settled(small, 310))
	for _, f := range w.Recharge.PageFaults() {
		require.Positive(t, f.Fired, f.Kind)
	}
	mailed, _ := w.mailed(small)
	require.Len(t, mailed, 310)
	slices.Sort(mailed)
	require.Len(t, slices.Compact(mailed), 310)
	require.Len(t, w.desk("finance").exported(small), 310)
}

func (w *world) policy(t *testing.T) {
	w = w.on(t)
	ids := w.fails(refused, 3, standin.ChargeSpec{ErrorType: "INSUFFICIENT_FUNDS", Card: "good", Override: map[string]any{"retry_date": nil}})
	_, err := w.Recharge.Faults().Arm(faults.Rule{Call: "charges.process", Kind: faults.LoseReply})
	require.NoError(t, err)
	w.connect(refused, "", recharge.Policy{Process: []recharge.Category{recharge.InsufficientFunds}, After: time.Minute})
	books := func() standin.StoreBooks { return w.Recharge.Books(refused).Stores[refused] }
	w.soon("they are paid", func() bool { return len(books().Payments) == 3 })
	w.soon("we know it", func() bool {
		found, err := w.record.FailedCharges(t.Context(), recharge.Filter{Shop: refused, Status: recharge.StatusSuccess})
		return err == nil && len(found.List) == 3
	})
	require.Equal(t, 3, books().Calls["charges.process"])
	for _, c := range books().Charges {
		if slices.Contains(ids, c.ID) {
			require.Equal(t, 1, c.Paid, "charge %d", c.ID)
		}
	}
	require.Len(t, books().Payments, 3, "the others were left alone")
}

// on is the world for a part of the story.
func (w *world) on(t *testing.T) *world {
	part := *w
	part.T = t
	return &part
}
