package cli

import (
	"context"
	"fmt"
	"text/tabwriter"

	"tillflow/internal/access/audit"
	"tillflow/internal/config"
	"tillflow/internal/store"
)

func auditVerbs() verbs {
	return verbs{command: "audit", takes: "[flags]", list: []verb{
		{"verify", "walk the whole chain; fails and names the first row that is not what it was. Keep the head that it prints\n" +
			"somewhere else and give it to the next one with -known: a chain alone cannot show that its end was cut off", verifyAudit},
		{"list", "what people did, newest first: -actor -action -subject -limit -before", listAudit},
	}}
}

func verifyAudit(ctx context.Context, e env, args []string) error {
	f := flags(e, "audit verify")
	text := f.String("known", "", "the head that an earlier verification printed")
	if err := parse(f, args); err != nil {
		return err
	}
	var known audit.Head
	if *text != "" {
		var err error
		if known, err = audit.ParseHead(*text); err != nil {
			return err
		}
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		head, err := st.VerifyAudit(ctx, known)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.out, "ok: %d rows, unbroken\nhead %s\n", head.Seq, head)
		return err
	})
}

func listAudit(ctx context.Context, e env, args []string) error {
	f := flags(e, "audit list")
	var filter store.AuditFilter
	f.StringVar(&filter.Actor, "actor", "", "only what they did")
	f.StringVar(&filter.Action, "action", "", "only this action, such as user.role")
	f.StringVar(&filter.Subject, "subject", "", "only what was done to it, such as \"user <id>\"")
	f.IntVar(&filter.Limit, "limit", 50, "how many, at most 500")
	f.Int64Var(&filter.Before, "before", 0, "only rows before this number")
	if err := parse(f, args); err != nil {
		return err
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		list, err := st.ListAudit(ctx, filter)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "ROW\tAT\tWHO\tROLE\tDID\tTO\tDETAIL")
		for _, r := range list {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Seq, when(r.At), oneLine(r.Entry.Actor.Name), dash(string(r.Entry.Actor.Role)),
				r.Entry.Action, dash(r.Entry.Subject), dash(r.Entry.Detail))
		}
		return w.Flush()
	})
}
