// Package privacy is what the law lets people ask for about their data: requests
// and their clocks, the words by which a person is looked for, and the
// certificate of an erasure. It is pure: no HTTP, no SQL, no Temporal.
package privacy

import "time"

// Kind is what is asked for. The texts stand in rows: never rename one.
type Kind string

// Kinds of requests.
const (
	// DataRequest: tell a person all that is known of them.
	DataRequest Kind = "data_request"
	// Customer: forget a person.
	Customer Kind = "customer"
	// Shop: forget a shop and its buyers.
	Shop Kind = "shop"
)

// State is how far a request is. The texts stand in rows: never rename one.
type State string

// States, in their order.
const (
	// Received: stored, and nobody has looked yet whom it is about.
	Received State = "received"
	// Waiting: it is known whom it is about; open payments finish first.
	Waiting State = "waiting"
	// Erased: the keys are destroyed; the scan and the certificate follow.
	Erased State = "erased"
	// Done: certified, or the export was sent.
	Done State = "done"
)

// Trouble is why a request needs a person.
type Trouble string

// Troubles. The texts stand in rows, mails and search attributes.
const (
	NoTrouble Trouble = ""
	// OpenPayments: the law's time is over and a payment of the person is still open.
	OpenPayments Trouble = "open_payments"
	// Residue: the scan found the person outside the vault.
	Residue Trouble = "residue"
	// NoAddress: the merchant has no mail address to which the export could go.
	NoAddress Trouble = "no_address"
	// Overdue: the law's time is over for another reason.
	Overdue Trouble = "overdue"
)

// Ref names a request, as its run is started.
type Ref struct {
	ID         string
	Shop       string
	Kind       Kind
	ReceivedAt time.Time
	DueAt      time.Time
}

// DueRun is a request that the sweep looks after.
type DueRun struct {
	Ref

	// Ready: it waits for payments, and none is open any more: its run should look.
	Ready bool
}

// View is how a request stands, for its run. It names nobody.
type View struct {
	State    State
	Trouble  Trouble
	Open     int // payments of the person that are not over
	Subjects int
	Payments int
	Residue  int // places where the last scan found the person
}

// Line is a request as people see it. It names nobody.
type Line struct {
	Ref

	WebhookID   string
	App         string
	State       State
	Trouble     Trouble
	Since       time.Time // of the trouble
	Subjects    int
	Payments    int
	Open        int
	ErasedAt    time.Time
	DoneAt      time.Time
	Scan        *Scan
	Certificate string
	Export      *Export
}

// Export is a parcel that waits for its merchant.
type Export struct {
	ExpiresAt time.Time
	Downloads int
	Wrong     int
	Open      bool // may still be fetched
}

// Bounds of an export.
const (
	// ExportLife is how long its link is good.
	ExportLife = 7 * 24 * time.Hour
	// MaxDownloads is how often it may be fetched.
	MaxDownloads = 3
	// MaxWrong is how many wrong passphrases end it.
	MaxWrong = 5
)

// Place is where a scan looked.
type Place struct {
	Name     string `json:"name"`     // database, histories, logs, mails
	Searched string `json:"searched"` // what was searched, counted
	Found    int    `json:"found"`
	// Where names tables, runs or files with a find, never what was found.
	Where []string `json:"where,omitempty"`
	// Skipped says why a place was not searched; empty: it was.
	Skipped string `json:"skipped,omitempty"`
}

// Scan is what one look for a person found.
type Scan struct {
	At     time.Time `json:"at"`
	Words  int       `json:"words"` // how many ways of writing the person were looked for
	Places []Place   `json:"places"`
}

// Found counts the finds of all places.
func (s Scan) Found() int {
	n := 0
	for _, p := range s.Places {
		n += p.Found
	}
	return n
}

// Runs names the workflows whose histories tell of a person's payments.
type Runs struct {
	Traces []Trace
	// Shop selects every run of a shop instead.
	Shop string
}

// Trace names a workflow by what it is about.
type Trace struct {
	Op          string // charge, capture, void, refund, reversal
	Source      string
	Shop        string
	ExternalRef string
}

// Letter tells a merchant where an export waits.
type Letter struct {
	RequestID string
	Shop      string
	To        string // the merchant's address
	Link      string // holds a secret: never logged, never in a history
	ExpiresAt time.Time
	DueAt     time.Time
}

// Warning tells the operator that a request needs somebody.
type Warning struct {
	RequestID string
	Shop      string
	Kind      Kind
	State     State
	Trouble   Trouble // empty: the law's time comes to its end
	DueAt     time.Time
	Ahead     time.Duration // how long before that this is sent; zero: not because of the clock
	Nth       int           // of the same trouble, so that each is a mail of its own
}

// Purged is what a rule of retention took.
type Purged struct {
	Rule string
	Rows int64
}
