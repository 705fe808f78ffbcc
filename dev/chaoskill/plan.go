package chaoskill

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"tillflow/standin/shopify"
)

// How much one batch does.
const (
	shopCount   = 20
	salesOfShop = 3
	apis        = 2
	workers     = 2
	// loadSpan is the time in which sessions begin, strikeSpan that in which faults do.
	loadSpan   = 14 * time.Second
	strikeSpan = 18 * time.Second
	// drawn is how many faults a batch is dealt from the deck, beside one kill of each role.
	drawn = 10
)

// Habit is how a buyer behaves.
type Habit string

// Habits.
const (
	PaysAtOnce       Habit = "pays"
	PaysAfterDecline Habit = "is declined, then pays"
	PaysByDebit      Habit = "pays by debit, which takes a while"
	DebitFails       Habit = "pays by debit, which fails later"
	TwoTabs          Habit = "pays in two tabs"
	Leaves           Habit = "leaves, and is gone"
	Abandons         Habit = "closes the browser before paying"
)

// Fault is what breaks.
type Fault string

// Faults. Those of a wire act between processes and the strike's neighbour.
const (
	KillAPI         Fault = "SIGKILL of an api"
	KillWorker      Fault = "SIGKILL of a worker"
	KillRole        Fault = "SIGKILL of every worker"
	CrashPostgres   Fault = "crash of PostgreSQL"
	RestartTemporal Fault = "restart of Temporal"
	LoseTemporal    Fault = "loss of the whole Temporal database"
	Cut             Fault = "cut"     // connections end, new ones are refused
	Torn            Fault = "torn"    // every connection ends after so many bytes of an answer
	Silent          Fault = "silent"  // nothing passes and nobody says so
	Unheard         Fault = "unheard" // requests arrive, answers do not
	Slow            Fault = "slow"    // every byte is late
)

// Neighbour is the other end of a wire.
type Neighbour string

// Neighbours of a process.
const (
	Postgres Neighbour = "PostgreSQL"
	Temporal Neighbour = "Temporal"
	Stripe   Neighbour = "Stripe"
	Shopify  Neighbour = "Shopify"
)

// Plan is what one batch does.
type Plan struct {
	Seed    uint64
	Sales   []Sale
	Strikes []Strike
}

// Sale is one checkout of a shop, with what the shop does to its money later.
type Sale struct {
	Shop  int
	At    time.Duration
	Minor int64 // like no other sale's of the batch
	Kind  shopify.PaymentKind
	Habit Habit
	Moves []Move
}

// Move is a capture, void or refund that the shop asks for.
type Move struct {
	Type  shopify.SessionType
	Minor int64 // zero for a void
	// After is the pause since the shop knew that the payment is resolved; Early does not wait for that.
	After time.Duration
	Early bool
}

// Strike is one fault at one time.
type Strike struct {
	At    time.Duration
	Fault Fault
	Wire  Neighbour // of faults of a wire
	// Process is the one that is hit, counted within its role for kills and among all for wires; everybody is hit
	// when it is negative.
	Process int
	For     time.Duration
	Bytes   int64 // that a torn wire lets through
}

// everybody is the Process of a strike at all of them.
const everybody = -1

// Name is the strike's kind as it is counted.
func (s Strike) Name() string {
	if s.Wire == "" {
		return string(s.Fault)
	}
	return fmt.Sprintf("%s wire to %s", s.Fault, s.Wire)
}

// deck has every kind of strike once.
func deck() []Strike {
	all := []Strike{
		{Fault: KillAPI}, {Fault: KillWorker}, {Fault: KillRole}, {Fault: CrashPostgres}, {Fault: RestartTemporal}, {Fault: LoseTemporal},
	}
	for _, n := range []Neighbour{Postgres, Temporal, Stripe, Shopify} {
		for _, f := range []Fault{Cut, Torn, Silent, Unheard, Slow} {
			all = append(all, Strike{Fault: f, Wire: n})
		}
	}
	return all
}

