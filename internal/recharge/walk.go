package recharge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"tillflow/internal/payment"
)

// Lister is where a walk reads; [Client] is one.
type Lister interface {
	Charges(ctx context.Context, q ListQuery) (Page, error)
}

// Findings are what a walk brings home from one page.
type Findings struct {
	// Charges in status error, or in a status that nobody published. The same charge may come again, also within one page.
	Charges []Charge
	// Unreadable rows, to be kept once by their Sum.
	Unreadable []Unreadable
}

// Journal keeps what a walk has found and how far it is. It is what makes "once" true: a charge is one row by its id.
type Journal interface {
	// Position is where the walk stands; the zero Position if it never went.
	Position(ctx context.Context) (Position, error)
	// Keep stores the findings and, in the same transaction, the position that behind returns for the ids of those charges that
	// were not there before. A charge that was there is updated if the one given has a later UpdatedAt.
	// Whatever has to hear of a new one (mail, event) is written in that transaction too, else a crash behind it loses the news.
	// behind is pure: a transaction that is tried again calls it again.
	Keep(ctx context.Context, found Findings, behind func(fresh []int64) Position) error
}

// Position is how far the walk over a store's failed charges is. It is stored between pages and between runs; text and numbers only.
type Position struct {
	// Since is the lower bound of the window: of the walk under way, or of the next one.
	Since time.Time `json:"since"`
	// Started is when the walk under way began; zero when none is.
	Started time.Time `json:"started"`
	// Pass counts from 1; odd ones go from the oldest update on, even ones from the newest.
	Pass int `json:"pass"`
	// Cursor of the pass's next page; empty at its begin.
	Cursor string `json:"cursor"`
	// Fresh is how many charges the pass has brought that were not known and are no younger than the walk.
	Fresh int `json:"fresh"`
	// Settled is when the last walk that had everything began.
	Settled time.Time `json:"settled"`
}

// WalkOptions configure a [Walk]. Lister, Journal and Now are required.
type WalkOptions struct {
	Lister  Lister
	Journal Journal
	Now     func() time.Time
	// Wait pauses before a page is asked for again, and ends with ctx. Nil waits on the real clock.
	Wait func(ctx context.Context, pause time.Duration) error
	// Lookback is how far the very first walk goes back. Default 90 days, behind which Recharge lists nothing that was processed.
	Lookback time.Duration
	// Overlap is how far each later walk goes back behind the begin of the last one: for clocks that differ and for times whose
	// zone is not known. Default 24 hours.
	Overlap time.Duration
	// Limit is the size of a page. Default [MaxPage].
	Limit int
	// Tries is how often one page is asked for before the walk gives up for now. Default 6.
	Tries int
	// Passes is how often the window is walked at most, 2 or more. Default 6.
	Passes int
	// Log hears of trouble on the way.
	Log zerolog.Logger
}

// Walk lists the charges in status error whose last update lies in a window, and brings each to its [Journal].
//
// One pass over a list by cursor is not enough to have seen everything: a page may be lost or served half, a row that is updated
// between two pages moves, and with cursors that count rows everything behind it then moves up by one, past the reader. None of
// that shows in the pages. So the window is walked again, from its other end, until a pass brings nothing that was not known (what
// was updated since the walk began does not count, it lies in the next window too); only then the window moves on. A page that is missing in the same place of every pass cannot be seen by anybody; the overlap of the
// next walk is the second chance for what was updated in the last day.
type Walk struct{ o WalkOptions }

const (
	defaultLookback = 90 * 24 * time.Hour
	defaultOverlap  = 24 * time.Hour
	defaultTries    = 6
	minPasses       = 2
	defaultPasses   = 6
	longestPause    = time.Minute
	// maxPages bounds one run: a quarter of a million charges.
	maxPages = 1000
)

// NewWalk returns a walk, or an error that names what is wrong with the options.
func NewWalk(o WalkOptions) (*Walk, error) {
	if o.Lister == nil || o.Journal == nil || o.Now == nil {
		return nil, errors.New("recharge walk: Lister, Journal and Now are required")
	}
	if o.Lookback < 0 || o.Overlap < 0 || o.Tries < 0 || o.Limit < 0 || o.Limit > MaxPage || o.Passes != 0 && o.Passes < minPasses {
		return nil, fmt.Errorf("recharge walk: durations and Tries must not be negative, Limit is 1 to %d, Passes at least %d",
			MaxPage, minPasses)
	}
	o.Lookback, o.Overlap = orElse(o.Lookback, defaultLookback), orElse(o.Overlap, defaultOverlap)
	o.Limit, o.Tries, o.Passes = orElse(o.Limit, MaxPage), orElse(o.Tries, defaultTries), orElse(o.Passes, defaultPasses)
	if o.Wait == nil {
		o.Wait = wait
	}
	return &Walk{o: o}, nil
}

