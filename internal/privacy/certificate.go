package privacy

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tillflow/internal/crypt"
)

// Certificate says what an erasure did and what a search found afterwards. It
// names nobody: whom it is about is known by the request that asked.
type Certificate struct {
	Version    int       `json:"version"`
	RequestID  string    `json:"request_id"`
	WebhookID  string    `json:"shopify_webhook_id"`
	Shop       string    `json:"shop"`
	Kind       Kind      `json:"kind"`
	ReceivedAt time.Time `json:"received_at"`
	DueAt      time.Time `json:"due_at"`
	ErasedAt   time.Time `json:"erased_at"`
	IssuedAt   time.Time `json:"issued_at"`
	// Keys is how many people's keys were destroyed.
	Keys int `json:"keys_destroyed"`
	// Payments is how many payments of theirs were freed of texts and addresses; amounts stay.
	Payments int `json:"payments_cleared"`
	// Vault counts rows that opened before, and those that still open.
	VaultBefore int `json:"vault_rows_readable_before"`
	VaultAfter  int `json:"vault_rows_readable_after"`
	// Books are sums over the ledger postings of those payments.
	BooksBefore string `json:"books_sha256_before"`
	BooksAfter  string `json:"books_sha256_after"`
	Scan        Scan   `json:"scan"`
}

// certificateVersion is the layout of today.
const certificateVersion = 1

// use binds the signature to certificates.
const use = "erasure certificate 1"

// ErrCertificate reports a text that is no certificate, or none of ours.
var ErrCertificate = errors.New("not a certificate of ours")

// envelope is a certificate with its signature, as it is handed out. The bytes
// that are signed are those of the member, without white space between its parts.
type envelope struct {
	Certificate json.RawMessage `json:"certificate"`
	KeyID       string          `json:"key_id"`
	PublicKey   string          `json:"public_key"`
	Signature   string          `json:"signature"`
}

// Signer signs with a key of this service.
type Signer interface {
	Sign(use string, text []byte) (crypt.Signature, error)
}

// Issue signs a certificate and writes it as JSON for people and programs.
func Issue(s Signer, c Certificate) (string, error) {
	c.Version = certificateVersion
	text, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("write certificate: %w", err)
	}
	signature, err := s.Sign(use, text)
	if err != nil {
		return "", fmt.Errorf("sign certificate: %w", err)
	}
	out, err := json.MarshalIndent(envelope{
		Certificate: text, KeyID: signature.KeyID,
		PublicKey: base64.StdEncoding.EncodeToString(signature.Public), Signature: base64.StdEncoding.EncodeToString(signature.Bytes),
	}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write certificate: %w", err)
	}
	return string(out) + "\n", nil
}

// Keys answers the public key that the service had under an id. The key that
// stands in a certificate proves nothing by itself.
type Keys func(id string) (ed25519.PublicKey, error)

// Verify reads a certificate that Issue wrote. White space may have changed, and
// nothing else: ErrCertificate.
func Verify(keys Keys, text []byte) (Certificate, error) {
	var e envelope
	var c Certificate
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return c, fmt.Errorf("%w: not the JSON of one", ErrCertificate)
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(e.Signature)
	if err != nil {
		return c, fmt.Errorf("%w: its signature cannot be read", ErrCertificate)
	}
	public, err := keys(e.KeyID)
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	if e.PublicKey != base64.StdEncoding.EncodeToString(public) {
		return c, fmt.Errorf("%w: it names another key", ErrCertificate)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, e.Certificate); err != nil {
		return c, fmt.Errorf("%w: its content cannot be read", ErrCertificate)
	}
	if err := crypt.VerifySignature(public, use, compact.Bytes(), signature); err != nil {
		return c, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	if err := json.Unmarshal(compact.Bytes(), &c); err != nil || c.Version != certificateVersion {
		return c, fmt.Errorf("%w: of a version that this program does not know", ErrCertificate)
	}
	return c, nil
}
