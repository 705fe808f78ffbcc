package stripe

import (
	"iter"
	"math"
	"net/http"
	"strings"
)

const (
	defaultPage = 10
	maxPage     = 100
)

// listParams are the parameters every list takes.
func listParams() schema {
	s := schema{"limit": integer(), "starting_after": text(5000), "expand[#]": text(5000), "created": integer()}
	for _, bound := range []string{"gt", "gte", "lt", "lte"} {
		s["created["+bound+"]"] = integer()
	}
	return s
}

// lister describes one list: where its rows come from, which are wanted, how they look.
type lister[T entity] struct {
	what   string
	rows   func(after string) (iter.Seq[T], bool)
	keep   func(T) bool
	render func(T, expansion) object
}

// page answers a list, newest first.
func page[T entity](c *call, l lister[T]) (object, *apiError) {
	limit, refusal := c.limit()
	if refusal != nil {
		return nil, refusal
	}
	after := c.form.text("starting_after")
	rows, ok := l.rows(after)
	if !ok {
		refusal := missing(l.what, after, "starting_after")
		refusal.status = http.StatusBadRequest
		return nil, refusal
	}
	oldest, newest := c.createdBetween()
	data, more := []object{}, false
	for v := range rows {
		created := v.head().Created
		if created < oldest {
			break
		}
		if created > newest || (l.keep != nil && !l.keep(v)) {
			continue
		}
		if len(data) == limit {
			more = true
			break
		}
		data = append(data, l.render(v, c.expand))
	}
	return object{"object": "list", "url": strings.TrimSuffix(c.r.URL.Path, "/"), "has_more": more, "data": data}, nil
}

func (c *call) limit() (int, *apiError) {
	n, given := c.form.int("limit")
	switch {
	case !given:
		return defaultPage, nil
	case n < 1 || n > maxPage:
		return 0, invalid("parameter_invalid_integer", "limit", "limit must be between 1 and 100")
	default:
		return int(n), nil
	}
}

// createdBetween returns the bounds, both inclusive, of the filter "created".
func (c *call) createdBetween() (oldest, newest int64) {
	oldest, newest = 0, math.MaxInt64
	if v, ok := c.form.int("created"); ok {
		return v, v
	}
	if v, ok := c.form.int("created[gte]"); ok {
		oldest = v
	}
	if v, ok := c.form.int("created[gt]"); ok && v < math.MaxInt64 {
		oldest = max(oldest, v+1)
	}
	if v, ok := c.form.int("created[lte]"); ok {
		newest = v
	}
	if v, ok := c.form.int("created[lt]"); ok && v > math.MinInt64 {
		newest = min(newest, v-1)
	}
	return oldest, newest
}
