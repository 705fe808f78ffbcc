// Package buyer walks through a checkout over HTTP as a browser without
// JavaScript does: for the smoke charge, the load and the fault runs.
package buyer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Buyer is one person's browser. It is safe for concurrent use.
type Buyer struct{ client *http.Client }

// New gives a browser that follows no redirect by itself.
func New() *Buyer {
	return &Buyer{client: &http.Client{
		Timeout:       30 * time.Second,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 128, MaxIdleConns: 512},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// page is an answer: a page, or a way to go.
type page struct {
	status   int
	location string
	body     string
}

var (
	optionButton = regexp.MustCompile(`name="option" value="([^"]+)">([^<]+)`)
	refreshTo    = regexp.MustCompile(`http-equiv="refresh" content="\d+;\s*url=([^"]+)"`)
)

// patience bounds how long a buyer waits on pages that refresh themselves.
const patience = 2 * time.Minute

// Choose opens the pay page, presses the option with the label and answers the
// address of the provider's page. An empty label takes the only option's way.
func (b *Buyer) Choose(ctx context.Context, payURL, label string) (string, error) {
	first, err := b.get(ctx, payURL)
	if err != nil {
		return "", err
	}
	if first.location != "" || refreshTo.MatchString(first.body) && !optionButton.MatchString(first.body) {
		return b.leave(ctx, payURL, first)
	}
	for _, m := range optionButton.FindAllStringSubmatch(first.body, -1) {
		if label == "" || html.UnescapeString(strings.TrimSpace(m[2])) == label {
			pressed, err := b.post(ctx, payURL, url.Values{"option": {m[1]}})
			if err != nil {
				return "", err
			}
			return b.leave(ctx, payURL, pressed)
		}
	}
	return "", fmt.Errorf("the pay page (%d) offers no %q: %s", first.status, label, text(first.body))
}

// Leave gives up on the pay page and answers the address of the shop's page to
// which that leads.
func (b *Buyer) Leave(ctx context.Context, payURL string) (string, error) {
	pressed, err := b.post(ctx, payURL+"/leave", nil)
	if err != nil {
		return "", err
	}
	return b.leave(ctx, payURL, pressed)
}

// leave follows redirects and refreshes until they lead to another host.
func (b *Buyer) leave(ctx context.Context, from string, p page) (string, error) {
	home, err := url.Parse(from)
	if err != nil {
		return "", err
	}
	return b.follow(ctx, from, p, func(u *url.URL) bool { return u.Host != home.Host || strings.HasPrefix(u.Path, "/sandbox/") })
}

// follow goes where the answers lead until there is an address that ends the walk.
func (b *Buyer) follow(ctx context.Context, at string, p page, end func(*url.URL) bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		next, wait := p.location, time.Duration(0)
		if next == "" {
			m := refreshTo.FindStringSubmatch(p.body)
			if m == nil {
				return "", fmt.Errorf("%s answered %d and leads nowhere: %s", at, p.status, text(p.body))
			}
			next, wait = html.UnescapeString(m[1]), 500*time.Millisecond
		}
		base, err := url.Parse(at)
		if err != nil {
			return "", err
		}
		u, err := base.Parse(next)
		if err != nil {
			return "", err
		}
		if end(u) {
			return u.String(), nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("waited in vain at %s: %w", at, ctx.Err())
		case <-time.After(wait):
		}
		at = u.String()
		if p, err = b.get(ctx, at); err != nil {
			return "", err
		}
	}
}

// PayStripe pays at the stand-in Stripe's page and answers the return address.
func (b *Buyer) PayStripe(ctx context.Context, checkoutURL, card string) (string, error) {
	u, err := url.Parse(checkoutURL)
	if err != nil {
		return "", err
	}
	id := u.Path[strings.LastIndex(u.Path, "/")+1:]
	body, err := json.Marshal(map[string]string{"card": card})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.Scheme+"://"+u.Host+"/_pay/"+id, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	p, err := b.do(req)
	if err != nil {
		return "", err
	}
	var answer struct {
		ReturnURL string `json:"return_url"`
	}
	if err := json.Unmarshal([]byte(p.body), &answer); err != nil || answer.ReturnURL == "" {
		return "", errors.Join(fmt.Errorf("the checkout was not paid (%d): %s", p.status, p.body), err)
	}
	return answer.ReturnURL, nil
}

// Return goes back to the return page and on, until the shop's own page; it
// answers that page's address.
func (b *Buyer) Return(ctx context.Context, returnURL string) (string, error) {
	p, err := b.get(ctx, returnURL)
	if err != nil {
		return "", err
	}
	return b.leave(ctx, returnURL, p)
}

func (b *Buyer) get(ctx context.Context, address string) (page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return page{}, err
	}
	return b.do(req)
}

func (b *Buyer) post(ctx context.Context, address string, form url.Values) (page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return page{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(req)
}

func (b *Buyer) do(req *http.Request) (page, error) {
	resp, err := b.client.Do(req)
	if err != nil {
		return page{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return page{status: resp.StatusCode, location: resp.Header.Get("Location"), body: string(body)}, err
}

var tags = regexp.MustCompile(`<[^>]*>`)

// text is what a reader of the page sees, for error messages.
func text(body string) string {
	words := strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(body, " "))), " ")
	if len(words) > 300 {
		words = words[:300] + "…"
	}
	return words
}
