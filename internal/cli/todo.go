package cli

import (
	"context"
	"slices"

	installapi "tillflow/api/install"
	"tillflow/internal/store"
)

// todo is what has to be done for a shop after the payments app is installed, in
// the order in which it is done. What is done is left out.
func (s *Service) todo(ctx context.Context, shop string) ([]installapi.Step, error) {
	row, err := s.Store.Shop(ctx, shop)
	if err != nil {
		return nil, err
	}
	accounts, err := s.Store.Accounts(ctx, shop)
	if err != nil {
		return nil, err
	}
	var steps []installapi.Step
	if row.Label == "" || row.Mail == "" {
		steps = append(steps, installapi.Step{
			Text:    "Set the name that buyers read, and the address for mails about payments that need a person.",
			Command: "tillflow shop -shop " + shop + ` -label "…" -mail …`,
		})
	}
	if !slices.ContainsFunc(accounts, func(a store.Account) bool { return a.Enabled }) {
		steps = append(steps, installapi.Step{
			Text:    "Connect an account at a payment provider. Without -live it takes test payments only.",
			Command: "tillflow account -shop " + shop + ` -provider stripe -label "Card" -live < stripe.txt`,
		})
	}
	return steps, nil
}
