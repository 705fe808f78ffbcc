package stripe

import (
	"slices"
	"strconv"
	"strings"
)

// supported are the currencies a charge may be made in (docs.stripe.com/currencies).
const supported = " usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn " +
	"bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl " +
	"htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt " +
	"mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd " +
	"scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf " +
	"yer zar zmw "

// maxAmount: a charge has eight digits at most.
const maxAmount = 99_999_999

// exponent is the number of decimals of the amounts on the wire. UGX and ISK have no minor unit in ISO 4217 but are
// sent with two decimals that must be zero.
func exponent(currency string) int {
	switch currency {
	case "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf":
		return 0
	case "bhd", "jod", "kwd", "omr", "tnd":
		return 3
	default:
		return 2
	}
}

// step is what an amount must be divisible by.
func step(currency string) int64 {
	switch currency {
	case "isk", "ugx":
		return 100
	case "bhd", "jod", "kwd", "omr", "tnd":
		return 10
	default:
		return 1
	}
}

// minimum is the smallest charge, in minor units; about half a US dollar where Stripe publishes a figure, else one step.
func minimum(currency string) int64 {
	switch currency {
	case "usd", "eur", "cad", "aud", "chf", "nzd", "sgd", "brl", "inr", "jpy":
		return 50
	case "gbp":
		return 30
	case "bgn":
		return 100
	case "thb", "mxn":
		return 1000
	case "aed", "myr", "pln", "ron":
		return 200
	case "dkk":
		return 250
	case "nok", "sek":
		return 300
	case "hkd":
		return 400
	case "czk":
		return 1500
	case "huf":
		return 17_500
	default:
		return step(currency)
	}
}

// checkAmount applies the currency rules to an amount that is to be charged.
func checkAmount(currency string, amount int64, param string) *apiError {
	if len(currency) != 3 || !strings.Contains(supported, " "+currency+" ") {
		return invalid("", param, "Invalid currency: "+currency+". Stripe currently supports these currencies:"+supported)
	}
	switch {
	case amount < minimum(currency):
		return invalid("amount_too_small", param, "The amount must be at least "+
			formatAmount(minimum(currency), currency)+".")
	case amount > maxAmount:
		return invalid("amount_too_large", param, "The amount must be no more than "+formatAmount(maxAmount, currency)+".")
	}
	return checkStep(currency, amount, param)
}

// checkStep refuses amounts that the currency cannot express, also for captures and refunds.
func checkStep(currency string, amount int64, param string) *apiError {
	if n := step(currency); amount%n != 0 {
		return invalid("invalid_charge_amount", param, "Invalid amount: amounts in "+strings.ToUpper(currency)+
			" must be divisible by "+strconv.FormatInt(n, 10)+".")
	}
	return nil
}

// formatAmount writes minor units for people: "12.30 EUR".
func formatAmount(amount int64, currency string) string {
	digits := strconv.FormatInt(amount, 10)
	sign := ""
	if rest, negative := strings.CutPrefix(digits, "-"); negative {
		sign, digits = "-", rest
	}
	if e := exponent(currency); e > 0 {
		if pad := e + 1 - len(digits); pad > 0 {
			digits = string(slices.Repeat([]byte{'0'}, pad)) + digits
		}
		digits = digits[:len(digits)-e] + "." + digits[len(digits)-e:]
	}
	return sign + digits + " " + strings.ToUpper(currency)
}

// fee is what Stripe keeps of a charge: 2.9 % rounded half up, and 30 minor units.
func fee(amount int64) int64 { return (amount*29+500)/1000 + 30 }
