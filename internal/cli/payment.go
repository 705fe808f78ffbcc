package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"tillflow/internal/config"
	"tillflow/internal/flow"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/store"
)

func paymentVerbs() verbs {
	decide := func(name, update string) func(context.Context, env, []string) error {
		return func(ctx context.Context, e env, args []string) error { return act(ctx, e, name, update, args) }
	}
	return verbs{command: "payment", takes: "[flags] [payment]", list: []verb{
		{"list", "payments, newest first; -operator: those that need a person", listPayments},
		{"show", "one payment: state, attempts, captures and refunds, evidence, timeline, books; -texts opens people's notes", showPayment},
		{"resolve", "decide what is in doubt or refused: -choice paid|not_paid|give_back|keep -reason \"…\" [-attempt id];\n" +
			"of a capture, void or refund, paid says that the provider shows it as done, not_paid that it does not", decide("resolve", flow.UpdateResolve)},
		{"retry", "try again now what failed; -reason \"…\"", decide("retry", flow.UpdateRetry)},
		{"expire", "end a payment that has no answer yet: shut the provider's page, answer the shop; -reason \"…\"", decide("expire", flow.UpdateExpire)},
		{"note", "put a note into the timeline: -reason \"…\"", decide("note", flow.UpdateNote)},
	}, tail: "A payment is named by its id, by Shopify's session id or the ref of /api/v1, by those of a\ncapture, void or refund of it, or by a provider's reference.\n"}
}

func listPayments(ctx context.Context, e env, args []string) error {
	f := flags(e, "payment list")
	var filter payment.Filter
	f.StringVar(&filter.Shop, "shop", "", "only this shop")
	f.BoolVar(&filter.Operator, "operator", false, "only those that need a person")
	f.IntVar(&filter.Limit, "limit", 50, "how many")
	state := f.String("state", "", "only this state")
	if err := parse(f, args); err != nil {
		return err
	}
	filter.State = payment.State(*state)
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		list, err := st.ListPayments(ctx, filter)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "RECEIVED\tSTATE\tAMOUNT\tANSWER\tNEEDS\tSHOP\tSESSION\tPAYMENT")
		for _, p := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", when(p.Run.ReceivedAt), p.State, p.Run.Amount, answerOf(p),
				dash(string(p.Operator)), p.Run.Shop, p.Run.ExternalID, p.Run.PaymentID)
		}
		return w.Flush()
	})
}

// orderOf is what the shop says of the order, in its words.
func orderOf(o payment.ShopOrder) string {
	text := o.ID + " " + dash(o.Status)
	if o.Cancelled {
		text += ", cancelled"
	}
	return text + ", by the shop's word of " + when(o.ChangedAt)
}

func answerOf(p payment.Summary) string {
	switch {
	case p.Final == payment.Undecided:
		return "-"
	case p.ToldAt.IsZero():
		return string(p.Final) + ", not told"
	}
	return string(p.Final)
}

func showPayment(ctx context.Context, e env, args []string) error {
	f := flags(e, "payment show")
	texts := f.Bool("texts", false, "open people's notes from the vault")
	if err := parse(f, args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return paymentVerbs().wrong(e)
	}
	return withStore(ctx, e, func(c config.Config, st *store.Store) error {
		d, err := st.ShowPayment(ctx, f.Arg(0), *texts)
		if err != nil {
			return err
		}
		moves, err := st.ListMoves(ctx, d.Run.PaymentID)
		if err != nil {
			return err
		}
		return printPayment(e.out, c, d, moves)
	})
}

