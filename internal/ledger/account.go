package ledger

import (
	"fmt"
	"strings"
)

// Mode keeps play money apart: it is the first part of every account's name, so
// test and live money cannot meet in one account, and no entry may touch both.
type Mode string

const (
	// ModeLive is money that somebody really paid.
	ModeLive Mode = "live"
	// ModeTest is money of test sessions and sandbox credentials.
	ModeTest Mode = "test"
)

// ModeOf translates the test flag that a session carries.
func ModeOf(test bool) Mode {
	if test {
		return ModeTest
	}
	return ModeLive
}

// Account names one account, such as "live/provider:acct_1". Names come from the
// constructors below and are stored as text. An entry with one that no constructor
// could have built is refused.
type Account string

// family is the middle part of an account's name.
type family string

const (
	familyProvider   family = "provider"
	familyMerchant   family = "merchant"
	familyFees       family = "fees"
	familyAuthorized family = "authorized"
	familyContra     family = "authorized-contra"
	familyRefunds    family = "refunds"
	familyDisputes   family = "disputes"
)

// maxAccountID bounds the last part of a name; a shop's domain fits.
const maxAccountID = 200

// ProviderClearing is money that a provider account has taken and not yet paid
// out: an asset, which a debit raises.
func ProviderClearing(mode Mode, accountID string) Account {
	return newAccount(mode, familyProvider, accountID)
}

// MerchantPayable is what the merchant of a shop is owed out of captured money:
// a debt, which a credit raises.
func MerchantPayable(mode Mode, shop string) Account {
	return newAccount(mode, familyMerchant, shop)
}

// Fees is what a provider kept of the money that passed one of its accounts: an
// expense, which a debit raises.
func Fees(mode Mode, accountID string) Account {
	return newAccount(mode, familyFees, accountID)
}

// AuthorizedHold is a memorandum: buyers' money reserved at a provider, not
// taken. Its balance is the sum of the provider account's open authorizations.
func AuthorizedHold(mode Mode, accountID string) Account {
	return newAccount(mode, familyAuthorized, accountID)
}

// AuthorizedContra mirrors [AuthorizedHold], so that a reservation balances
// without pretending that money moved.
func AuthorizedContra(mode Mode, accountID string) Account {
	return newAccount(mode, familyContra, accountID)
}

// RefundsInTransit is money that a provider has agreed to give back and has not
// given back yet: a debt to buyers, which a credit raises. Its balance is the
// sum of the provider account's pending refunds.
func RefundsInTransit(mode Mode, accountID string) Account {
	return newAccount(mode, familyRefunds, accountID)
}

// Disputes is money that a provider withdrew because its buyers' banks ask for
// it, and that comes back if the disputes are won: a claim, which a debit raises.
func Disputes(mode Mode, accountID string) Account {
	return newAccount(mode, familyDisputes, accountID)
}

// newAccount only joins the parts: an entry checks all its accounts, so that a
// wrong part has one place to fail.
func newAccount(mode Mode, family family, id string) Account {
	return Account(string(mode) + "/" + string(family) + ":" + id)
}

// Mode returns the mode in the account's name, or "" for a name without one.
func (a Account) Mode() Mode {
	mode, _, _ := strings.Cut(string(a), "/")
	switch Mode(mode) {
	case ModeLive:
		return ModeLive
	case ModeTest:
		return ModeTest
	default:
		return ""
	}
}

// validate refuses a name that the constructors of this package could not have
// built. The last part is 1 to 200 ASCII letters, digits, dots, dashes and
// underscores: a provider account's id or a shop's domain.
func (a Account) validate() error {
	_, rest, _ := strings.Cut(string(a), "/")
	name, id, _ := strings.Cut(rest, ":")
	if a.Mode() == "" || !family(name).known() || !validID(id) {
		return fmt.Errorf("%w: account %.80q", ErrMalformed, string(a))
	}
	return nil
}

func (f family) known() bool {
	switch f {
	case familyProvider, familyMerchant, familyFees, familyAuthorized, familyContra, familyRefunds, familyDisputes:
		return true
	default:
		return false
	}
}

func validID(id string) bool {
	for _, char := range []byte(id) {
		letter := (char >= 'a' && char <= 'z') || (char >= 'A' && char <= 'Z')
		digit := char >= '0' && char <= '9'
		if !letter && !digit && char != '.' && char != '-' && char != '_' {
			return false
		}
	}
	return id != "" && len(id) <= maxAccountID
}
