package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"tillflow/internal/config"
	"tillflow/internal/crypt"
	"tillflow/internal/store"
)

func vaultVerbs() verbs {
	return verbs{command: "vault", takes: "[flags]", list: []verb{
		{"keys", "what each master key is needed for, and which of them the ring holds", listMasterKeys},
		{"rewrap", "wrap all data keys by the first key of TILLFLOW_MASTER_KEYS, so that the others may leave the ring; -batch.\n" +
			"It may be stopped and started again, and the service runs on", rewrap},
	}}
}

func listMasterKeys(ctx context.Context, e env, args []string) error {
	f := flags(e, "vault keys")
	if err := parse(f, args); err != nil {
		return err
	}
	return withStore(ctx, e, func(c config.Config, st *store.Store) error {
		ring, err := crypt.ParseKeyring(c.MasterKeys)
		if err != nil {
			return fmt.Errorf("TILLFLOW_MASTER_KEYS: %w", err)
		}
		list, err := st.KeyUses(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "KEY\tRING\tNEEDED FOR\tROWS")
		for _, u := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\n", u.Key, place(ring, u.Key), u.Of, u.Count)
		}
		return w.Flush()
	})
}

// place says where a key stands.
func place(ring *crypt.Keyring, id string) string {
	switch {
	case id == ring.Active():
		return "first: seals"
	case ring.Holds(id):
		return "opens"
	}
	return "MISSING"
}

func rewrap(ctx context.Context, e env, args []string) error {
	f := flags(e, "vault rewrap")
	size := f.Int("batch", 500, "rows in one transaction")
	actor := f.String("actor", loginName(), "who does it, for the audit")
	if err := parse(f, args, "actor"); err != nil {
		return err
	}
	if *size < 1 {
		return errors.New("-batch is at least 1")
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		done, err := st.Rewrap(ctx, commandActor(*actor), *size)
		if err != nil {
			return fmt.Errorf("%d keys and %d buyers were moved before it stopped; start it again: %w", done.Keys, done.Lookups, err)
		}
		fmt.Fprintf(e.out, "%d data keys and %d buyers moved to the first master key\n", done.Keys, done.Lookups)
		if done.Left > 0 {
			return fmt.Errorf("%d rows still need another key; the log names them, `tillflow vault keys` counts them", done.Left)
		}
		return nil
	})
}

// checkKeys refuses to run without a master key that the record needs: data would
// not open, and a returning buyer would be taken for somebody new.
func (s *Service) checkKeys(ctx context.Context) error {
	missing, err := s.Store.MissingKeys(ctx)
	if err != nil {
		return err
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("TILLFLOW_MASTER_KEYS lacks what the record is sealed under: %s. Put it back at the end of the list; it may go once `tillflow vault rewrap` has run with both keys and `tillflow vault keys` does not show it any more", strings.Join(missing, ", "))
}
