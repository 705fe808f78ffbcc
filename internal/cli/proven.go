package cli

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/store"
)

// provenRecords is the record of accounts and of what their providers think of them.
type provenRecords interface {
	AccountsToVerify(ctx context.Context, since time.Time, limit int) ([]store.Account, error)
	Account(ctx context.Context, id string) (provider string, credentials map[string]string, live bool, err error)
	AccountVerified(ctx context.Context, id string) error
	AccountRefused(ctx context.Context, id string) (bool, error)
}

// proven looks whether providers still accept what merchants gave us: keys are
// rolled, and a merchant should hear of it before a buyer does. An account that is
// refused is no reason any more to call the app ready, so that Shopify shows the
// merchant what is missing.
type proven struct {
	records   provenRecords
	providers *psp.Registry
	now       func() time.Time
	log       zerolog.Logger
	// again waits before a refusal is believed: one wrong answer of a provider must take no shop's checkout away.
	again func(ctx context.Context) error
}

const (
	provenEvery = time.Hour
	provenFor   = 24 * time.Hour
	provenBatch = 200
	provenAgain = time.Minute
)

// keepProven looks until ctx ends. Workers that do it at the same time do no harm.
func (s *Service) keepProven(ctx context.Context) {
	p := &proven{records: s.Store, providers: s.Connectors, now: s.now, log: s.log, again: func(ctx context.Context) error {
		return pause(ctx, provenAgain)
	}}
	for pause(ctx, provenEvery) == nil {
		if err := p.look(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn().Err(err).Msg("credentials of accounts not looked at")
		}
	}
}

// pause waits, or answers why it could not.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// look verifies what is due. The error is of the list, or of a context that ended.
func (p *proven) look(ctx context.Context) error {
	due, err := p.records.AccountsToVerify(ctx, p.now().Add(-provenFor), provenBatch)
	if err != nil {
		return err
	}
	for _, a := range due {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.one(ctx, a); err != nil {
			p.log.Warn().Err(err).Str("account_id", a.ID).Str("psp", a.Provider).Str("shop", a.Shop).Msg("credentials not verified, trying again")
		}
	}
	return nil
}

// one verifies an account. An error says nothing about its credentials.
func (p *proven) one(ctx context.Context, a store.Account) error {
	connector, err := p.providers.Connector(a.Provider)
	if err != nil {
		return err
	}
	verifier, ok := connector.(psp.Verifier)
	if !ok {
		return nil
	}
	_, credentials, live, err := p.records.Account(ctx, a.ID)
	if err != nil {
		return err
	}
	account := psp.Account{ID: a.ID, Shop: a.Shop, Live: live, Credentials: credentials}
	err = verifier.VerifyAccount(ctx, account)
	if payment.ClassOf(err, payment.Unavailable) == payment.Unauthorized {
		if waited := p.again(ctx); waited != nil {
			return waited
		}
		err = verifier.VerifyAccount(ctx, account)
	}
	if err == nil {
		return p.records.AccountVerified(ctx, a.ID)
	}
	if payment.ClassOf(err, payment.Unavailable) != payment.Unauthorized {
		return err
	}
	news, noted := p.records.AccountRefused(ctx, a.ID)
	if noted == nil && news {
		p.log.Warn().Str("account_id", a.ID).Str("psp", a.Provider).Str("shop", a.Shop).Msg("the provider refuses the account's credentials: the merchant has to replace them")
	}
	return noted
}
