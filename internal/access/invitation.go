package access

import "time"

// InvitedFor is how long an invitation may be taken up.
const InvitedFor = 48 * time.Hour

// Invitation lets a person choose a password and enrol an authenticator, once.
// Who has its link is the person: it is handed over in private.
type Invitation struct {
	User User
	TOTP TOTPKey // to be enrolled
	Ends time.Time
}

// NewInvitation is an invitation to be stored.
type NewInvitation struct {
	Hash []byte // of its token
	TOTP TOTPKey
	For  time.Duration
}

// Joining is what a person has chosen under an invitation, and proven.
type Joining struct {
	Password PasswordHash
	Step     int64 // of the one-time code that proved the authenticator; spent with it
	Recovery []RecoveryCode
}
