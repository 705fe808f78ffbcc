package access

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// UserKind says how a person proves who they are.
type UserKind string

// Kinds of users.
const (
	// LocalUser has a password here, and mostly a second factor.
	LocalUser UserKind = "local"
	// OIDCUser is known by an identity provider.
	OIDCUser UserKind = "oidc"
	// DevUser pressed a button of the development stack.
	DevUser UserKind = "dev"
)

// User is a person of the console.
type User struct {
	ID        string
	Name      string // unique, in lower case; what is typed at the login and stands in the audit
	Kind      UserKind
	Role      Role
	HasTOTP   bool
	CreatedAt time.Time
	LastLogin time.Time // zero: never
	Disabled  time.Time // zero: may come in
	Invited   time.Time // until when an invitation may be taken up; zero: there is none. Lists have it.
}

// Credentials are what a login is checked against.
type Credentials struct {
	User
	Password PasswordHash // empty unless Kind is LocalUser
	TOTP     TOTPKey      // nil: none enrolled
	Spent    int64        // the last step whose one-time code was used
}

// Identity is a person as somebody else vouches for them: an identity provider,
// or the development stack.
type Identity struct {
	Kind    UserKind // OIDCUser or DevUser
	Issuer  string   // with Subject the person for ever, whatever their name becomes
	Subject string
	Name    string
	Role    Role
}

// NewUser is a local user to be added.
type NewUser struct {
	Name     string
	Role     Role
	Password PasswordHash
	TOTP     TOTPKey // nil: no second factor yet
	// Invitation lets the person choose password and second factor themselves; nil: none.
	Invitation *NewInvitation
}

// ErrName reports a name that cannot be one.
var ErrName = errors.New("a name has 1 to 100 printable characters")

const maxName = 100

// CleanName gives a user's name as it is stored and compared: without space
// around it and in lower case, so that "Ada" and "ada" are one person.
func CleanName(name string) (string, error) {
	if !utf8.ValidString(name) {
		return "", ErrName
	}
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" || utf8.RuneCountInString(name) > maxName {
		return "", ErrName
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return "", ErrName
		}
	}
	return name, nil
}

// redacted is what a secret shows of itself, whatever its length.
func redacted(state fmt.State) {
	_, _ = state.Write([]byte("***")) // fmt's own buffer; a Formatter has nobody to tell
}