func printPayment(out io.Writer, c config.Config, d payment.Details, moves []payment.MoveSummary) error {
	r := d.Run
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "payment\t%s\n%s of\t%s for %s (session %s)\n", r.PaymentID, r.Kind, r.Amount, r.Shop, r.ExternalID)
	fmt.Fprintf(w, "state\t%s\nanswer\t%s\n", d.State, strings.TrimSpace(answerOf(d.Summary)+" "+string(d.FinalReason)))
	fmt.Fprintf(w, "received\t%s\ndeadline\t%s\n", when(r.ReceivedAt), when(d.DeadlineAt))
	if d.Operator != payment.NobodyNeeded {
		fmt.Fprintf(w, "NEEDS A PERSON\t%s since %s\n", d.Operator, when(d.OperatorSince))
	}
	if d.TellRefused != "" {
		fmt.Fprintf(w, "the shop refused\t%s\n", d.TellRefused)
	}
	if r.Test {
		fmt.Fprintln(w, "mode\ttest, no real money")
	}
	if d.Order.ID != "" {
		fmt.Fprintf(w, "order\t%s\n", orderOf(d.Order))
	}
	fmt.Fprintf(w, "workflow\t%s/namespaces/%s/workflows?query=%s\n", strings.TrimSuffix(c.TemporalUI, "/"), c.TemporalNamespace,
		url.QueryEscape(`PayRef="`+r.ExternalID+`"`))
	fmt.Fprintln(w, "\nATTEMPTS\tOPERATION\tSTATE\tPROVIDER\tAMOUNT\tREFERENCE\tSENT\tWHY NOT")
	for _, a := range d.Attempts {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s ×%d\t%s\n", a.ID, operationOf(a), a.State, a.Provider, amountOf(a.Asked), dash(a.Ref), when(a.FirstSent), a.Sends, dash(whyNot(a)))
	}
	printMoves(w, moves)
	fmt.Fprintln(w, "\nTIMELINE\tWHAT\tCHANGE\tDETAIL\tEVIDENCE")
	for _, t := range d.Timeline {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", when(t.At), t.What, change(t), dash(t.Detail), dash(evidenceOf(d, t.EvidenceID)))
	}
	if len(d.Postings) > 0 {
		fmt.Fprintln(w, "\nBOOKS\tENTRY\tACCOUNT\tAMOUNT")
		for _, p := range d.Postings {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", when(p.At), p.Kind, p.Account, p.Amount)
		}
	}
	if len(d.Actions) > 0 {
		fmt.Fprintln(w, "\nPEOPLE\tWHO\tDID\tRESULT\tTEXT")
		for _, a := range d.Actions {
			fmt.Fprintf(w, "%s\t%s\t%s %s\t%s\t%s\n", when(a.At), a.Actor, a.Action.Action, a.Choice, dash(a.Result), dash(oneLine(a.Text)))
		}
	}
	return w.Flush()
}

// printMoves lists what was done, or asked for, with the payment's money. The
// session is what Shopify or the merchant calls it, and names its run.
func printMoves(w io.Writer, moves []payment.MoveSummary) {
	if len(moves) == 0 {
		return
	}
	fmt.Fprintln(w, "\nMOVES\tWHAT\tAMOUNT\tSTATE\tANSWER\tNEEDS\tSESSION\tOPERATION")
	for _, m := range moves {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", when(m.Ref.At), whatMoved(m), amountOf(m.Ref.Amount), stateOfMove(m), answerOfMove(m),
			dash(string(m.Operator)), dash(m.Ref.ExternalRef), m.Ref.OperationID)
	}
}

func whatMoved(m payment.MoveSummary) string {
	if m.Elsewhere && m.Ref.Kind != payment.OpDispute {
		return string(m.Ref.Kind) + " elsewhere"
	}
	return string(m.Ref.Kind)
}

// amountOf: a void that claims nothing yet has none.
func amountOf(a money.Amount) string {
	if a.Currency == "" {
		return "-"
	}
	return a.String()
}

func stateOfMove(m payment.MoveSummary) string {
	dispute := m.Ref.Kind == payment.OpDispute
	switch {
	case dispute && m.Done:
		return "lost"
	case dispute && m.Refused:
		return "won, or withdrawn"
	case dispute:
		return "open"
	case m.Done:
		return "done"
	case m.Final == payment.Reject:
		return "refused: " + string(m.Refusal)
	case m.Refused && m.Elsewhere:
		return "failed, the money is back"
	case m.Refused:
		return "given up by the provider"
	case m.Final == payment.Resolve, m.Elsewhere:
		return "pending at the provider"
	case m.Claimed:
		return "claimed"
	}
	return "accepted"
}

func answerOfMove(m payment.MoveSummary) string {
	switch {
	case m.Final == payment.Undecided:
		return "-"
	case m.TellRefused != "":
		return string(m.Final) + ", the shop refused it: " + m.TellRefused
	case m.ToldAt.IsZero():
		return string(m.Final) + ", not told"
	}
	return string(m.Final)
}

func operationOf(a payment.AttemptDetails) string {
	if a.Leg != "" {
		return string(a.Operation) + " (" + a.Leg + ")"
	}
	return string(a.Operation)
}

func whyNot(a payment.AttemptDetails) string {
	return strings.TrimSpace(string(a.Decline) + " " + a.Code)
}

func change(t payment.TimelineLine) string {
	if t.Before == "" && t.After == "" {
		return "-"
	}
	return dash(t.Before) + " → " + dash(t.After)
}

func evidenceOf(d payment.Details, id string) string {
	for _, ev := range d.Evidence {
		if id != "" && ev.ID == id {
			return string(ev.Kind) + " " + ev.Ref
		}
	}
	return ""
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// oneLine keeps a person's text from looking like lines of ours.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
