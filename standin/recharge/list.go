package recharge

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"time"
)

const defaultLimit = 50

// listed is one row of a list.
type listed struct {
	id     int64
	at     time.Time
	render func() object
}

// cursor is where a page begins: behind a row, or at a count of rows. It carries the list's filters, since the request with it does not.
type cursor struct {
	Store  string    `json:"s"`
	List   string    `json:"l"`
	Filter string    `json:"f"`
	ID     int64     `json:"i"`
	At     time.Time `json:"t"`
	First  bool      `json:"b,omitempty"` // at the begin
	Offset int       `json:"o"`
	Nonce  int       `json:"n,omitempty"`
}

func (c *cursor) query() url.Values {
	q, err := url.ParseQuery(c.Filter)
	if err != nil {
		panic("recharge stand-in: filter of its own cursor: " + err.Error())
	}
	return q
}

func (c cursor) text() string { return base64.RawURLEncoding.EncodeToString(encode(c)) }

// cursor reads the one of the request, nil for none.
func (c *call) cursor() (*cursor, *apiError) {
	if !c.query.Has("cursor") {
		return nil, nil
	}
	var cur cursor
	raw, err := base64.RawURLEncoding.DecodeString(c.query.Get("cursor"))
	if err != nil || json.Unmarshal(raw, &cur) != nil || cur.Store != c.st.conf.Name || cur.List != c.op.name {
		return nil, invalid("cursor", "not a cursor of this list")
	}
	if c.s.pageFault(c.op.name, PageRefuse) {
		return nil, invalid("cursor", "cursor is no longer valid")
	}
	return &cur, nil
}

// paginate cuts a page out of the sorted rows.
func (c *call) paginate(name string, rows []listed, compare func(a, b listed) int, cur *cursor) object {
	limit := defaultLimit
	if n, err := strconv.Atoi(c.query.Get("limit")); err == nil {
		limit = n
	}
	filter := url.Values{}
	for key, values := range c.query {
		if key != "limit" && key != "include" {
			filter[key] = values
		}
	}
	from := 0
	switch {
	case cur == nil:
		cur = &cursor{Filter: filter.Encode(), First: true}
	case cur.First:
	case c.s.opts.OffsetCursors:
		from = min(cur.Offset, len(rows))
	default:
		behind := listed{id: cur.ID, at: cur.At}
		from = sort.Search(len(rows), func(i int) bool { return compare(rows[i], behind) > 0 })
	}
	at := func(i, nonce int) any {
		mark := cursor{Store: c.st.conf.Name, List: c.op.name, Filter: cur.Filter, Offset: i, First: i == 0, Nonce: nonce}
		if i > 0 {
			mark.ID, mark.At = rows[i-1].id, rows[i-1].at
		}
		return mark.text()
	}
	end := min(from+limit, len(rows))
	shown := rows[from:end]
	page := object{"next_cursor": nil, "previous_cursor": nil}
	if from > 0 {
		page["previous_cursor"] = at(max(0, from-limit), 0)
	}
	if end < len(rows) {
		page["next_cursor"] = at(end, 0)
	}
	c.page = c.s.anyPageFault(c.op.name)
	switch c.page {
	case PageLost:
		if page["next_cursor"] = nil; end+limit < len(rows) {
			page["next_cursor"] = at(end+limit, 0)
		}
	case PageShort:
		shown = shown[:len(shown)/2]
	case PageAgain:
		page["next_cursor"] = at(from, cur.Nonce+1)
	case PageCircle:
		page["next_cursor"] = at(from, 0)
	case PageNoNext:
		delete(page, "next_cursor")
	case PageHalf, PageRefuse, "": // not here
	}
	objects := make([]object, 0, len(shown))
	for _, row := range shown {
		objects = append(objects, row.render())
	}
	page[name] = objects
	return page
}

// spoil is the body as the caller sees it.
func (c *call) spoil(body []byte) []byte {
	if c.page == PageHalf {
		return bytes.Clone(body[:len(body)/2])
	}
	return body
}

// PageKind is what goes wrong with a page of a list.
type PageKind string

// Kinds of page faults.
const (
	// PageHalf sends the first half of the body, as if the answer had been cut on its way by something that ends it properly.
	PageHalf PageKind = "half"
	// PageShort leaves out the second half of the rows in silence.
	PageShort PageKind = "short"
	// PageLost leads past the next page.
	PageLost PageKind = "lost"
	// PageAgain leads to this page once more, under another cursor.
	PageAgain PageKind = "again"
	// PageCircle leads back to the begin of this page.
	PageCircle PageKind = "circle"
	// PageNoNext leaves out next_cursor.
	PageNoNext PageKind = "no_next"
	// PageRefuse calls a cursor invalid.
	PageRefuse PageKind = "refuse_cursor"
)

// PageFault makes pages of a list go wrong, counted like the rules of package faults. Calls that never come to a page do not count.
type PageFault struct {
	// Call is the list, "charges.list".
	Call string   `json:"call"`
	Kind PageKind `json:"kind"`
	// Nth is the first page that is hit, from 1; Times is how many from there, -1 for ever. Zero means one.
	Nth   int `json:"nth,omitempty"`
	Times int `json:"times,omitempty"`
}

// ArmedPage is a page fault and what became of it.
type ArmedPage struct {
	PageFault
	Seen  int `json:"seen"`
	Fired int `json:"fired"`
}

// ArmPage adds a page fault. The error says what is wrong with it.
func (s *Server) ArmPage(f PageFault) error {
	kinds := []PageKind{PageHalf, PageShort, PageLost, PageAgain, PageCircle, PageNoNext, PageRefuse}
	switch {
	case !slices.Contains(kinds, f.Kind):
		return fmt.Errorf("arm page fault: kind %q is unknown", f.Kind)
	case !slices.Contains([]string{"charges.list", "customers.list", "orders.list"}, f.Call):
		return fmt.Errorf("arm page fault: %q is no list with pages", f.Call)
	case f.Nth < 0 || f.Times < -1:
		return fmt.Errorf("arm page fault: nth %d, times %d", f.Nth, f.Times)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pageFaults = append(s.pageFaults, &ArmedPage{PageFault: f})
	return nil
}

// PageFaults returns the armed page faults with their counts.
func (s *Server) PageFaults() []ArmedPage {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]ArmedPage, 0, len(s.pageFaults))
	for _, f := range s.pageFaults {
		all = append(all, *f)
	}
	return all
}

// ClearPages disarms the page faults.
func (s *Server) ClearPages() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pageFaults = nil
}

// pageFault counts a page for the faults of one kind and reports whether one fires.
func (s *Server) pageFault(call string, kind PageKind) bool {
	fired := false
	for _, f := range s.pageFaults {
		if f.Call != call || f.Kind != kind {
			continue
		}
		f.Seen++
		if f.Seen >= max(1, f.Nth) && (f.Times < 0 || f.Fired < max(1, f.Times)) {
			f.Fired++
			fired = true
		}
	}
	return fired
}

// anyPageFault counts a page for every other kind; the first one armed that fires is what goes wrong.
func (s *Server) anyPageFault(call string) PageKind {
	var kinds []PageKind
	for _, f := range s.pageFaults {
		if f.Kind != PageRefuse && !slices.Contains(kinds, f.Kind) {
			kinds = append(kinds, f.Kind)
		}
	}
	var hit PageKind
	for _, kind := range kinds {
		if s.pageFault(call, kind) && hit == "" {
			hit = kind
		}
	}
	return hit
}
