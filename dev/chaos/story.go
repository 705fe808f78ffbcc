package chaos

import (
	"fmt"
	"strings"

	"tillflow/standin/faults"
	"tillflow/standin/shopify"
)

// Story is one program of operations and faults. It is a pure function of its seed, or was cut down from one.
type Story struct {
	Seed   uint64  `json:"seed"`
	Sales  []Sale  `json:"sales"`
	Steps  []Step  `json:"steps"`
	Faults []Fault `json:"faults"`
	// StaleToken starts the shop with an access token that must be renewed before it is used.
	StaleToken bool `json:"stale_token,omitempty"`
}

// Sale is what a payment session asks for.
type Sale struct {
	Kind     shopify.PaymentKind `json:"kind"`
	Minor    int64               `json:"minor"`
	Currency string              `json:"currency"`
	// Group is the checkout it belongs to; sales of one group are tabs of one buyer.
	Group int `json:"group"`
}

// Verb is what a step does.
type Verb string

// Verbs. All but Begin need something that an earlier step brought, and do nothing where it is missing.
const (
	Begin       Verb = "begin"        // the shop sends the session
	Repeat      Verb = "repeat"       // the shop sends it again, N times at once
	Choose      Verb = "choose"       // the buyer opens the link and presses option N
	DoubleClick Verb = "double_click" // the same, pressed twice at once
	Pay         Verb = "pay"          // the buyer pays at the provider with Card
	Return      Verb = "return"       // the buyer comes back from the provider
	Leave       Verb = "leave"        // the buyer gives up on our page
	PayLate     Verb = "pay_late"     // the provider takes the money of a page that it had closed
	Retry       Verb = "retry"        // an operator: try again now
	Note        Verb = "note"         // an operator writes a note
	Expire      Verb = "expire"       // an operator ends the payment
	Decide      Verb = "decide"       // an operator says what the provider's dashboard shows
	Reset       Verb = "reset"        // the charge's run is reset to its N-th workflow task
	Terminate   Verb = "terminate"    // the charge's run is terminated
	Delete      Verb = "delete"       // the charge's run is deleted, finished or not
	ResetBack   Verb = "reset_back"   // Reset, for the runs that give money back
	StopBack    Verb = "stop_back"    // Terminate, for the runs that give money back
	DeleteBack  Verb = "delete_back"  // Delete, for the runs that give money back
	Echo        Verb = "echo"         // an old message of the provider comes again
	Forge       Verb = "forge"        // an old message's id comes with another body
	Foreign     Verb = "foreign"      // another account sends the message as its own
	Skip        Verb = "skip"         // the clock jumps N minutes ahead; such a story has the world to itself

	Await     Verb = "await"      // nobody does anything until the shop has its answer about the sale
	Capture   Verb = "capture"    // the shop asks to capture N percent of the sale
	Void      Verb = "void"       // the shop asks to void the sale
	Refund    Verb = "refund"     // the shop asks to refund N percent of the sale
	MoveAgain Verb = "move_again" // the shop sends the sale's last capture, void or refund again, N times at once
	Dashboard Verb = "dashboard"  // somebody refunds N percent in the provider's dashboard
	Object    Verb = "object"     // the buyer's bank objects to N percent of the sale
	Win       Verb = "win"        // the merchant wins the objection
	ResetMove Verb = "reset_move" // Reset, for the sale's last capture, void or refund
	StopMove  Verb = "stop_move"  // Terminate, for the same
	LoseMove  Verb = "lose_move"  // Delete, for the same
)

// Step is one thing that happens.
type Step struct {
	Do   Verb   `json:"do"`
	Sale int    `json:"sale"`
	N    int    `json:"n,omitempty"`
	Card string `json:"card,omitempty"`
	// Wait is the pause before it, in milliseconds.
	Wait int `json:"wait,omitempty"`
	// Along says that it does not wait for the end of the steps before it.
	Along bool `json:"along,omitempty"`
}

// Side is where a fault acts.
type Side string

// Sides.
const (
	AtStripe   Side = "stripe"   // a call of the provider's API or pages
	AtShopify  Side = "shopify"  // a mutation, or the renewal of a token
	AtTemporal Side = "temporal" // the starting or waking of a run
	OfMessage  Side = "message"  // a message of the provider; Call is its type
	OfRun      Side = "run"      // what happens to runs: not a Fault but a Step, counted like one
	OfPerson   Side = "person"   // what only a person could decide in the end, counted beside the faults
)

// Fault is one armed switch of a stand-in, counted from the start of the story.
type Fault struct {
	At    Side        `json:"at"`
	Call  string      `json:"call"`
	Kind  faults.Kind `json:"kind"`
	Nth   int         `json:"nth,omitempty"`
	Times int         `json:"times,omitempty"`
}

// slow is how long slow kinds take: longer than a call waits for its answer, shorter than the provider's lag.
const slow = 2200

func (f Fault) rule() faults.Rule {
	r := faults.Rule{Call: f.Call, Kind: f.Kind, Nth: f.Nth, Times: f.Times}
	switch f.Kind {
	case faults.Delay, faults.DelayReply, faults.WebhookDelay, faults.WebhookReorder, faults.SlowSettle:
		r.DelayMS = slow
	case faults.LoseRequest, faults.LoseReply, faults.HoldReply, faults.TooManyRequests, faults.ErrorBefore, faults.ErrorAfter,
		faults.WrongAmount, faults.WebhookBeforeReply, faults.WebhookDrop, faults.WebhookTwice:
	default: // a decline
	}
	return r
}

