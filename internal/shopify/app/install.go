package app

import (
	"crypto/sha256"
	"slices"
	"strings"
	"time"
)

// Tokens is a pair of offline tokens. Both replace the old ones; store them in one transaction.
type Tokens struct {
	Access           Secret
	AccessExpiresAt  time.Time
	Refresh          Secret
	RefreshExpiresAt time.Time
	Scope            string // comma-separated
}

// Sum is the SHA-256 of a random text: what is stored opens nothing.
type Sum [sha256.Size]byte

// SumOf sums a text.
func SumOf(text string) Sum { return sha256.Sum256([]byte(text)) }

// Start is an installation that a browser has begun. State sums the text that travels through Shopify, Browser the one that the
// browser keeps in its cookie.
type Start struct {
	App            Name
	Shop           string
	State, Browser Sum
	ExpiresAt      time.Time
}

// Verdict is what the record says of a state that came back.
type Verdict string

// The verdicts. Only Taken changes the record: the state is spent.
const (
	Taken        Verdict = "taken"
	Unknown      Verdict = "unknown"       // never given out, or forgotten long after its end
	OtherBrowser Verdict = "other_browser" // given to another browser
	OtherShop    Verdict = "other_shop"    // given for another shop or app
	Expired      Verdict = "expired"
	Spent        Verdict = "spent" // used before
)

// Grant is what an installation brought.
type Grant struct {
	App    Name
	Shop   string
	Tokens Tokens
	// AuthorizedAt is the signed time of the callback, so Shopify's clock: an uninstallation that was triggered before it is old news.
	AuthorizedAt time.Time
}

// Installation is one app at one shop.
type Installation struct {
	App           Name
	Shop          string
	Scopes        []string // sorted
	AuthorizedAt  time.Time
	InstalledAt   time.Time
	UninstalledAt time.Time // zero: installed
	Ready         bool      // what Shopify was told last by paymentsAppConfigure; false after each installation
}

// Installed reports whether the app is there.
func (i Installation) Installed() bool { return !i.InstalledAt.IsZero() && i.UninstalledAt.IsZero() }

// Renewal is a token that the daily sweep looks after.
type Renewal struct {
	App  Name
	Shop string
	// Permanent: the token is of the old sort that does not expire and has to be converted.
	Permanent bool
}

// Scopes reads a comma-separated list: sorted, each once, without blanks.
func Scopes(text string) []string {
	list := []string{}
	for part := range strings.SplitSeq(text, ",") {
		if scope := strings.TrimSpace(part); scope != "" {
			list = append(list, scope)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// MissingScopes lists what was wanted and not granted. Shopify leaves out the read scope that a write scope implies.
func MissingScopes(wanted, granted []string) []string {
	var missing []string
	for _, scope := range wanted {
		subject, reading := strings.CutPrefix(scope, "read_")
		if !slices.Contains(granted, scope) && (!reading || !slices.Contains(granted, "write_"+subject)) {
			missing = append(missing, scope)
		}
	}
	return missing
}
