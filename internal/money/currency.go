package money

import "fmt"

// Currency is an active ISO 4217 alphabetic code in upper case. The zero value
// is no currency. Values come from [ParseCurrency]; a conversion such as
// Currency("EUR") is for constants.
type Currency string

// ParseCurrency accepts an active ISO 4217 code in upper case, else ErrCurrency.
// Lower case is refused rather than corrected: whoever speaks lower case (Stripe
// does) converts in the connector, knowingly.
func ParseCurrency(code string) (Currency, error) {
	currency := Currency(code)
	if _, err := currency.Exponent(); err != nil {
		return "", err
	}
	return currency, nil
}

// Exponent returns how many digits the minor unit has: 2 for EUR, 0 for JPY, 3
// for KWD, 4 for CLF. There is no default: an unknown code is ErrCurrency,
// because a guessed 2 is wrong by a factor of a hundred.
//
// Source: ISO 4217 list one (active codes) as of November 2026, so with XCG and
// without ANG (ended 2025-07) and BGN (ended 2026-01). Codes that have no minor
// unit (metals, XDR, XSU, XUA, bond units, XTS, XXX) are no payment currencies
// and are left out.
func (c Currency) Exponent() (int, error) {
	switch c {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF",
		"UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0, nil
	case "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM",
		"BBD", "BDT", "BMD", "BND", "BOB", "BOV", "BRL", "BSD", "BTN", "BWP",
		"BYN", "BZD", "CAD", "CDF", "CHE", "CHF", "CHW", "CNY", "COP", "COU",
		"CRC", "CUP", "CVE", "CZK", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB",
		"EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GTQ", "GYD",
		"HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IRR", "JMD", "KES",
		"KGS", "KHR", "KPW", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL",
		"MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR",
		"MWK", "MXN", "MXV", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR",
		"NZD", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "QAR", "RON", "RSD",
		"RUB", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS",
		"SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TOP",
		"TRY", "TTD", "TWD", "TZS", "UAH", "USD", "USN", "UYU", "UZS", "VED",
		"VES", "WST", "XAD", "XCD", "XCG", "YER", "ZAR", "ZMW", "ZWG":
		return 2, nil
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3, nil
	case "CLF", "UYW":
		return 4, nil
	default:
		return 0, fmt.Errorf("%w: %q", ErrCurrency, clip(string(c)))
	}
}

// clip bounds what an error repeats of input that strangers wrote.
func clip(text string) string {
	const most = 40
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
