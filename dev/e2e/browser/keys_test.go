package browser_test

import (
	_ "embed"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

//go:embed keys.js
var keysScript string

// focused is where the keyboard stands.
type focused struct {
	Stop    int    // number of the element; -1: on none
	Visible bool   // a person sees where
	What    string // for a failure
}

// focusNow asks for a ring of its own around what has the focus, and whether all of it is in the window.
const focusNow = `(() => {
  const e = document.activeElement;
  if (!e || e === document.body || e === document.documentElement) return {Stop: -1, Visible: false, What: ""};
  const style = getComputedStyle(e), box = e.getBoundingClientRect();
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const inside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  return {Stop: Number(e.dataset.stop ?? -2), Visible: ring && inside, What: e.outerHTML.slice(0, 120)};
})()`

// maxInside is how many stops a single control may have of its own: the parts of a date.
const maxInside = 6

// keys walks through the page with the tab key: every control is reached, in
// the order of the page, and one sees where one is. It answers how many there are.
func (b *tab) keys() int {
	b.Helper()
	stops := steady(b, chromedp.Evaluate[[]string](keysScript))
	require.NotEmpty(b, stops, "%s: a page without a control", b.at())
	// From the top, whatever the page focuses by itself.
	_, err := ask[bool](b, `(document.body.tabIndex = -1, document.body.focus(), scrollTo(0, 0), true)`)
	require.NoError(b, err)
	next, inside := 0, 0
	for next < len(stops) {
		b.do(chromedp.KeyEvent(kb.Tab))
		at, err := ask[focused](b, focusNow)
		require.NoError(b, err)
		if next > 0 && at.Stop == next-1 {
			inside++
			require.Less(b, inside, maxInside, "%s: the keyboard does not leave %s", b.at(), stops[next-1])
			continue
		}
		require.Equal(b, next, at.Stop, "%s: the keyboard should come to %s and stands at %s", b.at(), stops[next], at.What)
		require.True(b, at.Visible, "%s: nobody sees that the keyboard is at %s", b.at(), at.What)
		next, inside = next+1, 0
	}
	return len(stops)
}
