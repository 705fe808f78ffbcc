package shopify

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// row is one item of a connection: ordered by key, then by id.
type row struct {
	key   string
	id    int64
	value func() map[string]any
}

func (r row) compare(other row) int {
	return cmp.Or(strings.Compare(r.key, other.key), cmp.Compare(r.id, other.id))
}

// cursor names a position, not an offset: rows that come or go do not shift it.
func (r row) cursor() string {
	return base64.StdEncoding.EncodeToString([]byte(r.key + "|" + strconv.FormatInt(r.id, 10)))
}

func readCursor(text string) (row, error) {
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return row{}, fmt.Errorf("invalid cursor %q", text)
	}
	key, number, _ := strings.Cut(string(plain), "|")
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return row{}, fmt.Errorf("invalid cursor %q", text)
	}
	return row{key: key, id: id}, nil
}

// sortableTime and sortableNumber write values whose texts sort as they do.
func sortableTime(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000000000Z") }

func sortableNumber(n int64) string { return fmt.Sprintf("%020d", n) }

// paginate cuts a page of a connection out of its rows. Either first or last is needed, of 1 to 250.
func paginate(typename string, rows []row, args map[string]any) (any, *apiError) {
	first, last := intArg(args, "first"), intArg(args, "last")
	switch {
	case args["first"] == nil && args["last"] == nil:
		return nil, badInput("you must provide one of first or last")
	case args["first"] != nil && args["last"] != nil:
		return nil, badInput("providing both first and last is not supported")
	case first < 0 || last < 0 || first > maxPage || last > maxPage || first+last == 0:
		return nil, badInput("first and last must be between 1 and %d", maxPage)
	}
	direction := 1
	if reverse, _ := args["reverse"].(bool); reverse {
		direction = -1
	}
	slices.SortFunc(rows, func(a, b row) int { return direction * a.compare(b) })

	from, to, err := window(rows, args, direction)
	if err != nil {
		return nil, badInput("%v", err)
	}
	start, end := from, to
	if first > 0 {
		end = min(to, from+int(first))
	} else {
		start = max(from, to-int(last))
	}
	return connection(typename, rows, start, end), nil
}

// window finds the rows between the cursors, in sorted rows.
func window(rows []row, args map[string]any, direction int) (from, to int, err error) {
	to = len(rows)
	if text, ok := args["after"].(string); ok {
		mark, err := readCursor(text)
		if err != nil {
			return 0, 0, err
		}
		from = countUpTo(rows, func(r row) bool { return direction*r.compare(mark) <= 0 })
	}
	if text, ok := args["before"].(string); ok {
		mark, err := readCursor(text)
		if err != nil {
			return 0, 0, err
		}
		to = countUpTo(rows, func(r row) bool { return direction*r.compare(mark) < 0 })
	}
	return from, max(from, to), nil
}

// countUpTo counts the leading rows that a condition holds for.
func countUpTo(rows []row, holds func(row) bool) int {
	at := slices.IndexFunc(rows, func(r row) bool { return !holds(r) })
	if at < 0 {
		return len(rows)
	}
	return at
}

func connection(typename string, rows []row, start, end int) map[string]any {
	page := rows[start:end]
	nodes, edges := make([]any, len(page)), make([]any, len(page))
	info := map[string]any{
		"__typename": "PageInfo", "hasNextPage": end < len(rows), "hasPreviousPage": start > 0,
		"startCursor": nil, "endCursor": nil,
	}
	for i, r := range page {
		nodes[i] = r.value()
		edges[i] = map[string]any{"__typename": typename + "Edge", "cursor": r.cursor(), "node": nodes[i]}
	}
	if len(page) > 0 {
		info["startCursor"], info["endCursor"] = page[0].cursor(), page[len(page)-1].cursor()
	}
	return map[string]any{"__typename": typename + "Connection", "nodes": nodes, "edges": edges, "pageInfo": info}
}
