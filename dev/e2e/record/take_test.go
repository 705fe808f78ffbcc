package record

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"tillflow/dev/e2e/history"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/standin/faults"
	"tillflow/standin/shopify"
)

// take is a scenario being played.
type take struct {
	scenario

	r       *recorder
	minor   int    // like no other take's, so that faults can match it
	account string // of the shop at the stand-in Stripe
	group   string
	session shopify.SessionAnswer
	page    string // the provider's
}

// sell is a whole sale without incident.
func (k *take) sell(t *testing.T, kind shopify.PaymentKind, card string) {
	t.Helper()
	k.accept(t, kind)
	k.page = k.choose(t, "Card")
	k.pay(t, card)
	k.back(t)
}

// sellAtSandbox pays at the built-in provider, which sends no messages.
func sellAtSandbox(t *testing.T, k *take) {
	k.accept(t, shopify.KindSale)
	page := k.choose(t, "Sandbox")
	form := url.Values{"choice": {"success"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, page, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := (&http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusSeeOther, resp.StatusCode)
	k.back(t)
}

func (k *take) accept(t *testing.T, kind shopify.PaymentKind) {
	t.Helper()
	var err error
	k.session, err = k.r.stack.Shopify.StartSession(t.Context(), shopify.SessionRequest{
		Shop: k.shop(), Amount: fmt.Sprintf("%d.%02d", k.minor/100, k.minor%100), Currency: "EUR", Kind: kind, Group: k.group, Test: true,
		Customer: &shopify.Customer{Email: "buyer@example.com", Locale: "en"},
	})
	require.NoError(t, err)
	require.True(t, k.session.Accepted, "%d %s %s", k.session.Status, k.session.Body, k.session.Error)
}

func (k *take) choose(t *testing.T, option string) string {
	t.Helper()
	page, err := k.r.buyer.Choose(t.Context(), k.session.RedirectURL, option)
	require.NoError(t, err)
	return page
}

func (k *take) pay(t *testing.T, card string) {
	t.Helper()
	_, err := k.r.buyer.PayStripe(t.Context(), k.page, card)
	require.NoError(t, err)
}

func (k *take) declined(t *testing.T, card string) {
	t.Helper()
	_, err := k.r.buyer.PayStripe(t.Context(), k.page, card)
	require.ErrorContains(t, err, "402")
}

func (k *take) back(t *testing.T) {
	t.Helper()
	_, err := k.r.buyer.Return(t.Context(), strings.Replace(k.session.RedirectURL, "/pay/", "/return/", 1))
	require.NoError(t, err)
}

func (k *take) moveID() string { return "move-" + k.name }

// ask sends a capture, void or refund session about the charge; a void has no amount.
func (k *take) ask(t *testing.T, kind shopify.SessionType, minor int) {
	t.Helper()
	k.r.end(t, k.run()) // only then the shop has its answer
	req := shopify.SessionRequest{ID: k.moveID(), Type: kind, Shop: k.shop(), PaymentID: k.session.ID, Test: true}
	if minor > 0 {
		req.Amount, req.Currency = fmt.Sprintf("%d.%02d", minor/100, minor%100), "EUR"
	}
	asked, err := k.r.stack.Shopify.StartSession(t.Context(), req)
	require.NoError(t, err)
	require.True(t, asked.Accepted, "%d %s %s", asked.Status, asked.Body, asked.Error)
}

func (k *take) leave(t *testing.T) {
	t.Helper()
	_, err := k.r.buyer.Leave(t.Context(), k.session.RedirectURL)
	require.NoError(t, err)
}

// press is what an operator does.
func (k *take) press(t *testing.T, verb string, more ...string) {
	t.Helper()
	args := append([]string{"payment", verb, "-actor", "recorder"}, more...)
	_, err := k.r.stack.Command(t.Context(), append(args, k.session.ID)...)
	require.NoError(t, err)
}

func (k *take) terminate(t *testing.T) {
	t.Helper()
	require.NoError(t, k.r.client.TerminateWorkflow(t.Context(), k.run(), "", "recorded"))
}

// set changes a setting of the shop.
func (k *take) set(t *testing.T, sql string) {
	t.Helper()
	tag, err := k.r.pool.Exec(t.Context(), sql, k.shop())
	require.NoError(t, err)
	require.Positive(t, tag.RowsAffected())
}

// stripe arms a fault at the provider for what is about this take.
func (k *take) stripe(t *testing.T, r faults.Rule) {
	t.Helper()
	if r.Match == "" {
		r.Match = fmt.Sprint(k.minor)
	}
	_, err := k.r.stack.Stripe.Faults().Arm(r)
	require.NoError(t, err)
}

// shopify arms a fault at the shop for the answer to this take.
func (k *take) shopify(t *testing.T, kind faults.Kind) {
	t.Helper()
	_, err := k.r.stack.Shopify.Faults().Arm(faults.Rule{Call: "paymentSessionResolve", Kind: kind, Match: k.session.GID})
	require.NoError(t, err)
}

func (k *take) run() string {
	return flow.ChargeID(payment.SourceShopify, k.shop(), k.session.ID)
}

// awaitOperator waits until a person is called.
func (k *take) awaitOperator(t *testing.T) {
	t.Helper()
	k.await(t, "operator <> ''")
}

func (k *take) await(t *testing.T, condition string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var yes bool
		row := k.r.pool.QueryRow(t.Context(), "SELECT "+condition+" FROM payments WHERE shop = $1 AND external_id = $2", k.shop(), k.session.ID)
		return row.Scan(&yes) == nil && yes
	}, 30*time.Second, 50*time.Millisecond, "%s never was %s", k.name, condition)
}

// keep waits for the end and saves the histories.
func (k *take) keep(t *testing.T) {
	t.Helper()
	k.r.end(t, k.run())
	k.r.save(t, history.Run{Type: "Charge", WorkflowID: k.run()}, k.file("Charge"))
	if k.move != "" {
		id := flow.MoveID(payment.MoveRef{
			Kind: payment.Operation(strings.ToLower(k.move)), Source: payment.SourceShopify, Shop: k.shop(), ExternalRef: k.moveID(),
		})
		k.r.end(t, id)
		k.r.save(t, history.Run{Type: k.move, WorkflowID: id}, k.file(k.move))
	}
	if !k.reversal {
		return
	}
	var runs []history.Run
	require.Eventually(t, func() bool {
		var err error
		runs, err = history.Runs(t.Context(), k.r.client, fmt.Sprintf("WorkflowType = 'Reversal' AND PayShop = %q", k.shop()))
		return err == nil && len(runs) == 1
	}, 30*time.Second, 100*time.Millisecond, "%s has no reversal", k.name)
	k.r.end(t, runs[0].WorkflowID)
	k.r.save(t, runs[0], k.file("Reversal"))
}

// end waits until the latest run has ended by itself.
func (r *recorder) end(t *testing.T, workflowID string) {
	t.Helper()
	require.Eventually(t, func() bool {
		d, err := r.client.DescribeWorkflowExecution(context.WithoutCancel(t.Context()), workflowID, "")
		return err == nil && d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	}, 45*time.Second, 100*time.Millisecond, "%s does not end", workflowID)
}
