package hook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"tillflow/internal/shopify"
	"tillflow/internal/shopify/app"
)

// MaxBody is the most a webhook may have. Shopify names no limit; its largest are orders of some hundred KiB.
const MaxBody = 2 << 20

// Key is a client secret of one of our apps. During a rotation an app has two: the old one may sign for an hour more.
type Key struct {
	App    app.Name
	Secret app.Secret
}

// ErrSignature refuses a message whose signature is missing or not made with a key of ours: 401.
var ErrSignature = errors.New("the signature is not made with a client secret of ours")

// FieldError refuses a message that is signed and cannot be used: 400. It never repeats what was sent.
type FieldError struct {
	Field  string // a header, a member, or "body"
	Reason string // completes the sentence that begins with the field
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + " " + e.Reason }

func bad(field, reason string) error { return &FieldError{Field: field, Reason: reason} }

// Headers of a delivery.
const (
	headerSignature = "X-Shopify-Hmac-Sha256"
	headerTopic     = "X-Shopify-Topic"
	headerShop      = "X-Shopify-Shop-Domain"
	headerID        = "X-Shopify-Webhook-Id"
	headerEvent     = "X-Shopify-Event-Id"
	headerVersion   = "X-Shopify-API-Version"
	headerTriggered = "X-Shopify-Triggered-At"
)

var (
	topicText = regexp.MustCompile(`^[a-z0-9_]{1,64}/[a-z0-9_]{1,64}$`)
	idText    = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)
)

// Verify checks the signature on the raw bytes before anything is read, and gives what is kept of the message. The key that fits
// says which app it is for. now stands in for a trigger time that is missing, and bounds one that lies ahead.
func Verify(keys []Key, header http.Header, body []byte, now time.Time) (app.Delivery, error) {
	name, err := signer(keys, header.Get(headerSignature), body)
	if err != nil {
		return app.Delivery{}, err
	}
	d := app.Delivery{
		App: name, Shop: header.Get(headerShop), Topic: app.Topic(header.Get(headerTopic)), WebhookID: header.Get(headerID),
		EventID: header.Get(headerEvent), APIVersion: header.Get(headerVersion),
	}
	switch {
	case !topicText.MatchString(string(d.Topic)):
		return app.Delivery{}, bad(headerTopic, "is missing or no topic")
	case !shopify.ValidShopDomain(d.Shop):
		return app.Delivery{}, bad(headerShop, "is missing or not below myshopify.com")
	case !idText.MatchString(d.WebhookID):
		return app.Delivery{}, bad(headerID, "is missing or malformed")
	case d.EventID != "" && !idText.MatchString(d.EventID):
		return app.Delivery{}, bad(headerEvent, "is malformed")
	case d.APIVersion != "" && !idText.MatchString(d.APIVersion):
		return app.Delivery{}, bad(headerVersion, "is malformed")
	}
	if d.TriggeredAt, err = triggered(header.Get(headerTriggered), now); err != nil {
		return app.Delivery{}, err
	}
	if err := read(&d, body); err != nil {
		return app.Delivery{}, err
	}
	return d, nil
}

// signer finds the app whose secret signed the body. All keys are tried, so that the time does not tell which one fits.
func signer(keys []Key, signature string, body []byte) (app.Name, error) {
	given, err := base64.StdEncoding.Strict().DecodeString(signature)
	if err != nil || len(given) != sha256.Size {
		return "", ErrSignature
	}
	var found app.Name
	for _, key := range keys {
		mac := hmac.New(sha256.New, []byte(key.Secret))
		mac.Write(body)
		if hmac.Equal(given, mac.Sum(nil)) && key.Secret != "" {
			found = key.App
		}
	}
	if found == "" {
		return "", ErrSignature
	}
	return found, nil
}

// triggered reads the time that orders messages. One from the future would hide all that follows, so it counts as now.
func triggered(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return now.UTC(), nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, bad(headerTriggered, "is no time")
	}
	if at.After(now) {
		at = now
	}
	return at.UTC(), nil
}

func malformed(member string) error {
	return bad("body", fmt.Sprintf("has no usable %s", member))
}
