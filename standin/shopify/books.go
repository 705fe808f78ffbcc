package shopify

import (
	"encoding/json"
	"time"
)

// SessionType tells the four kinds of session apart.
type SessionType string

// The session types.
const (
	PaymentSession SessionType = "payment"
	RefundSession  SessionType = "refund"
	CaptureSession SessionType = "capture"
	VoidSession    SessionType = "void"
)

// resource is the name Shopify uses in gids and types, or "" for an unknown type.
func (t SessionType) resource() string {
	switch t {
	case PaymentSession:
		return "PaymentSession"
	case RefundSession:
		return "RefundSession"
	case CaptureSession:
		return "CaptureSession"
	case VoidSession:
		return "VoidSession"
	default:
		return ""
	}
}

func (t SessionType) gid(id string) string { return "gid://shopify/" + t.resource() + "/" + id }

// State is where a session stands.
type State string

// The states of a session. Refunds, captures and voids are never pending.
const (
	StateOpen     State = "open"
	StatePending  State = "pending"
	StateResolved State = "resolved"
	StateRejected State = "rejected"
)

// PaymentKind is what a payment session asks for.
type PaymentKind string

// The payment kinds.
const (
	KindSale          PaymentKind = "sale"
	KindAuthorization PaymentKind = "authorization"
)

// Result says what became of one received mutation.
type Result string

// The results: performed, an idempotent repeat of a performed one, or answered with user errors.
const (
	ResultEffective Result = "effective"
	ResultRepeat    Result = "repeat"
	ResultRefused   Result = "refused"
)

// Mutation is one mutation as it was received.
type Mutation struct {
	Op string `json:"op"`
	// ArgsHash is a short hash of the coerced arguments, so that two calls can be compared without keeping them.
	ArgsHash string    `json:"args_hash"`
	At       time.Time `json:"at"`
	Result   Result    `json:"result"`
	// Problem is the user error's code, or its message where the error type has no code.
	Problem string `json:"problem,omitempty"`
}

// Final is the mutation that decided a session. There is at most one.
type Final struct {
	Op       string    `json:"op"`
	ArgsHash string    `json:"args_hash"`
	At       time.Time `json:"at"`
}

// Posts sums up the requests by which the app was told of a session.
type Posts struct {
	Count    int `json:"count"`
	Accepted int `json:"accepted"`
	// LastStatus is zero when the last request got no HTTP answer.
	LastStatus int    `json:"last_status"`
	LastBody   string `json:"last_body,omitempty"`
	LastError  string `json:"last_error,omitempty"`
	// OtherRedirects counts accepted answers whose redirect_url was not the first one: the app must answer every
	// repeat of an id alike.
	OtherRedirects int `json:"other_redirects"`
}

// Session is what the books say about one session. No personal data is in it.
type Session struct {
	ID         string      `json:"id"`
	GID        string      `json:"gid"`
	Type       SessionType `json:"type"`
	Shop       string      `json:"shop"`
	Checkout   string      `json:"checkout"`
	Group      string      `json:"group,omitempty"`
	PaymentID  string      `json:"payment_id,omitempty"`
	Amount     string      `json:"amount,omitempty"`
	Currency   string      `json:"currency,omitempty"`
	Kind       PaymentKind `json:"kind,omitempty"`
	Test       bool        `json:"test"`
	ProposedAt time.Time   `json:"proposed_at"`

	Posts       Posts  `json:"posts"`
	RedirectURL string `json:"redirect_url,omitempty"`

	State                  State      `json:"state"`
	Final                  *Final     `json:"final"`
	RejectCode             string     `json:"reject_code,omitempty"`
	RejectSource           string     `json:"reject_source,omitempty"`
	MerchantMessage        string     `json:"merchant_message,omitempty"`
	PendingReason          string     `json:"pending_reason,omitempty"`
	PendingExpiresAt       *time.Time `json:"pending_expires_at,omitempty"`
	AuthorizationExpiresAt *time.Time `json:"authorization_expires_at,omitempty"`

	// Mutations are the first maxMutations received; MoreMutations counts the rest.
	Mutations     []Mutation `json:"mutations"`
	MoreMutations int        `json:"more_mutations"`
}

// maxMutations bounds what one session may grow to under a client that repeats for ever.
const maxMutations = 200

