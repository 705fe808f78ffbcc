package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/config"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// console is the Temporal UI of the examples.
var console = config.Config{TemporalUI: "https://temporal.example.com/", TemporalNamespace: "payments"}

func details(change ...func(*payment.Details)) payment.Details {
	d := payment.Details{Summary: payment.Summary{
		Run: payment.RunRef{
			PaymentID: "0190a0c4-0000-7000-8000-000000000001", Source: payment.SourceShopify, Shop: "acme.myshopify.com",
			ExternalID: "PsExample0001", Kind: payment.Sale, Amount: money.New(4990, "EUR"), ReceivedAt: noon,
		},
		Token: "canary-link", State: payment.Created, DeadlineAt: noon.Add(48 * time.Hour),
	}}
	for _, c := range change {
		c(&d)
	}
	return d
}

// troubled is a payment with something under every heading.
func troubled(d *payment.Details) {
	d.Run.Test, d.State, d.Final, d.FinalReason = true, payment.Captured, payment.Resolve, ""
	d.Operator, d.OperatorSince, d.TellRefused = payment.ResolveRefused, noon.Add(5*time.Minute), "INVALID_STATE"
	declined := payment.AttemptDetails{
		Asked:   money.New(4990, "EUR"),
		Attempt: payment.Attempt{ID: "0190a0c4-0000-7000-8000-00000000a001", Operation: payment.OpCharge, State: payment.Declined, Provider: "stripe", Ref: "cs_1"},
		Key:     "tf:canary-key", FirstSent: noon.Add(time.Minute), Sends: 1, Decline: payment.InsufficientFunds, Code: "card_declined",
	}
	paid := payment.AttemptDetails{
		Attempt:   payment.Attempt{ID: "0190a0c4-0000-7000-8000-00000000a002", Operation: payment.OpCharge, State: payment.Done, Provider: "stripe", Ref: "cs_2"},
		FirstSent: noon.Add(2 * time.Minute), Sends: 3,
	}
	back := payment.AttemptDetails{
		Attempt: payment.Attempt{ID: "0190a0c4-0000-7000-8000-00000000a003", Operation: payment.OpReversal, Leg: "refund", State: payment.Allocated, Provider: "stripe"},
	}
	d.Attempts = []payment.AttemptDetails{declined, paid, back}
	d.Evidence = []payment.EvidenceLine{
		{ID: "e1", Kind: payment.ByWebhook, Ref: "evt_1"}, {ID: "e2", Kind: payment.ByLookup, Ref: "req_2"},
	}
	d.Timeline = []payment.TimelineLine{
		{What: "accepted", At: noon},
		{What: "attempt", Before: "sent", After: "declined", Detail: "card_declined", EvidenceID: "e1", At: noon.Add(time.Minute)},
		{What: "attempt", Before: "", After: "done", EvidenceID: "e2", At: noon.Add(3 * time.Minute)},
		{What: "operator", Before: "resolve_refused", After: "", EvidenceID: "e9", At: noon.Add(6 * time.Minute)},
	}
	d.Postings = []payment.PostingLine{
		{Kind: "capture", Account: "provider/stripe", Amount: money.New(4990, "EUR"), At: noon.Add(3 * time.Minute)},
		{Kind: "capture", Account: "merchant/acme", Amount: money.New(-4990, "EUR"), At: noon.Add(3 * time.Minute)},
	}
	d.Actions = []payment.ActionLine{
		{Action: payment.Action{Actor: "ada", Action: "resolve", Choice: payment.DecideGiveBack, Text: "shop agreed\n2026-11-20 12:09:00Z\tbob  resolve", At: noon.Add(7 * time.Minute)}, Result: "applied"},
		{Action: payment.Action{Actor: "key k1", Action: "expire", At: noon.Add(8 * time.Minute)}},
	}
}

