package crypt

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const purposeParcel purpose = "tillflow parcel 1"

// Parcel is something for somebody outside, sealed under two secrets that travel
// on different ways: the link that a mail carries, and a passphrase that a person
// is told. The record keeps neither of them beside the sealed bytes, so a copy of
// the database does not open it, and neither does the mail.
//
// The link's 256 random bits make guessing offline hopeless, whatever the
// passphrase; the passphrase has 80, and guessing it online is counted.
type Parcel struct {
	Link       Secret
	Passphrase Secret // in groups, as it is told
	TokenHash  []byte // of the link: the record finds the parcel by it
	Sealed     []byte
}

// NewParcel draws both secrets and seals the content for the id.
func NewParcel(id string, content []byte) (Parcel, error) {
	p := Parcel{Link: Secret(rand.Text() + rand.Text()), Passphrase: Secret(grouped(rand.Text()[:16]))}
	p.TokenHash = TokenHash(p.Link.Reveal())
	var err error
	p.Sealed, err = seal(parcelKey(p.Link.Reveal(), p.Passphrase.Reveal()), purposeParcel, bind(id), content)
	return p, err
}

// OpenParcel gives the content to who has both secrets: ErrOpen for anybody else.
// Spaces, dashes and case of the passphrase do not matter.
func OpenParcel(id string, sealed []byte, link, passphrase string) ([]byte, error) {
	return open(parcelKey(link, passphrase), purposeParcel, bind(id), sealed)
}

// TokenHash is what is kept of a random token.
func TokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// TokenName names a token where it must not be readable: a part of its hash.
func TokenName(token string) string { return hex.EncodeToString(TokenHash(token)[:8]) }

func parcelKey(link, passphrase string) []byte {
	plain := strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToUpper(passphrase))
	sum := sha256.Sum256(bind(link, plain))
	return sum[:]
}

func grouped(text string) string {
	return text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:]
}
