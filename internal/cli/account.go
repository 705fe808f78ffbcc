package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"tillflow/internal/config"
	"tillflow/internal/onboard"
	"tillflow/internal/payment"
	"tillflow/internal/store"
)

// accountCommand does what a merchant does in the browser, with the same functions.
func accountCommand(ctx context.Context, e env, args []string) error {
	f := flags(e, "account")
	shop := f.String("shop", "", "the shop")
	provider := f.String("provider", "", "stripe or sandbox")
	label := f.String("label", "", "what the buyer reads on the pay page")
	live := f.Bool("live", false, "an account for real money; else the provider's test mode")
	position := f.Int("position", 0, "place on the pay page; a new account comes last when it is left out")
	disable := f.Bool("disable", false, "offer it no more; payments under way go on, with the credentials that stand when none are given")
	actor := f.String("actor", loginName(), "who does it, for the audit")
	if err := parse(f, args, "shop", "provider", "label", "actor"); err != nil {
		return err
	}
	credentials, err := readCredentials(e.in)
	if err != nil {
		return err
	}
	if *disable && len(credentials) == 0 {
		credentials = nil // payments under way need the credentials that stand
	}
	return withStore(ctx, e, func(c config.Config, st *store.Store) error {
		connectors, err := newConnectors(c, st, clock(c), outboundClient())
		if err != nil {
			return err
		}
		if _, err := connectors.Connector(*provider); err != nil {
			return err
		}
		change := payment.AccountChange{Shop: *shop, Provider: *provider, Live: *live, Label: *label, Enabled: !*disable, Credentials: credentials}
		if given(f, "position") {
			change.Position = position
		}
		if change.ID, err = accountNamed(ctx, st, change); err != nil {
			return err
		}
		desk := onboard.Desk{Records: st, Providers: connectors}
		if err := desk.Connect(ctx, change, onboard.By{Actor: commandActor(*actor), Via: "command"}); err != nil {
			return unstored(err)
		}
		_, err = fmt.Fprintf(e.out, "account %s\nwebhook address: %s/webhook/%s/%s\n", change.ID, c.PublicURL, *provider, change.ID)
		return err
	})
}

// accountNamed is the id of the account with this label, or one for a new account.
func accountNamed(ctx context.Context, st *store.Store, wanted payment.AccountChange) (string, error) {
	list, err := st.Accounts(ctx, wanted.Shop)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(list, func(a store.Account) bool {
		return a.Provider == wanted.Provider && a.Live == wanted.Live && a.Label == wanted.Label
	})
	if i >= 0 {
		return list[i].ID, nil
	}
	id, err := uuid.NewV7()
	return id.String(), err
}

// unstored says of what the person can mend that nothing has happened.
func unstored(err error) error {
	if faults, ok := errors.AsType[onboard.Faults](err); ok {
		return fmt.Errorf("nothing was stored: %w", faults)
	}
	return err
}

// checkShop holds a shop's settings against the rules of the browser's form. What
// is left empty stays empty, until the merchant fills it in.
func checkShop(row store.Shop) error {
	faults := onboard.Faults{}
	if row.Label != "" {
		onboard.CheckName(faults, row.Label)
	}
	if row.Mail != "" {
		onboard.CheckMail(faults, row.Mail)
	}
	if len(faults) > 0 {
		return unstored(faults)
	}
	return nil
}
