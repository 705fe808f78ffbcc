package shopify

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// page asks for one page and returns its ids and its info.
func page(t *testing.T, rows []row, args map[string]any) (ids []int64, info map[string]any) {
	t.Helper()
	value, failed := paginate("Thing", append([]row(nil), rows...), args)
	require.Nil(t, failed)
	got, ok := value.(map[string]any)
	require.True(t, ok)
	nodes, _ := got["nodes"].([]any)
	for _, node := range nodes {
		thing, _ := node.(map[string]any)
		id, _ := thing["id"].(int64)
		ids = append(ids, id)
	}
	edges, _ := got["edges"].([]any)
	require.Len(t, edges, len(nodes))
	info, _ = got["pageInfo"].(map[string]any)
	return ids, info
}

func things(n int) []row {
	var rows []row
	for id := range int64(n) {
		// Two of each key, so that the id has to decide.
		rows = append(rows, row{key: sortableNumber(id / 2), id: id, value: func() map[string]any { return map[string]any{"id": id} }})
	}
	rand.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	return rows
}

func TestEveryRowIsOnOnePage(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 2, 3, 7, 20, 250} {
		for _, reverse := range []bool{false, true} {
			for _, way := range []struct{ size, mark, more, cursor string }{
				{"first", "after", "hasNextPage", "endCursor"}, {"last", "before", "hasPreviousPage", "startCursor"},
			} {
				rows, seen := things(20), []int64{}
				args := map[string]any{way.size: int64(size), "reverse": reverse}
				for {
					ids, info := page(t, rows, args)
					if way.size == "first" {
						seen = append(seen, ids...)
					} else {
						seen = append(ids, seen...)
					}
					if info[way.more] != true {
						break
					}
					args[way.mark] = info[way.cursor]
				}
				require.Len(t, seen, 20)
				for i, id := range seen {
					want := int64(i)
					if reverse {
						want = int64(19 - i)
					}
					require.Equal(t, want, id, "size %d, reverse %v, %s", size, reverse, way.size)
				}
			}
		}
	}
}

func TestACursorOutlivesItsRow(t *testing.T) {
	t.Parallel()
	rows := things(10)
	_, info := page(t, rows, map[string]any{"first": int64(4)})
	var left []row
	for _, r := range rows {
		if r.id != 3 {
			left = append(left, r)
		}
	}
	ids, _ := page(t, left, map[string]any{"first": int64(2), "after": info["endCursor"]})
	require.Equal(t, []int64{4, 5}, ids)
	between, _ := page(t, rows, map[string]any{"first": int64(9), "after": info["startCursor"], "before": info["endCursor"]})
	require.Equal(t, []int64{1, 2}, between)
	nothing, empty := page(t, rows, map[string]any{"first": int64(9), "after": info["endCursor"], "before": info["startCursor"]})
	require.Empty(t, nothing, "cursors that cross")
	require.Nil(t, empty["startCursor"])
}

func TestSortableTextsSortAsTheirValues(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	require.Less(t, sortableTime(at), sortableTime(at.Add(time.Nanosecond)))
	require.Equal(t, sortableTime(at), sortableTime(at.In(time.FixedZone("", 3600))))
	require.Less(t, sortableNumber(9), sortableNumber(10))
}

func TestCursorsAreChecked(t *testing.T) {
	t.Parallel()
	good := row{key: "a|b", id: 7}
	_, err := readCursor(good.cursor())
	require.Error(t, err, "keys have no bar")
	back, err := readCursor(row{key: "2026", id: -7}.cursor())
	require.NoError(t, err)
	require.Equal(t, []string{"2026", "-7"}, []string{back.key, strconv.FormatInt(back.id, 10)})
	for _, text := range []string{"%", "", "MjAyNg=="} {
		_, err := readCursor(text)
		require.Error(t, err, text)
	}
}
