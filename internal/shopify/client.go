package shopify

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"tillflow/internal/payment"
)

// DefaultBaseURL is where a shop's own APIs live.
const DefaultBaseURL = "https://{shop}"

// requestTimeout bounds one exchange, also for HTTP clients without a timeout of their own.
const requestTimeout = 10 * time.Second

// API is one of Shopify's GraphQL APIs.
type API string

const (
	// PaymentsAPI takes the answers to payment sessions. It is the zero value.
	PaymentsAPI API = ""
	// AdminAPI is the shop's own: orders, subscriptions, webhooks. Package admin has its operations.
	AdminAPI API = "admin"
)

func (a API) path() (string, error) {
	switch a {
	case PaymentsAPI:
		return "/payments_apps/api/" + APIVersion + "/graphql.json", nil
	case AdminAPI:
		return "/admin/api/" + APIVersion + "/graphql.json", nil
	}
	return "", fmt.Errorf("shopify client: %q is no api", string(a))
}

// Options configure a [Client].
type Options struct {
	// API is which one to call. Each app of ours calls one, with its own tokens.
	API API
	// BaseURL is a template in which {shop} stands for the shop's domain. Empty means [DefaultBaseURL]. Any other value also
	// lifts the rule that only *.myshopify.com is called, so that a stand-in can take Shopify's place.
	BaseURL string
	// HTTPClient carries the requests. Required. Redirects are not followed.
	HTTPClient *http.Client
	// Tokens gives and renews the access tokens. Required.
	Tokens TokenSource
	// Log receives one line per answer with Shopify's request id.
	Log zerolog.Logger
	// Now is the clock. Required.
	Now func() time.Time
	// OnNotice, if set, is called for every answer with a [Notice]; use it to count. It must not block.
	OnNotice func(Notice)
}

// NoticeKind says what Shopify hinted at.
type NoticeKind string

// Kinds of notice.
const (
	// NoticeVersion: Shopify answered with another API version than [APIVersion].
	NoticeVersion NoticeKind = "version_differs"
	// NoticeDeprecated: Shopify marked the request as using something deprecated.
	NoticeDeprecated NoticeKind = "deprecated"
)

// Notice is a hint in the headers of an answer that the pinned version is ageing.
type Notice struct {
	Kind      NoticeKind
	Shop      string
	Operation string
	Detail    string // the version used, or the reason of the deprecation
}

// Client sends our mutations to Shopify. It is safe for concurrent use.
type Client struct {
	base     baseURL
	path     string
	http     *http.Client
	tokens   TokenSource
	log      zerolog.Logger
	warn     zerolog.Logger
	now      func() time.Time
	onNotice func(Notice)
}

// New returns a client, or an error that names what is wrong with the options.
func New(o Options) (*Client, error) {
	base, err := parseBaseURL(o.BaseURL)
	if err != nil {
		return nil, err
	}
	path, err := o.API.path()
	if err != nil {
		return nil, err
	}
	if o.HTTPClient == nil || o.Tokens == nil || o.Now == nil {
		return nil, errors.New("shopify client: HTTPClient, Tokens and Now are required")
	}
	c := &Client{
		base: base, path: path, http: withoutRedirects(o.HTTPClient), tokens: o.Tokens,
		log: o.Log, now: o.Now, onNotice: o.OnNotice,
		// Once a version ages, every answer says so; a few lines an hour tell as much.
		warn: o.Log.Sample(&zerolog.BurstSampler{Burst: 3, Period: time.Hour}),
	}
	if c.onNotice == nil {
		c.onNotice = func(Notice) {}
	}
	return c, nil
}

// withoutRedirects keeps a redirect from carrying the access token or the app's secret to another address.
func withoutRedirects(client *http.Client) *http.Client {
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

var (
	shopDomain = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}\.myshopify\.com$`)
	// countryCode is the shape of ISO 3166-1 alpha-2.
	countryCode = regexp.MustCompile(`^[A-Z]{2}$`)
	// A stand-in may use any name, but never one that changes the path or the query around it.
	anyHost = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,252}$`)
)

// ValidShopDomain reports whether domain is a permanent shop domain: lower case, below myshopify.com, nothing around it.
func ValidShopDomain(domain string) bool { return shopDomain.MatchString(domain) }

type baseURL struct {
	template   string
	overridden bool
}

func parseBaseURL(template string) (baseURL, error) {
	if template == "" {
		template = DefaultBaseURL
	}
	template = strings.TrimSuffix(template, "/")
	u, err := url.Parse(strings.ReplaceAll(template, "{shop}", "shop.example"))
	switch {
	case err != nil:
		return baseURL{}, errors.New("shopify base url: cannot be parsed")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "", u.User != nil, u.RawQuery != "", u.Fragment != "":
		return baseURL{}, errors.New("shopify base url: want http(s)://host[/path], {shop} stands for the shop's domain")
	}
	return baseURL{template: template, overridden: template != DefaultBaseURL}, nil
}

// at returns the address of path at the shop.
func (b baseURL) at(shop, path string) (string, error) {
	allowed := shopDomain
	if b.overridden {
		allowed = anyHost
	}
	if !allowed.MatchString(shop) {
		return "", &payment.Error{
			Class: payment.Bug, Code: "shop_domain",
			Message: fmt.Sprintf("%q is not a shop's domain", clip(shop)),
		}
	}
	return strings.ReplaceAll(b.template, "{shop}", shop) + path, nil
}
