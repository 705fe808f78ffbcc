package recharge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"tillflow/internal/payment"
)

// Order is the order of a list of charges.
type Order string

// Orders of a list, by the time of the last update.
const (
	OldestFirst Order = "updated_at-asc"
	NewestFirst Order = "updated_at-desc"
)

// ListQuery is one page of a list of charges.
type ListQuery struct {
	// Cursor of a list under way. When it is set the request carries nothing else but Limit.
	Cursor string
	// Limit is the size of the page, 1 to [MaxPage]; zero means [MaxPage].
	Limit int
	// Status, UpdatedSince and Order begin a list. Empty ones are not sent. Recharge has no filter by error type, and does not
	// list processed charges that are older than 90 days.
	Status       Status
	UpdatedSince time.Time
	Order        Order
}

// Page is one page of a list.
type Page struct {
	Charges []Charge
	// Unreadable rows are no charges; they count as rows.
	Unreadable []Unreadable
	// Next is the cursor of the next page, empty at the end.
	Next string
}

// Rows is how many rows the page had.
func (p Page) Rows() int { return len(p.Charges) + len(p.Unreadable) }

// Charges reads one page of charges (GET /charges, scope read_orders). An answer that is cut off, or lacks the list or the cursor
// that every page has, is an error with [CodeHalfAnswer] and no short page: the cursor it was asked with is still good.
func (c *Client) Charges(ctx context.Context, q ListQuery) (Page, error) {
	r := get("/charges", q.values())
	members, err := c.call(ctx, r)
	if err != nil {
		return Page{}, fmt.Errorf("list charges: %w", err)
	}
	page, err := readPage(members)
	if err != nil {
		return Page{}, fmt.Errorf("list charges: %w", r.cut(err))
	}
	return page, nil
}

func (q ListQuery) values() url.Values {
	limit := q.Limit
	if limit <= 0 || limit > MaxPage {
		limit = MaxPage
	}
	v := url.Values{"limit": {strconv.Itoa(limit)}}
	if q.Cursor != "" {
		v.Set("cursor", q.Cursor)
		return v
	}
	if q.Status != "" {
		v.Set("status", string(q.Status))
	}
	if !q.UpdatedSince.IsZero() {
		v.Set("updated_at_min", q.UpdatedSince.UTC().Format(time.RFC3339))
	}
	if q.Order != "" {
		v.Set("sort_by", string(q.Order))
	}
	return v
}

func readPage(members map[string]json.RawMessage) (Page, error) {
	var rows []json.RawMessage
	if json.Unmarshal(members["charges"], &rows) != nil || rows == nil {
		return Page{}, errors.New("it has no list of charges")
	}
	next, ok := members["next_cursor"]
	if !ok {
		return Page{}, errors.New("it has no next_cursor, which also the last page has")
	}
	var page Page
	var cursor *string
	if json.Unmarshal(next, &cursor) != nil {
		return Page{}, errors.New("its next_cursor is not a text")
	}
	if cursor != nil {
		page.Next = *cursor
	}
	for _, row := range rows {
		charge, odd := decodeCharge(row)
		if odd != nil {
			page.Unreadable = append(page.Unreadable, *odd)
			continue
		}
		page.Charges = append(page.Charges, charge)
	}
	return page, nil
}

// Charge reads one charge by its id, also one that lists no longer show. NotFound if there is none.
func (c *Client) Charge(ctx context.Context, id int64) (Charge, error) {
	r := get(object("charges", id), nil)
	members, err := c.call(ctx, r)
	if err != nil {
		return Charge{}, fmt.Errorf("read charge %d: %w", id, err)
	}
	charge, err := chargeIn(members, id)
	if err != nil {
		return Charge{}, fmt.Errorf("read charge %d: %w", id, r.cut(err))
	}
	return charge, nil
}

// chargeIn reads the wrapped charge of an answer and checks that it is the one asked for.
func chargeIn(members map[string]json.RawMessage, id int64) (Charge, error) {
	charge, odd := decodeCharge(members["charge"])
	switch {
	case odd != nil:
		return Charge{}, errors.New("its charge is " + odd.Reason)
	case charge.ID != id:
		return Charge{}, fmt.Errorf("it is about charge %d", charge.ID)
	}
	return charge, nil
}

// Ping asks whether the token is good (GET /). Unauthorized if it is not.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.call(ctx, get("/", nil))
	if e, ok := errors.AsType[*payment.Error](err); ok && e.Code == CodeHalfAnswer {
		return nil // any answer with a status of success will do; what it says is not documented
	}
	if err != nil {
		return fmt.Errorf("ask recharge for the token: %w", err)
	}
	return nil
}
