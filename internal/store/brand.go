package store

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
)

func queueBrand(b *pgx.Batch, token string, brand *payment.Brand) {
	const query = `SELECT b.colour, b.logo_sum, b.languages FROM payments p JOIN brands b ON b.shop = p.shop WHERE p.id = %s`
	b.Queue(within(query, byLink), pgx.NamedArgs{"id": token}).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&brand.Colour, &brand.Logo, &brand.Languages)
		if none(err) {
			return nil // a shop that set nothing looks like ours
		}
		return err
	})
}

// Logo reads a picture by its sum; payment.NotFound if no shop has it any more.
func (s *Store) Logo(ctx context.Context, sum string) ([]byte, error) {
	var png []byte
	err := s.pool.QueryRow(ctx, `SELECT logo FROM brands WHERE logo_sum = @sum AND logo_sum <> '' LIMIT 1`, pgx.NamedArgs{"sum": sum}).Scan(&png)
	return png, failure("read logo", err)
}

// ShopSettings reads what a merchant has set; payment.NotFound without the shop.
func (s *Store) ShopSettings(ctx context.Context, shop string) (payment.ShopSettings, error) {
	const query = `
		SELECT s.shop, s.label, s.mail, coalesce(b.colour, ''), coalesce(b.logo_sum, ''), coalesce(b.languages, '{}')
		FROM shops s LEFT JOIN brands b ON b.shop = s.shop WHERE s.shop = @shop`
	var out payment.ShopSettings
	err := s.pool.QueryRow(ctx, query, pgx.NamedArgs{"shop": shop}).
		Scan(&out.Shop, &out.Label, &out.Mail, &out.Colour, &out.Logo, &out.Languages)
	return out, failure("read settings", err)
}

// SaveShopSettings replaces what a merchant has set, and notes it in the audit.
// The Logo of in is not read: NewLogo says what becomes of it.
func (s *Store) SaveShopSettings(ctx context.Context, in payment.ShopSettings, entry audit.Entry) error {
	args := pgx.NamedArgs{
		"shop": in.Shop, "label": in.Label, "mail": in.Mail, "colour": in.Colour, "languages": slices.Concat([]string{}, in.Languages),
		"change": in.NewLogo != nil, "logo": []byte(nil), "sum": "",
	}
	if in.NewLogo != nil && len(in.NewLogo.PNG) > 0 {
		args["logo"], args["sum"] = in.NewLogo.PNG, in.NewLogo.Sum
	}
	return failure("save settings", s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE shops SET label = @label, mail = @mail WHERE shop = @shop`, args)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return &payment.Error{Class: payment.NotFound, Code: "unknown_shop", Message: "there is no such shop"}
		}
		const upsert = `
			INSERT INTO brands AS b (shop, colour, logo, logo_sum, languages) VALUES (@shop, @colour, @logo, @sum, @languages)
			ON CONFLICT (shop) DO UPDATE SET colour = @colour, languages = @languages,
			       logo = CASE WHEN @change::boolean THEN @logo ELSE b.logo END,
			       logo_sum = CASE WHEN @change::boolean THEN @sum ELSE b.logo_sum END`
		if _, err := tx.Exec(ctx, upsert, args); err != nil {
			return err
		}
		return s.AppendAuditIn(ctx, tx, entry)
	}))
}
