package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/rs/zerolog"

	"tillflow/internal/config"
	"tillflow/internal/crypt"
	"tillflow/internal/payment"
	"tillflow/internal/recharge"
	"tillflow/internal/store"
)

func rechargeVerbs() verbs {
	return verbs{command: "recharge", takes: "[flags]", list: []verb{
		{"connect", "connect a shop with Recharge, or give it new credentials: -shop;\n" +
			"reads token=… and client_secret=… from standard input, one a line, and asks Recharge whether the token is good", connectRecharge},
		{"policy", "what is done with failed charges beside telling of them: -shop;\n" +
			"-process insufficient_funds,declined charges these again (empty: none), -after 1h the failure, -most 1 times", policyRecharge},
		{"list", "all connections, how far each is and what is in the way; -shop", listRecharge},
		{"disconnect", "destroy a shop's credentials; the charges that are known stay: -shop", disconnectRecharge},
	}, tail: "Failed charges are in the console, under Recharge.\n"}
}

func connectRecharge(ctx context.Context, e env, args []string) error {
	f := flags(e, "recharge connect")
	shop := f.String("shop", "", "the shop")
	actor := f.String("actor", loginName(), "who does it, for the audit")
	if err := parse(f, args, "shop", "actor"); err != nil {
		return err
	}
	lines, err := readCredentials(e.in)
	if err != nil {
		return err
	}
	credentials := recharge.Credentials{Token: crypt.Secret(lines["token"]), Secret: crypt.Secret(lines["client_secret"])}
	if credentials.Token == "" || credentials.Secret == "" || len(lines) != 2 {
		return errors.New("two lines are read from standard input: token=…, the access token, and client_secret=…, the API client's secret that signs webhooks")
	}
	return withStore(ctx, e, func(c config.Config, st *store.Store) error {
		client, err := rechargeClient(c, credentials.Token, outboundClient(), clock(c), zerolog.Nop())
		if err != nil {
			return err
		}
		if err := client.Ping(ctx); err != nil {
			return fmt.Errorf("nothing was stored: %w", err)
		}
		connection, _, err := rechargeOf(ctx, st, *shop)
		if err != nil {
			return err
		}
		connection.Enabled = true
		hook, err := st.SaveRecharge(ctx, commandActor(*actor), connection, &credentials)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.out, "webhook address: %s\nThe webhooks are made by themselves at the next visit.\n", rechargeHook(c, hook))
		return err
	})
}

// rechargeOf reads a shop's connection; one that is none yet has the shop alone.
func rechargeOf(ctx context.Context, st *store.Store, shop string) (recharge.Connection, bool, error) {
	list, err := st.Recharges(ctx, shop)
	if err != nil || len(list) == 0 {
		return recharge.Connection{Shop: shop}, false, err
	}
	return list[0], true, nil
}

func policyRecharge(ctx context.Context, e env, args []string) error {
	f := flags(e, "recharge policy")
	shop := f.String("shop", "", "the shop")
	process := f.String("process", "", "categories to charge again, comma separated; empty: none")
	after := f.Duration("after", recharge.DefaultAfter, "pause after the failure")
	most := f.Int("most", 1, "how often one charge is charged again by us in its life")
	actor := f.String("actor", loginName(), "who does it, for the audit")
	if err := parse(f, args, "shop", "actor"); err != nil {
		return err
	}
	if *most < 1 || *after < 0 {
		return errors.New("-most is 1 or more, and -after is not negative")
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		connection, connected, err := rechargeOf(ctx, st, *shop)
		if err != nil {
			return err
		}
		if !connected {
			return &payment.Error{Class: payment.NotFound, Code: "not_connected", Message: "the shop is not connected with Recharge: run tillflow recharge connect"}
		}
		connection.Policy = recharge.Policy{After: *after, Most: *most}
		for name := range strings.SplitSeq(*process, ",") {
			if name = strings.TrimSpace(name); name != "" {
				connection.Policy.Process = append(connection.Policy.Process, recharge.Category(name))
			}
		}
		_, err = st.SaveRecharge(ctx, commandActor(*actor), connection, nil)
		return err
	})
}

func listRecharge(ctx context.Context, e env, args []string) error {
	f := flags(e, "recharge list")
	shop := f.String("shop", "", "only this shop")
	if err := parse(f, args); err != nil {
		return err
	}
	return withStore(ctx, e, func(c config.Config, st *store.Store) error {
		list, err := st.Recharges(ctx, *shop)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "SHOP\tSTATE\tFAILING\tNOT TOLD\tUNREADABLE\tLAST VISIT\tCHARGES AGAIN\tWEBHOOKS")
		for _, r := range list {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\n", r.Shop, stateOfRecharge(r), r.Failing, r.Unreported, r.Unreadable, when(r.LookedAt),
				dash(policyText(r.Policy)), rechargeHook(c, r.Hook))
		}
		return w.Flush()
	})
}

func stateOfRecharge(r recharge.Connection) string {
	switch {
	case !r.Enabled:
		return "disconnected"
	case r.Trouble != "":
		return "trouble since " + when(r.TroubleSince) + ": " + r.Trouble
	case r.LookedAt.IsZero():
		return "not visited yet"
	}
	return "works"
}

func policyText(p recharge.Policy) string {
	if len(p.Process) == 0 {
		return ""
	}
	names := make([]string, len(p.Process))
	for i, c := range p.Process {
		names[i] = string(c)
	}
	return fmt.Sprintf("%s after %s, %d times at most", strings.Join(names, ","), p.After, p.Most)
}

func disconnectRecharge(ctx context.Context, e env, args []string) error {
	f := flags(e, "recharge disconnect")
	shop := f.String("shop", "", "the shop")
	actor := f.String("actor", loginName(), "who does it, for the audit")
	if err := parse(f, args, "shop", "actor"); err != nil {
		return err
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		return st.EndRecharge(ctx, commandActor(*actor), *shop)
	})
}