func (s *Session) note(m Mutation) {
	if len(s.Mutations) >= maxMutations {
		s.MoreMutations++
		return
	}
	s.Mutations = append(s.Mutations, m)
}

// Order is what the books say about one order. Shopify makes an order of a checkout when a payment of its
// group is resolved or pending.
type Order struct {
	Name     string      `json:"name"`
	Checkout string      `json:"checkout"`
	Group    string      `json:"group"`
	Amount   string      `json:"amount"`
	Currency string      `json:"currency"`
	Test     bool        `json:"test"`
	Status   OrderStatus `json:"status"`
	Captured string      `json:"captured"`
	Refunded string      `json:"refunded"`
	Sessions []string    `json:"sessions"`
}

// Counts sum up a shop. They are kept as things happen, so reading them costs nothing.
type Counts struct {
	Sessions int `json:"sessions"`
	Orders   int `json:"orders"`
	// EffectiveFinals is the number of sessions that were decided; OpenOrPending the number that were not.
	EffectiveFinals int `json:"effective_finals"`
	OpenOrPending   int `json:"open_or_pending"`
	Pending         int `json:"pending"`
	Resolved        int `json:"resolved"`
	Rejected        int `json:"rejected"`
	// Repeats and Refused count received mutations, Strays those for an id that was never sent.
	Repeats int `json:"repeats"`
	Refused int `json:"refused"`
	Strays  int `json:"strays"`
	// OtherRedirects sums Posts.OtherRedirects.
	OtherRedirects int `json:"other_redirects"`
	// Webhooks counts deliveries, Delivered those that were accepted, Undelivered those that ended otherwise; the rest
	// is on its way.
	Webhooks    int `json:"webhooks"`
	Delivered   int `json:"delivered"`
	Undelivered int `json:"undelivered"`
}

// ShopBook is one shop's page of the books.
type ShopBook struct {
	Counts Counts `json:"counts"`
	// Ready and Handle are what the payments app told last; Offered says that checkout offers it.
	Ready    *bool     `json:"ready"`
	Handle   string    `json:"external_handle,omitempty"`
	Offered  bool      `json:"offered"`
	Orders   []Order   `json:"orders,omitempty"`
	Sessions []Session `json:"sessions,omitempty"`
	// Configured is every paymentsAppConfigure that was performed, the last hundred of them.
	Configured []Configuration    `json:"configured,omitempty"`
	Apps       map[string]AppBook `json:"apps,omitempty"`
	// Deliveries are the webhooks, oldest first; ended ones are forgotten past five thousand.
	Deliveries []Delivery `json:"deliveries,omitempty"`
}

// Configuration is one paymentsAppConfigure.
type Configuration struct {
	At     time.Time `json:"at"`
	Ready  bool      `json:"ready"`
	Handle string    `json:"external_handle,omitempty"`
}

// maxConfigured bounds what the books keep of an app that configures itself for ever.
const maxConfigured = 100

// AppBook is what the books say about one app in one shop.
type AppBook struct {
	State         InstallState `json:"state"`
	InstalledAt   *time.Time   `json:"installed_at,omitempty"`
	UninstalledAt *time.Time   `json:"uninstalled_at,omitempty"`
	// RedactAt is when shop/redact will be sent, null when it was or will not be.
	RedactAt *time.Time `json:"redact_at,omitempty"`
	// Installs counts how often the app became installed.
	Installs int      `json:"installs"`
	Scopes   []string `json:"scopes,omitempty"`
	// Tokens are the access tokens by generation, oldest first; RefusedTokens counts refused requests for one.
	Tokens        []Token `json:"tokens,omitempty"`
	RefusedTokens int     `json:"refused_tokens"`
	// Subscriptions are those of the configuration, then those made by the API, removed ones included.
	Subscriptions []Subscription `json:"subscriptions,omitempty"`
}

// record is a session with what the books do not show.
type record struct {
	Session Session `json:"session"`
	// Body is the request as it was sent, so that a repeat is the same bytes.
	Body json.RawMessage `json:"body"`
	// Done holds the result of each performed mutation, which its repeats return.
	Done map[string]view `json:"done,omitempty"`
}

