package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"tillflow/internal/config"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/internal/store"
)

const paymentUsage = `usage: tillflow payment <verb> [flags] [payment]
  list     payments, newest first; -operator: those that need a person
  show     one payment: state, attempts, evidence, timeline, books; -texts opens people's notes
  resolve  decide what is in doubt or refused: -choice paid|not_paid|give_back|keep -reason "…" [-attempt id]
  retry    try again now what failed; -reason "…"
  expire   end a payment now: shut the provider's page, answer the shop; -reason "…"
  note     put a note into the timeline: -reason "…"
A payment is named by its id, or by Shopify's session id.
`

func paymentCommand(ctx context.Context, e env, args []string) error {
	if len(args) == 0 {
		_, _ = io.WriteString(e.err, paymentUsage)
		return errUsage
	}
	verb, rest := args[0], args[1:]
	switch verb {
	case "list":
		return listPayments(ctx, e, rest)
	case "show":
		return showPayment(ctx, e, rest)
	case "resolve":
		return act(ctx, e, verb, flow.UpdateResolve, rest)
	case "retry":
		return act(ctx, e, verb, flow.UpdateRetry, rest)
	case "expire":
		return act(ctx, e, verb, flow.UpdateExpire, rest)
	case "note":
		return act(ctx, e, verb, flow.UpdateNote, rest)
	}
	_, _ = io.WriteString(e.err, paymentUsage)
	return errUsage
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
		_, _ = io.WriteString(e.err, paymentUsage)
		return errUsage
	}
	return withStore(ctx, e, func(c config.Config, st *store.Store) error {
		d, err := st.ShowPayment(ctx, f.Arg(0), *texts)
		if err != nil {
			return err
		}
		return printPayment(e.out, c, d)
	})
}

func printPayment(out io.Writer, c config.Config, d payment.Details) error {
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
	fmt.Fprintf(w, "workflow\t%s/namespaces/%s/workflows?query=%s\n", strings.TrimSuffix(c.TemporalUI, "/"), c.TemporalNamespace,
		url.QueryEscape(`PayRef="`+r.ExternalID+`"`))
	fmt.Fprintln(w, "\nATTEMPTS\tOPERATION\tSTATE\tPROVIDER\tREFERENCE\tSENT\tWHY NOT")
	for _, a := range d.Attempts {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s ×%d\t%s\n", a.ID, operationOf(a), a.State, a.Provider, dash(a.Ref), when(a.FirstSent), a.Sends, dash(whyNot(a)))
	}
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

// act writes what a person wants as a row, then tells the run its id.
func act(ctx context.Context, e env, verb, update string, args []string) error {
	f := flags(e, "payment "+verb)
	reason := f.String("reason", "", "why; kept in the vault and shown in the timeline's people")
	choice := f.String("choice", "", "resolve: paid, not_paid, give_back or keep")
	attempt := f.String("attempt", "", "resolve paid or not_paid: the attempt that was looked up; the unfinished one if left out")
	actor := f.String("actor", loginName(), "who decides")
	if err := parse(f, args, "reason", "actor"); err != nil {
		return err
	}
	if f.NArg() != 1 {
		_, _ = io.WriteString(e.err, paymentUsage)
		return errUsage
	}
	c, log, err := load(e)
	if err != nil {
		return err
	}
	s, err := New(ctx, c, Options{Log: log})
	if err != nil {
		return err
	}
	defer s.Close()
	d, err := s.Store.ShowPayment(ctx, f.Arg(0), false)
	if err != nil {
		return err
	}
	action := payment.Action{
		PaymentID: d.Run.PaymentID, Actor: *actor, Action: verb, Choice: payment.Decision(*choice), AttemptID: *attempt, Text: *reason, At: s.now(),
	}
	if action.AttemptID == "" && (action.Choice == payment.DecidePaid || action.Choice == payment.DecideNotPaid) {
		if action.AttemptID, err = doubtful(d); err != nil {
			return err
		}
	}
	return s.act(ctx, e, update, action, d)
}

func (s *Service) act(ctx context.Context, e env, update string, action payment.Action, d payment.Details) error {
	id, err := s.Store.InsertAction(ctx, action)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := s.deliver(ctx, update, id, d); err != nil {
		return fmt.Errorf("the action is written as %s and was not applied: %w", id, err)
	}
	after, err := s.Store.ShowPayment(ctx, d.Run.PaymentID, false)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "done: payment %s is %s, answer %s\n", d.Run.PaymentID, after.State, answerOf(after.Summary))
	return err
}

// deliver hands an action to the run that it concerns: the charge's, or, when
// that has ended, an open reversal's. Where nothing runs any more the row itself
// takes it: a note, or a person's word that a matter is settled.
func (s *Service) deliver(ctx context.Context, update, actionID string, d payment.Details) error {
	run := flow.ChargeID(d.Run.Source, d.Run.Shop, d.Run.ExternalID)
	if d.ClosedAt.IsZero() {
		if err := s.Runs.StartCharge(ctx, d.Run); err != nil {
			return err
		}
	} else {
		moves, err := s.Store.OpenMoves(ctx, d.Run.PaymentID)
		if err != nil {
			return err
		}
		if len(moves) == 0 {
			_, err := s.Store.ApplyAction(ctx, d.Run.PaymentID, actionID)
			return err
		}
		run = flow.ReversalID(moves[0].Source, moves[0].Shop, moves[0].ExternalRef)
		if err := s.Runs.StartReversal(ctx, moves[0]); err != nil {
			return err
		}
	}
	_, err := s.Runs.Act(ctx, run, update, actionID)
	return err
}

// doubtful finds the one attempt that a person can have looked up. Where none is
// unfinished the decision is about money that is here, and the row knows which.
func doubtful(d payment.Details) (string, error) {
	var found []string
	for _, a := range d.Attempts {
		if !a.State.Decided() {
			found = append(found, a.ID)
		}
	}
	if len(found) == 0 {
		return "", nil
	}
	if len(found) > 1 {
		return "", fmt.Errorf("%d attempts are unfinished; name the one you looked up with -attempt", len(found))
	}
	return found[0], nil
}

func loginName() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
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