// NewPlan draws the plan of a seed.
func NewPlan(seed uint64) Plan {
	d := dice{rand.New(rand.NewPCG(seed, 0x7469_6c6c))} //nolint:gosec // repeatable on purpose
	p := Plan{Seed: seed}
	for n := range shopCount * salesOfShop {
		p.Sales = append(p.Sales, d.sale(n))
	}
	for _, s := range append(deal(seed), Strike{Fault: KillAPI}, Strike{Fault: KillWorker}) {
		p.Strikes = append(p.Strikes, d.strike(s))
	}
	slices.SortStableFunc(p.Sales, func(a, b Sale) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(p.Strikes, func(a, b Strike) int { return cmp.Compare(a.At, b.At) })
	return p
}

// deal gives a seed its cards. Neighbouring seeds go through the deck in turn, so that a run strikes with every kind
// equally often; the stride keeps kinds that stand side by side in the deck out of one hand.
func deal(seed uint64) []Strike {
	const stride = 7
	cards, hand := deck(), make([]Strike, drawn)
	size := uint64(len(cards))
	for i := range hand {
		hand[i] = cards[(seed%size*drawn+uint64(i))*stride%size]
	}
	return hand
}

type dice struct{ *rand.Rand }

// between draws a duration in whole milliseconds.
func (d dice) between(low, high time.Duration) time.Duration {
	return low + time.Duration(d.Int64N(int64((high-low)/time.Millisecond)+1))*time.Millisecond
}

func (d dice) sale(n int) Sale {
	s := Sale{
		Shop: n % shopCount, At: d.between(0, loadSpan), Minor: 10_000 + int64(n)*30, Kind: shopify.KindSale, Habit: d.habit(),
	}
	if s.Habit == Abandons || s.Habit == Leaves {
		s.At /= 3 // its answer waits for the deadline
	}
	if s.Habit != PaysByDebit && s.Habit != DebitFails && d.IntN(3) == 0 {
		s.Kind = shopify.KindAuthorization
	}
	s.Moves = d.moves(s)
	return s
}

func (d dice) habit() Habit {
	switch n := d.IntN(20); {
	case n < 11:
		return PaysAtOnce
	case n < 13:
		return PaysAfterDecline
	case n < 15:
		return PaysByDebit
	case n < 16:
		return DebitFails
	case n < 18:
		return TwoTabs
	case n < 19:
		return Leaves
	default:
		return Abandons
	}
}

func (d dice) strike(s Strike) Strike {
	s.At, s.For = d.between(time.Second, strikeSpan), d.between(0, 3*time.Second)
	switch s.Fault {
	case KillAPI:
		s.Process = d.IntN(apis)
	case KillWorker:
		s.Process = d.IntN(workers)
	case KillRole, CrashPostgres, RestartTemporal, LoseTemporal:
		s.Process = everybody
	case Cut, Torn, Silent, Unheard, Slow:
		s.For += 500 * time.Millisecond
		s.Bytes = d.Int64N(3000)
		s.Process = apis + d.IntN(workers) // only workers call Stripe and Shopify
		if s.Wire == Postgres || s.Wire == Temporal {
			s.Process = d.IntN(apis + workers)
		}
		if d.IntN(3) == 0 {
			s.Process = everybody
		}
	}
	return s
}

// String is the plan in words.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Batch of seed %d\n", p.Seed)
	for _, s := range p.Sales {
		fmt.Fprintf(&b, "  %6.2fs  shop %2d: %s of %s, buyer %s\n", s.At.Seconds(), s.Shop, s.Kind, decimal(s.Minor), s.Habit)
		for _, m := range s.Moves {
			fmt.Fprintf(&b, "            then %s\n", m)
		}
	}
	for _, s := range p.Strikes {
		fmt.Fprintf(&b, "  %6.2fs  %s\n", s.At.Seconds(), s)
	}
	return b.String()
}

func (m Move) String() string {
	text := string(m.Type)
	if m.Type != shopify.VoidSession {
		text += " of " + decimal(m.Minor)
	}
	if m.Early {
		return text + ", before the payment is known to be resolved"
	}
	return fmt.Sprintf("%s, %.2fs after the payment is resolved", text, m.After.Seconds())
}

func (s Strike) String() string {
	text := s.Name()
	switch s.Fault {
	case KillAPI, KillWorker:
		text += fmt.Sprintf(", number %d", s.Process+1)
	case KillRole, CrashPostgres, RestartTemporal, LoseTemporal:
	case Cut, Torn, Silent, Unheard, Slow:
		who := "everybody"
		if s.Process >= 0 {
			who = processName(s.Process)
		}
		text += " of " + who
		if s.Fault == Torn {
			text += fmt.Sprintf(" after %d bytes", s.Bytes)
		}
	}
	return fmt.Sprintf("%s, for %.2fs", text, s.For.Seconds())
}

// decimal writes minor units of a currency with two digits.
func decimal(minor int64) string { return fmt.Sprintf("%d.%02d", minor/100, minor%100) }

// processName names a process by its number among all: the apis come first.
func processName(n int) string {
	if n < apis {
		return fmt.Sprintf("api %d", n+1)
	}
	return fmt.Sprintf("worker %d", n-apis+1)
}