func orElse[T int | time.Duration](value, fallback T) T {
	if value == 0 {
		return fallback
	}
	return value
}

func wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Summary says what a run met. It covers this run alone, also when it resumed an earlier one.
type Summary struct {
	Pages, Rows, Passes int
	// Fresh is how many charges were not known before.
	Fresh int
	// Repeats is how often a page had to be asked for again, Restarts how often a pass began anew because its cursor was refused
	// or led in a circle.
	Repeats, Restarts int
	// ShortPages had fewer rows than asked for and yet another page behind them: perhaps half of one.
	ShortPages int
	// Others are rows in a known status other than error, which the filter should have kept out.
	Others int
	// Unreadable and Odd count rows that are no charges, and charges with values that do not fit.
	Unreadable, Odd int
	// Settled: the last pass brought nothing new, and the window has moved on.
	Settled bool
}

// Run walks until a pass brings nothing new. An error leaves the position where it is, and the next run goes on from there; nothing
// that was found is lost or found twice. CodeUnsettled and CodeRepeatedCursor are errors of that kind too: the window stays.
func (w *Walk) Run(ctx context.Context) (Summary, error) {
	var sum Summary
	at, err := w.o.Journal.Position(ctx)
	if err != nil {
		return sum, fmt.Errorf("read the position of the walk: %w", err)
	}
	if at.Started.IsZero() {
		at = w.begin(at)
	}
	trail := map[string]bool{}
	for sum.Pages < maxPages {
		step, err := w.step(ctx, at, trail, &sum)
		if err != nil {
			return sum, err
		}
		switch {
		case step.Started.IsZero():
			sum.Passes++
			sum.Settled = step.Settled.Equal(at.Started)
			if !sum.Settled {
				return sum, &payment.Error{
					Class: payment.Unavailable, Code: CodeUnsettled,
					Message: "every pass over the failed charges brought new ones; all are kept, the next walk covers the window again",
				}
			}
			return sum, nil
		case step.Pass != at.Pass:
			sum.Passes++
			clear(trail)
		case step.Cursor == "": // the pass begins anew
			sum.Restarts++
			clear(trail)
			if sum.Restarts > w.o.Tries {
				return sum, &payment.Error{
					Class: payment.Unavailable, Code: CodeRepeatedCursor,
					Message: "the list of failed charges does not come to its end; all that was found is kept",
				}
			}
		}
		at = step
	}
	return sum, &payment.Error{
		Class: payment.Unavailable, Code: CodeUnsettled, Message: "the walk is long; it goes on from here in the next run",
	}
}

// begin opens a window: from the stored watermark, or as far back as the first walk goes.
func (w *Walk) begin(at Position) Position {
	now := w.o.Now().UTC()
	if at.Since.IsZero() {
		at.Since = now.Add(-w.o.Lookback)
	}
	return Position{Since: at.Since, Started: now, Pass: 1, Settled: at.Settled}
}

// step reads one page, keeps what is on it and returns where the walk then stands.
func (w *Walk) step(ctx context.Context, at Position, trail map[string]bool, sum *Summary) (Position, error) {
	page, err := w.fetch(ctx, at, sum)
	if at.Cursor != "" && refusesCursor(err) {
		// It is too old, or of another time of the list. The pass begins anew; what it found is kept.
		w.o.Log.Warn().Err(err).Int("pass", at.Pass).Msg("recharge refused a cursor, the pass begins anew")
		anew := at
		anew.Cursor = ""
		return anew, w.keep(ctx, Findings{}, func([]int64) Position { return anew })
	}
	if err != nil {
		return Position{}, fmt.Errorf("walk over failed charges, pass %d: %w", at.Pass, err)
	}
	trail[at.Cursor] = true
	circle := page.Next != "" && trail[page.Next]
	if circle {
		w.o.Log.Warn().Int("pass", at.Pass).Msg("recharge sent the walk back to a page it had left, the pass begins anew")
	}
	if page.Next != "" && page.Rows() < w.o.Limit {
		sum.ShortPages++
	}
	sum.Pages++
	sum.Rows += page.Rows()
	found := w.sift(page, sum)
	var next Position
	fresh := 0
	err = w.keep(ctx, found, func(ids []int64) Position {
		fresh, next = len(ids), at
		next.Fresh += older(found.Charges, ids, at.Started)
		next = w.behind(next, page.Next, circle)
		return next
	})
	if err != nil {
		return Position{}, err
	}
	sum.Fresh += fresh
	return next, nil
}

