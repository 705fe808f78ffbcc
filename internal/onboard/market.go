package onboard

import (
	"context"
	"fmt"
	"strings"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// SetMarket sets who sees which options in which order. Faults for a currency or
// country that does not exist, or an account that is gone.
func (d *Desk) SetMarket(ctx context.Context, shop string, m payment.Market, by By) error {
	faults := Faults{}
	if _, err := money.ParseCurrency(string(m.Currency)); m.Currency != "" && err != nil {
		faults[FieldCurrency] = "There is no such currency. Three letters, such as EUR."
	}
	if m.Country != "" && !Country(m.Country) {
		faults[FieldCountry] = "There is no such country. Two letters, such as DE."
	}
	if err := faults.orNil(); err != nil {
		return err
	}
	err := d.Records.SaveMarket(ctx, shop, m, by.entry("options.set", "shop "+shop, marketText(m)+" accounts="+shortened(m.Accounts)))
	switch {
	case refusedBy(err, payment.Invalid, "unknown_account"):
		return Faults{FieldAccounts: "An account was removed meanwhile. Load the page again."}
	case refusedBy(err, payment.Conflict, "too_many"):
		return Faults{"": "There are too many of these already. Drop one first."}
	}
	return err
}

// DropMarket gives its buyers the options of everybody else.
func (d *Desk) DropMarket(ctx context.Context, shop string, m payment.Market, by By) error {
	return d.Records.DropMarket(ctx, shop, m, by.entry("options.drop", "shop "+shop, marketText(m)))
}

func marketText(m payment.Market) string {
	text := fmt.Sprintf("mode=%s currency=%s country=%s", mode(m.Live), orAny(string(m.Currency)), orAny(m.Country))
	return text
}

func orAny(text string) string {
	if text == "" {
		return "any"
	}
	return text
}

// shortened lists ids as far as the audit takes them; the rest is counted.
func shortened(ids []string) string {
	const most = 4
	if len(ids) == 0 {
		return "none"
	}
	if len(ids) <= most {
		return strings.Join(ids, ",")
	}
	return fmt.Sprintf("%s,+%d", strings.Join(ids[:most], ","), len(ids)-most)
}

// countries are the codes of ISO 3166-1 alpha-2, officially assigned, and XK,
// which Shopify uses for Kosovo.
const countries = " AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ " +
	"CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR " +
	"GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP " +
	"KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ " +
	"NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW " +
	"SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ " +
	"UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW "

// Country reports whether two capital letters are a country.
func Country(code string) bool {
	return len(code) == 2 && !strings.Contains(code, " ") && strings.Contains(countries, " "+code+" ")
}