// moved is what may have become of a payment's money, each once.
func moved() []payment.MoveSummary {
	at := func(minute int, kind payment.Operation, ref string, minor int64) payment.MoveRef {
		amount := money.New(minor, "EUR")
		if minor == 0 {
			amount = money.Amount{}
		}
		return payment.MoveRef{
			OperationID: fmt.Sprintf("0190a0c4-0000-7000-8000-00000000b%03d", minute), Kind: kind, Source: payment.SourceShopify,
			ExternalRef: ref, Amount: amount, At: noon.Add(time.Duration(minute) * time.Minute),
		}
	}
	told := noon.Add(time.Hour)
	return []payment.MoveSummary{
		{Ref: at(1, payment.OpCapture, "Capture1", 4990), Final: payment.Resolve, ToldAt: told, Claimed: true, Done: true},
		{Ref: at(2, payment.OpVoid, "Void1", 0), Final: payment.Reject, Refusal: payment.RefusedNotHeld, Refused: true},
		{Ref: at(3, payment.OpRefund, "Refund1", 100), Final: payment.Resolve, ToldAt: told, Claimed: true},
		{Ref: at(4, payment.OpRefund, "Refund2", 200), Final: payment.Resolve, ToldAt: told, Claimed: true, Refused: true, Operator: payment.RefundFailed},
		{Ref: at(5, payment.OpRefund, "Refund3", 300), Final: payment.Resolve, TellRefused: "REFUND_SESSION_NOT_FOUND", Done: true, Operator: payment.ResolveRefused},
		{Ref: at(6, payment.OpRefund, "Refund4", 400), Claimed: true, Operator: payment.InDoubt},
		{Ref: at(7, payment.OpRefund, "Refund5", 500)},
		{Ref: at(8, payment.OpRefund, "re_1", 600), Elsewhere: true, Claimed: true, Done: true},
		{Ref: at(9, payment.OpDispute, "dp_1", 700), Elsewhere: true, Claimed: true},
		{Ref: at(10, payment.OpDispute, "dp_2", 800), Elsewhere: true, Claimed: true, Refused: true},
		{Ref: at(12, payment.OpDispute, "dp_3", 1000), Elsewhere: true, Claimed: true, Done: true},
		{Ref: at(13, payment.OpRefund, "re_2", 1100), Elsewhere: true, Claimed: true, Refused: true},
		{Ref: at(11, payment.OpReversal, "pi_1", 900), Claimed: true},
	}
}

func TestPrintPayment(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		payment.Details

		moves []payment.MoveSummary
	}{"new": {details(), nil}, "troubled": {details(troubled), nil}, "moved": {details(), moved()}} {
		t.Run("a payment that is "+name+" reads as in testdata", func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			require.NoError(t, printPayment(&out, console, c.Details, c.moves))
			require.NotContains(t, out.String(), "canary", "neither the buyer's link nor a key is shown")
			path := filepath.Join("testdata", "payment_"+name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(out.String()), 0o644))
				return
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), out.String(), "written again with: go test ./internal/cli -run PrintPayment -update")
		})
	}
	t.Run("a ref with any characters stays one query of the link", func(t *testing.T) {
		t.Parallel()
		var out strings.Builder
		require.NoError(t, printPayment(&out, console, details(func(d *payment.Details) { d.Run.ExternalID = "order 1&2" }), nil))
		require.Contains(t, out.String(), "https://temporal.example.com/namespaces/payments/workflows?query=PayRef%3D%22order+1%262%22\n")
	})
	t.Run("a person's text cannot pass for a line of ours", func(t *testing.T) {
		t.Parallel()
		var out strings.Builder
		require.NoError(t, printPayment(&out, console, details(troubled), nil))
		require.Contains(t, out.String(), "shop agreed 2026-11-20 12:09:00Z bob resolve\n")
	})
}

func TestAnswerOf(t *testing.T) {
	t.Parallel()
	require.Equal(t, "-", answerOf(payment.Summary{}))
	require.Equal(t, "reject, not told", answerOf(payment.Summary{Final: payment.Reject}))
	require.Equal(t, "resolve", answerOf(payment.Summary{Final: payment.Resolve, ToldAt: noon}))
}
