package recharge

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"tillflow/internal/crypt"
	"tillflow/internal/payment"
)

const (
	// DefaultBaseURL is Recharge's only host.
	DefaultBaseURL = "https://api.rechargeapps.com"
	// Version is the API version that every request names.
	Version = "2021-11"
	// MaxPage is the largest page that Recharge serves.
	MaxPage = 250
	// MinimumPause is the least time to wait after a refusal for the rate limit: the bucket of 40 leaks two a second, and
	// coming back at once only keeps it full.
	MinimumPause = 2 * time.Second
)

const (
	// requestTimeout bounds one exchange. A page of 250 charges has been seen to take seconds.
	requestTimeout = 30 * time.Second
	// maxAnswer bounds an answer; a charge with its addresses and lines is below 16 KiB.
	maxAnswer = 8 << 20
	// maxPause bounds what a header may make us wait.
	maxPause = time.Hour
)

// Options configure a [Client].
type Options struct {
	// BaseURL is where Recharge is. Empty means [DefaultBaseURL]; a stand-in may take its place.
	BaseURL string
	// Token is the store's access token. Required.
	Token crypt.Secret
	// HTTPClient carries the requests. Required. Redirects are not followed.
	HTTPClient *http.Client
	// Now is the clock. Required.
	Now func() time.Time
	// Jitter spreads the pauses of several processes that share a token: it returns a part of the longest it is given. Nil
	// means none.
	Jitter func(longest time.Duration) time.Duration
	// Log receives one line per answer, with ids and without what was in it.
	Log zerolog.Logger
}

// Client calls Recharge for one store. It is safe for concurrent use; use one client per token, because the pause that a refusal
// for the rate limit asks for holds for all of its callers.
type Client struct {
	base   string
	token  crypt.Secret
	http   *http.Client
	now    func() time.Time
	jitter func(time.Duration) time.Duration
	log    zerolog.Logger

	mu        sync.Mutex
	notBefore time.Time // no request before this moment
}

// New returns a client, or an error that names what is wrong with the options.
func New(o Options) (*Client, error) {
	base, err := parseBaseURL(o.BaseURL)
	if err != nil {
		return nil, err
	}
	if o.Token == "" || o.HTTPClient == nil || o.Now == nil {
		return nil, errors.New("recharge client: Token, HTTPClient and Now are required")
	}
	own := *o.HTTPClient
	// A redirect must not carry the access token to another address.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c := &Client{base: base, token: o.Token, http: &own, now: o.Now, jitter: o.Jitter, log: o.Log}
	if c.jitter == nil {
		c.jitter = func(time.Duration) time.Duration { return 0 }
	}
	return c, nil
}

func parseBaseURL(text string) (string, error) {
	if text == "" {
		text = DefaultBaseURL
	}
	text = strings.TrimSuffix(text, "/")
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", errors.New("recharge base url: cannot be parsed")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "", u.User != nil, u.RawQuery != "", u.Fragment != "":
		return "", errors.New("recharge base url: want http(s)://host[/path]")
	}
	return text, nil
}

// gate refuses a request that comes before the pause of an earlier refusal is over. Nothing is sent.
func (c *Client) gate() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if wait := c.notBefore.Sub(c.now()); wait > 0 {
		return &payment.Error{
			Class: payment.RateLimited, Code: CodePaused, RetryAfter: wait,
			Message: "recharge asked for a pause that is not over; nothing was sent",
		}
	}
	return nil
}

// pause closes the gate for as long as a 429 asks, at least [MinimumPause], and returns for how long.
func (c *Client) pause(asked time.Duration) time.Duration {
	wait := max(asked, MinimumPause)
	wait += min(max(c.jitter(wait), 0), wait)
	c.mu.Lock()
	defer c.mu.Unlock()
	if until := c.now().Add(wait); until.After(c.notBefore) {
		c.notBefore = until
	}
	return wait
}
