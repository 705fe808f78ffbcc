package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"tillflow/internal/access"
	"tillflow/internal/config"
	"tillflow/internal/crypt"
	"tillflow/internal/store"
)

func keyVerbs() verbs {
	return verbs{command: "key", takes: "[flags] [key]", list: []verb{
		{"add", "a key of a shop for /api/v1, shown once: -shop -label;\n" +
			"-scopes payment:read,subscription:write … (all if left out), -expires-in 2160h (never if left out)", addKey},
		{"list", "all keys, newest first, without the keys themselves; -shop", listKeys},
		{"rotate", "make the successor of a key, with its shop, label and scopes; the old one goes on for -overlap (24h)", rotateKey},
		{"revoke", "end a key at once", revokeKey},
	}, tail: "A key is named by its id.\n"}
}

func addKey(ctx context.Context, e env, args []string) error {
	f := flags(e, "key add")
	shop := f.String("shop", "", "the shop")
	label := f.String("label", "", "what the key is for")
	scopes := f.String("scopes", "", "what it may do, between commas: payment:read, payment:write, subscription:read, subscription:write, plan:write; all if left out")
	life := f.Duration("expires-in", 0, "how long it works; 0: until it is revoked")
	actor := f.String("actor", loginName(), "who does it, for the audit")
	if err := parse(f, args, "shop", "label", "actor"); err != nil {
		return err
	}
	made := store.NewAPIKey{Shop: *shop, Label: *label}
	if *scopes != "" {
		var err error
		if made.Scopes, err = access.ParseScopes(*scopes); err != nil {
			return err
		}
	}
	if *life < 0 {
		return errors.New("-expires-in is not in the past")
	}
	return withStore(ctx, e, func(c config.Config, st *store.Store) error {
		if *life > 0 {
			made.Expires = clock(c)().Add(*life)
		}
		id, key, err := st.IssueAPIKey(ctx, commandActor(*actor), made)
		if err != nil {
			return err
		}
		return printKey(e, id, key)
	})
}

// printKey is the only place where a key is shown.
func printKey(e env, id string, key crypt.Secret) error {
	_, err := fmt.Fprintf(e.out, "id  %s\nkey %s\nThe key is shown this once; only its hash is kept.\n", id, key.Reveal())
	return err
}

func listKeys(ctx context.Context, e env, args []string) error {
	f := flags(e, "key list")
	shop := f.String("shop", "", "only this shop")
	if err := parse(f, args); err != nil {
		return err
	}
	return withStore(ctx, e, func(c config.Config, st *store.Store) error {
		list, err := st.APIKeys(ctx, *shop)
		if err != nil {
			return err
		}
		now := clock(c)()
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "SHOP\tLABEL\tKEY\tSCOPES\tSTATE\tMADE\tLAST USED\tREPLACES\tID")
		for _, k := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.Shop, dash(oneLine(k.Label)), k.Masked(), scopesOf(k), stateOfKey(k, now),
				when(k.Created), when(k.Used), dash(k.Replaces), k.ID)
		}
		return w.Flush()
	})
}

func scopesOf(k access.APIKey) string {
	texts := make([]string, len(k.Scopes))
	for i, s := range k.Scopes {
		texts[i] = string(s)
	}
	return strings.Join(texts, ",")
}

func stateOfKey(k access.APIKey, now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked " + when(k.Revoked)
	case k.Expires.IsZero():
		return "works"
	case !now.Before(k.Expires):
		return "expired " + when(k.Expires)
	}
	return "works until " + when(k.Expires)
}

func rotateKey(ctx context.Context, e env, args []string) error {
	f := flags(e, "key rotate")
	overlap := f.Duration("overlap", 24*time.Hour, "how long the old key goes on, so that callers can change over; 0: it ends at once")
	actor := f.String("actor", loginName(), "who does it, for the audit")
	if err := parse(f, args, "actor"); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return keyVerbs().wrong(e)
	}
	if *overlap < 0 {
		return errors.New("-overlap is not negative")
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		id, key, err := st.RotateAPIKey(ctx, commandActor(*actor), f.Arg(0), *overlap)
		if err != nil {
			return err
		}
		return printKey(e, id, key)
	})
}

func revokeKey(ctx context.Context, e env, args []string) error {
	f := flags(e, "key revoke")
	actor := f.String("actor", loginName(), "who does it, for the audit")
	if err := parse(f, args, "actor"); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return keyVerbs().wrong(e)
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		return st.EndAPIKey(ctx, commandActor(*actor), f.Arg(0))
	})
}