// solo says that the story moves the clock that all stories share.
func (s Story) solo() bool {
	for _, step := range s.Steps {
		if step.Do == Skip {
			return true
		}
	}
	return false
}

// String is the story in words.
func (s Story) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Story of seed %d\n", s.Seed)
	for i, sale := range s.Sales {
		fmt.Fprintf(&b, "  sale %d: %s of %s %s, checkout %d\n", i, sale.Kind, sale.amount(), sale.Currency, sale.Group)
	}
	if s.StaleToken {
		b.WriteString("  the shop's access token is out of date\n")
	}
	for _, f := range s.Faults {
		fmt.Fprintf(&b, "  fault: %s\n", f)
	}
	for i, step := range s.Steps {
		fmt.Fprintf(&b, "  %2d. %s\n", i+1, step)
	}
	return b.String()
}

func (f Fault) String() string {
	times := "once"
	switch {
	case f.Times < 0:
		times = "until faults are lifted"
	case f.Times > 1:
		times = fmt.Sprintf("%d times", f.Times)
	}
	return fmt.Sprintf("%s at %s %s, from the %s on, %s", f.Kind, f.At, f.Call, ordinal(max(f.Nth, 1)), times)
}

func ordinal(n int) string {
	switch n {
	case 1:
		return "1st"
	case 2:
		return "2nd"
	case 3:
		return "3rd"
	}
	return fmt.Sprintf("%dth", n)
}

func (s Step) String() string {
	text := s.text()
	if s.Wait > 0 {
		text = fmt.Sprintf("%d ms later, %s", s.Wait, text)
	}
	if s.Along {
		text = "meanwhile, " + text
	}
	return text
}

func (s Step) text() string {
	switch s.Do {
	case Begin:
		return fmt.Sprintf("the shop sends the session of sale %d", s.Sale)
	case Repeat:
		return fmt.Sprintf("the shop sends the session of sale %d again, %d times at once", s.Sale, s.N)
	case Choose:
		return fmt.Sprintf("the buyer of sale %d presses option %d", s.Sale, s.N)
	case DoubleClick:
		return fmt.Sprintf("the buyer of sale %d presses option %d twice at once", s.Sale, s.N)
	case Pay:
		return fmt.Sprintf("the buyer of sale %d pays at option %d with %s", s.Sale, s.N, s.Card)
	case Return:
		return fmt.Sprintf("the buyer of sale %d comes back", s.Sale)
	case Leave:
		return fmt.Sprintf("the buyer of sale %d leaves", s.Sale)
	case PayLate:
		return fmt.Sprintf("the provider takes the money of the closed page of sale %d", s.Sale)
	case Retry, Note, Expire, Decide:
		return fmt.Sprintf("an operator presses %s on sale %d", s.Do, s.Sale)
	case Reset, ResetBack:
		return fmt.Sprintf("somebody resets %s of sale %d to workflow task %d", runOf(s.Do), s.Sale, s.N)
	case Terminate, StopBack:
		return fmt.Sprintf("somebody terminates %s of sale %d", runOf(s.Do), s.Sale)
	case Delete, DeleteBack:
		return fmt.Sprintf("somebody deletes %s of sale %d", runOf(s.Do), s.Sale)
	case Echo, Forge, Foreign:
		return fmt.Sprintf("message %d of the provider: %s", s.N, s.Do)
	case Skip:
		return fmt.Sprintf("the clock jumps %d minutes ahead", s.N)
	case ResetMove:
		return fmt.Sprintf("somebody resets %s of sale %d to workflow task %d", runOf(s.Do), s.Sale, s.N)
	case StopMove, LoseMove:
		return fmt.Sprintf("%s of sale %d: %s", runOf(s.Do), s.Sale, s.Do)
	}
	return s.moveText()
}

func (s Step) moveText() string {
	switch s.Do {
	case Await:
		return fmt.Sprintf("the shop has its answer about sale %d", s.Sale)
	case Capture, Refund:
		return fmt.Sprintf("the shop asks to %s %d %% of sale %d", s.Do, s.N, s.Sale)
	case Void:
		return fmt.Sprintf("the shop asks to void sale %d", s.Sale)
	case MoveAgain:
		return fmt.Sprintf("the shop sends the last such request of sale %d again, %d times at once", s.Sale, s.N)
	case Dashboard:
		return fmt.Sprintf("somebody refunds %d %% of sale %d in the provider's dashboard", s.N, s.Sale)
	case Object:
		return fmt.Sprintf("the bank objects to %d %% of sale %d", s.N, s.Sale)
	case Win:
		return fmt.Sprintf("the merchant wins the objection to sale %d", s.Sale)
	}
	return fmt.Sprintf("unknown verb %q", string(s.Do))
}

func runOf(v Verb) string {
	switch v {
	case ResetBack, StopBack, DeleteBack:
		return "the run that gives money back"
	case ResetMove, StopMove, LoseMove:
		return "the run of the last capture, void or refund"
	}
	return "the run"
}

// amount is the sale's amount as a shop writes it.
func (s Sale) amount() string {
	if s.Currency == "JPY" {
		return fmt.Sprint(s.Minor)
	}
	return fmt.Sprintf("%d.%02d", s.Minor/100, s.Minor%100)
}
