package payment

import "tillflow/internal/money"

// ShopSettings is what a merchant sets about a shop in the browser.
type ShopSettings struct {
	Shop      string // permanent domain at Shopify, or a merchant's id
	Label     string // the shop's name as buyers read it
	Mail      string // for mails about payments that need a person
	Colour    string // of buttons and links on the pay page: six hex digits in lower case; empty: ours
	Logo      string // the name of its picture, see Brand; empty: none
	Languages []string
	// NewLogo replaces the logo; nil leaves it, and one without bytes takes it away.
	NewLogo *Logo
}

// Logo is a picture that is safe to serve: a PNG that we encoded ourselves.
type Logo struct {
	PNG []byte
	Sum string // SHA-256 of PNG in hex
}

// Brand is how the pay page of a shop looks.
type Brand struct {
	Colour    string   // six hex digits in lower case; empty: ours
	Logo      string   // SHA-256 of a PNG in hex, by which it is found; empty: none
	Languages []string // of the page, the first for buyers who read none of them; empty: all that there are
}

// AccountChange adds an account at a provider, or changes the one of that id.
type AccountChange struct {
	ID       string // a UUID: of the account, or of the one that is to be
	Shop     string
	Provider string
	Live     bool
	Label    string // what the buyer reads
	Enabled  bool
	// Position is the place on the pay page; nil leaves it, and puts a new account last.
	Position *int
	// Credentials replace those that stand and were accepted by the provider just now. Nil leaves them.
	Credentials map[string]string
}

// Market is who sees which options: buyers who pay in a currency, or have an
// address in a country, or both. Both empty is everybody else.
type Market struct {
	Live     bool // false: of test payments
	Currency money.Currency
	Country  string   // ISO 3166-1 alpha-2
	Accounts []string // ids in the order in which buyers see them
}

// Rest reports whether the market is everybody else.
func (m Market) Rest() bool { return m.Currency == "" && m.Country == "" }
