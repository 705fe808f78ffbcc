package store

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access/audit"
	"tillflow/internal/crypt"
	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
)

// InsertAuditedAction is [Store.InsertAction] and its entry in the audit, in one
// transaction: what a person wants is never written without being noted, also
// when the process dies in between. The entry names the action by its ID, so the
// caller makes it; free text belongs into the action, never into the entry.
func (s *Store) InsertAuditedAction(ctx context.Context, action payment.Action, entry audit.Entry) error {
	const doing = "insert action"
	if action.ID == "" {
		return failure(doing, bug("action_id", "an audited action without an id"))
	}
	if err := checkAction(&action); err != nil {
		return failure(doing, err)
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		r, err := s.lock(ctx, tx, byPayment, action.PaymentID)
		if err != nil {
			return err
		}
		if action.AttemptID != "" {
			if _, err := r.attempt(action.AttemptID); err != nil {
				return err
			}
		}
		if err := r.writeAction(ctx, tx, action); err != nil {
			return err
		}
		return s.AppendAuditIn(ctx, tx, entry)
	})
	return failure(doing, err)
}

// ShopTokens are what Shopify gave for a shop whose app was installed elsewhere.
type ShopTokens struct {
	Access, Refresh crypt.Secret
	Expires         time.Time // of the access token; zero: it does not
}

// SetShop is [Store.PutShop], with new tokens unless they are nil, and its entry
// in the audit, in one transaction.
func (s *Store) SetShop(ctx context.Context, by audit.Actor, shop Shop, t *ShopTokens) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		added, err := s.putShop(ctx, tx, shop)
		if err != nil {
			return err
		}
		replaced := ""
		if t != nil {
			replaced = "replaced"
			fresh := tokens{access: t.Access.Reveal(), refresh: t.Refresh.Reveal(), expiresAt: t.Expires}
			if err := s.writeToken(ctx, tx, app.Payments, shop.Shop, fresh); err != nil {
				return err
			}
		}
		return s.AppendAuditIn(ctx, tx, audit.Entry{
			Actor: by, Action: addedOrChanged("shop", added), Subject: "shop " + shop.Shop,
			Detail: audit.Detail("active", strconv.FormatBool(shop.Active), "tokens", replaced),
		})
	})
	return failure("put shop", err)
}

func addedOrChanged(what string, added bool) string {
	if added {
		return what + ".add"
	}
	return what + ".change"
}
