package chaos

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// office is the post office on the way of the provider's messages. It keeps copies, so that an old message can come
// again, altered or from somebody else.
type office struct {
	to     string
	client *http.Client

	mu     sync.Mutex
	copies []letter
}

// letter is one message as it was delivered.
type letter struct {
	path      string
	signature string
	body      []byte
}

const (
	signatureHeader = "Stripe-Signature"
	maxLetter       = 1 << 20
)

func newOffice(to string) *office {
	return &office{to: to, client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: 10 * time.Second}}}
}

// ServeHTTP hands a message on and answers what the service answered.
func (o *office) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxLetter))
	if err != nil {
		http.Error(w, "cut off", http.StatusBadRequest)
		return
	}
	l := letter{path: r.URL.Path, signature: r.Header.Get(signatureHeader), body: body}
	o.mu.Lock()
	o.copies = append(o.copies, l)
	o.mu.Unlock()
	status, err := o.deliver(r.Context(), l)
	if err != nil {
		status = http.StatusBadGateway
	}
	w.WriteHeader(status)
}

func (o *office) deliver(ctx context.Context, l letter) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.to+l.path, bytes.NewReader(l.body)) //nolint:gosec // our own service
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set(signatureHeader, l.signature)
	resp, err := o.client.Do(req) //nolint:gosec // as above
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxLetter))
	return resp.StatusCode, err
}

// copy answers the n-th message of those so far, counted round.
func (o *office) copy(n int) (letter, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.copies) == 0 {
		return letter{}, false
	}
	return o.copies[n%len(o.copies)], true
}

// sign signs a body as the provider does for the owner of a secret.
func (l letter) sign(secret string, at time.Time) letter {
	t := fmt.Sprint(at.Unix())
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t + "."))
	mac.Write(l.body)
	l.signature = "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
	return l
}

// of finds which of the accounts a message was for.
func (l letter) of(rows []string) int {
	for i, row := range rows {
		if strings.HasSuffix(l.path, row) {
			return i
		}
	}
	return 0
}