// older counts the charges with these ids that were last updated before the walk began. Those of no known time count too.
func older(charges []Charge, ids []int64, started time.Time) int {
	old := map[int64]bool{}
	for _, charge := range charges {
		if charge.UpdatedAt.Before(started) {
			old[charge.ID] = true
		}
	}
	n := 0
	for _, id := range ids {
		if old[id] {
			n++
		}
	}
	return n
}

func (w *Walk) keep(ctx context.Context, found Findings, behind func([]int64) Position) error {
	if err := w.o.Journal.Keep(ctx, found, behind); err != nil {
		return fmt.Errorf("keep what the walk over failed charges found: %w", err)
	}
	return nil
}

// sift takes out the rows that are not failed charges, counted. What nobody published stays in.
func (w *Walk) sift(page Page, sum *Summary) Findings {
	found := Findings{Unreadable: page.Unreadable}
	sum.Unreadable += len(page.Unreadable)
	for _, charge := range page.Charges {
		if charge.Status != StatusError && charge.Status.Known() {
			sum.Others++
			continue
		}
		if len(charge.Oddities) > 0 {
			sum.Odd++
		}
		found.Charges = append(found.Charges, charge)
	}
	return found
}

// behind is the position after a page.
func (w *Walk) behind(at Position, next string, circle bool) Position {
	at.Cursor = next
	if circle {
		at.Cursor = ""
		return at
	}
	if next != "" {
		return at
	}
	switch {
	case at.Fresh == 0 && at.Pass >= minPasses:
		return Position{Since: at.Started.Add(-w.o.Overlap), Settled: at.Started}
	case at.Pass >= w.o.Passes:
		return Position{Since: at.Since, Settled: at.Settled}
	}
	return Position{Since: at.Since, Started: at.Started, Pass: at.Pass + 1, Settled: at.Settled}
}

// refusesCursor reports an answer that calls the request wrong, as a cursor that is no longer good is.
func refusesCursor(err error) bool {
	switch payment.ClassOf(err, payment.Unavailable) {
	case payment.Invalid, payment.NotFound, payment.Conflict:
		return true
	case payment.Unauthorized, payment.RateLimited, payment.Unavailable, payment.Unknown, payment.Unsupported, payment.StillPending,
		payment.Bug:
		return false
	default:
		return false
	}
}

// fetch asks for the page at a position, again after the pause that a refusal asks for. A page is a look: asking again is safe, and
// the cursor of a page that was lost on its way is still good.
func (w *Walk) fetch(ctx context.Context, at Position, sum *Summary) (Page, error) {
	q := ListQuery{Cursor: at.Cursor, Limit: w.o.Limit, Status: StatusError, UpdatedSince: at.Since, Order: OldestFirst}
	if at.Pass%2 == 0 {
		q.Order = NewestFirst
	}
	pause := MinimumPause
	for try := 1; ; try++ {
		page, err := w.o.Lister.Charges(ctx, q)
		if err == nil {
			return page, nil
		}
		class := payment.ClassOf(err, payment.Unavailable)
		if class != payment.RateLimited && class != payment.Unavailable || try >= w.o.Tries || ctx.Err() != nil {
			return Page{}, err
		}
		sum.Repeats++
		rest := pause
		if e, ok := errors.AsType[*payment.Error](err); ok {
			rest = max(rest, e.RetryAfter)
		}
		w.o.Log.Warn().Err(err).Dur("pause_ms", rest).Int("try", try).Msg("a page of failed charges did not come, it is asked for again")
		if err := w.o.Wait(ctx, rest); err != nil {
			return Page{}, fmt.Errorf("wait for recharge: %w", err)
		}
		pause = min(2*pause, longestPause)
	}
}