// view is a session as a mutation's payload shows it.
type view struct {
	GID                    string      `json:"gid"`
	Type                   SessionType `json:"type"`
	State                  State       `json:"state"`
	Reason                 string      `json:"reason,omitempty"`
	Source                 string      `json:"source,omitempty"`
	MerchantMessage        string      `json:"merchant_message,omitempty"`
	PendingExpiresAt       *time.Time  `json:"pending_expires_at,omitempty"`
	AuthorizationExpiresAt *time.Time  `json:"authorization_expires_at,omitempty"`
	RedirectURL            string      `json:"redirect_url,omitempty"`
}

// checkout is one purchase: the group its payment attempts share, and the order it became.
type checkout struct {
	ID        string      `json:"id"`
	Group     string      `json:"group"`
	Item      string      `json:"item"`
	Amount    string      `json:"amount"`
	Currency  string      `json:"currency"`
	Kind      PaymentKind `json:"kind"`
	Test      bool        `json:"test"`
	Customer  *Customer   `json:"customer,omitempty"`
	CreatedAt time.Time   `json:"created_at"`
	// Number is the order number, zero while there is no order.
	Number int `json:"number"`
	// OrderedAt and UpdatedAt are the order's own times.
	OrderedAt   *time.Time `json:"ordered_at,omitempty"`
	UpdatedAt   *time.Time `json:"updated_at,omitempty"`
	CancelledAt *time.Time `json:"cancelled_at,omitempty"`
	Dispute     *dispute   `json:"dispute,omitempty"`
	// Sessions are gids in order of creation.
	Sessions []string `json:"sessions"`
}

// shop is one shop's whole state. Everything is guarded by Server.mu.
type shop struct {
	Domain string `json:"domain"`
	// Apps has every registered app by its handle.
	Apps map[string]*installation `json:"apps"`
	// OldTokens are the payments app's in snapshots from before apps could be installed.
	OldTokens  *tokens         `json:"tokens,omitempty"`
	NextOrder  int             `json:"next_order"`
	Counts     Counts          `json:"counts"`
	Ready      *bool           `json:"ready"`
	Handle     string          `json:"external_handle"`
	Configured []Configuration `json:"configured,omitempty"`
	// Activated says that the merchant switched the payments app on.
	Activated bool                 `json:"activated"`
	Checkouts map[string]*checkout `json:"checkouts"`
	// CheckoutIDs and SessionGIDs keep the order of creation.
	CheckoutIDs []string           `json:"checkout_ids"`
	Sessions    map[string]*record `json:"sessions"`
	SessionGIDs []string           `json:"session_gids"`
	Shipments   []*shipment        `json:"shipments,omitempty"`
	Erasures    []*erasure         `json:"erasures,omitempty"`

	groups map[string]string // group → checkout id
	bucket bucket
}

func newShop(domain string) *shop {
	return &shop{
		Domain:    domain,
		Apps:      make(map[string]*installation),
		NextOrder: 1001,
		Checkouts: make(map[string]*checkout),
		Sessions:  make(map[string]*record),
		groups:    make(map[string]string),
	}
}

func (sh *shop) addCheckout(c *checkout) {
	sh.Checkouts[c.ID] = c
	sh.CheckoutIDs = append(sh.CheckoutIDs, c.ID)
	sh.groups[c.Group] = c.ID
}

func (sh *shop) addSession(rec *record) {
	gid := rec.Session.GID
	sh.Sessions[gid] = rec
	sh.SessionGIDs = append(sh.SessionGIDs, gid)
	if c := sh.Checkouts[rec.Session.Checkout]; c != nil {
		c.Sessions = append(c.Sessions, gid)
	}
	sh.Counts.Sessions++
	sh.Counts.OpenOrPending++
}

// find looks an id up as any type of session, payments first.
func (sh *shop) find(id string) *record {
	for _, t := range []SessionType{PaymentSession, RefundSession, CaptureSession, VoidSession} {
		if rec := sh.Sessions[t.gid(id)]; rec != nil {
			return rec
		}
	}
	return sh.Sessions[id]
}

// placeOrder makes an order of the checkout unless it is one already.
func (sh *shop) placeOrder(c *checkout) {
	if c.Number != 0 {
		return
	}
	c.Number = sh.NextOrder
	sh.NextOrder++
	sh.Counts.Orders++
}
