package stripe

import (
	"crypto/rand"
	"encoding/json"
	"iter"
	"slices"
	"time"
)

// object is a JSON object of the API.
type object = map[string]any

// row is what every kept object has. Seq orders objects as they were created, also after a restart.
type row struct {
	ID      string
	Seq     int64
	Created int64
}

func (r *row) head() *row { return r }

type entity interface{ head() *row }

// table keeps the objects of one kind in order of creation, so that a list walks from the newest and a page starts
// where the last one ended without counting. Removed rows are only ever the oldest.
type table[T entity] struct {
	rows []T
	gone int // rows removed from the front
	at   map[string]int
}

func (t *table[T]) add(v T) {
	if t.at == nil {
		t.at = make(map[string]int)
	}
	t.at[v.head().ID] = t.gone + len(t.rows)
	t.rows = append(t.rows, v)
}

func (t *table[T]) get(id string) (v T, ok bool) {
	i, ok := t.at[id]
	if !ok {
		return v, false
	}
	return t.rows[i-t.gone], true
}

// dropOldest removes the first row.
func (t *table[T]) dropOldest() {
	var none T
	delete(t.at, t.rows[0].head().ID)
	t.rows[0] = none
	t.rows = t.rows[1:]
	t.gone++
}

// newestFirst walks backwards, beginning behind the row named by after ("" is the end). False: there is no such row.
func (t *table[T]) newestFirst(after string) (iter.Seq[T], bool) {
	from := len(t.rows)
	if after != "" {
		i, ok := t.at[after]
		if !ok {
			return nil, false
		}
		from = i - t.gone
	}
	return func(yield func(T) bool) {
		for i := from - 1; i >= 0; i-- {
			if !yield(t.rows[i]) {
				return
			}
		}
	}, true
}

// pick is newestFirst over the given ids, which are in order of creation.
func (t *table[T]) pick(ids []string, after string) (iter.Seq[T], bool) {
	if after != "" {
		i := slices.Index(ids, after)
		if i < 0 {
			return nil, false
		}
		ids = ids[:i]
	}
	return func(yield func(T) bool) {
		for _, id := range slices.Backward(ids) {
			if v, ok := t.get(id); ok && !yield(v) {
				return
			}
		}
	}, true
}

// account is everything one merchant has. Guarded by Server.mu.
type account struct {
	id       string
	livemode bool
	created  int64
	clock    func() time.Time

	checkouts table[*checkout]
	intents   table[*intent]
	charges   table[*charge]
	refunds   table[*refund]
	txns      table[*balanceTxn]
	disputes  table[*dispute]
	events    table[*event]
	customers table[*customer]
	methods   table[*method]
	endpoints []*endpoint
	keys      map[string]*idempotent
	counts    counters

	byReference      map[string][]string // client_reference_id → checkouts
	byMetadata       map[string][]string // key NUL value → intents
	chargesByGroup   map[string][]string
	chargesByIntent  map[string][]string
	refundsByCharge  map[string][]string
	checkoutByIntent map[string]string

	intentsByCustomer map[string][]string
	offSession        []*intent // those without a checkout, oldest first
}

// counters are what the books count beside objects.
type counters struct {
	Calls     map[string]int
	Replays   int
	Conflicts int
}

func newAccount(a Account, clock func() time.Time) *account {
	acct := &account{
		id: a.ID, livemode: a.Livemode, created: clock().Unix(), clock: clock,
		keys: make(map[string]*idempotent), counts: counters{Calls: make(map[string]int)},
		byReference: make(map[string][]string), byMetadata: make(map[string][]string),
		chargesByGroup: make(map[string][]string), chargesByIntent: make(map[string][]string),
		refundsByCharge: make(map[string][]string), checkoutByIntent: make(map[string]string),
		intentsByCustomer: make(map[string][]string),
	}
	for _, w := range a.Webhooks {
		acct.endpoints = append(acct.endpoints, configured(a.ID, w))
	}
	return acct
}

// mode is the word that ids of sessions carry.
func (a *account) mode() string {
	if a.livemode {
		return "live"
	}
	return "test"
}

// The add functions keep the indexes; load uses them too.

func (a *account) addCheckout(cs *checkout) {
	a.checkouts.add(cs)
	if cs.Reference != "" {
		a.byReference[cs.Reference] = append(a.byReference[cs.Reference], cs.ID)
	}
}

func (a *account) addIntent(pi *intent) {
	a.intents.add(pi)
	if pi.Checkout != "" {
		a.checkoutByIntent[pi.ID] = pi.Checkout
	} else {
		a.offSession = append(a.offSession, pi)
	}
	a.indexMetadata(pi)
}

func (a *account) indexMetadata(pi *intent) {
	for k, v := range pi.Metadata {
		pair := k + "\x00" + v
		if ids := a.byMetadata[pair]; !slices.Contains(ids, pi.ID) {
			a.byMetadata[pair] = append(ids, pi.ID)
		}
	}
}

func (a *account) addCharge(ch *charge) {
	a.charges.add(ch)
	a.chargesByIntent[ch.Intent] = append(a.chargesByIntent[ch.Intent], ch.ID)
	if ch.TransferGroup != "" {
		a.chargesByGroup[ch.TransferGroup] = append(a.chargesByGroup[ch.TransferGroup], ch.ID)
	}
}

func (a *account) addRefund(re *refund) {
	a.refunds.add(re)
	a.refundsByCharge[re.Charge] = append(a.refundsByCharge[re.Charge], re.ID)
}

// change is one consistent change of one account's books: what it saves is journaled and what it raises is delivered
// once Server.mu is released.
type change struct {
	s      *Server
	acct   *account
	now    time.Time
	origin eventOrigin
	events []*event
}

// newRow gives the next object its place.
func (c *change) newRow(id string) row {
	c.s.serial++
	return row{ID: id, Seq: c.s.serial, Created: c.now.Unix()}
}

// save marks an object as changed since the last flush.
func (c *change) save(kind rowKind, id string) { c.s.mark(kind, c.acct.id, id) }

func (s *Server) mark(kind rowKind, account, id string) {
	if s.journal != nil {
		s.dirty[rowKey{kind, account, id}] = struct{}{}
	}
}

// raise records an event about an object as it is now. Lane is the checkout (or object) whose events stay in order.
func (c *change) raise(eventType, lane string, obj object) {
	raw, err := json.Marshal(obj)
	if err != nil {
		// Objects hold strings, numbers and booleans only; a failure is a bug of this file and must be seen.
		panic("stripe stand-in: render " + eventType + ": " + err.Error())
	}
	ev := &event{row: c.newRow("evt_" + rand.Text()), Type: eventType, Lane: lane, Object: raw, Origin: c.origin}
	for _, ep := range c.acct.endpoints {
		if ep.wants(eventType) {
			ev.Deliveries = append(ev.Deliveries, delivery{Endpoint: ep.ID, URL: ep.URL, State: deliveryPending})
		}
	}
	ev.account = c.acct
	c.acct.events.add(ev)
	c.save(rowEvent, ev.ID)
	c.events = append(c.events, ev)
	c.dropOldEvents()
}

func (c *change) dropOldEvents() {
	t := &c.acct.events
	for len(t.rows) > c.s.opts.MaxEvents && !t.rows[0].pending() {
		c.save(rowEvent, t.rows[0].ID)
		t.dropOldest()
	}
}
