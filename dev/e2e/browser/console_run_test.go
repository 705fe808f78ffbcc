package browser_test

import (
	"testing"
	"time"

	"tillflow/dev/stack"
)

// TestConsole tells the stories of the operators' pages on a stack of its own:
// they move its clock, and arm what hits whoever calls next. Not parallel: a
// second stack would only slow the other one down.
func TestConsole(t *testing.T) {
	w := begin(t, "console", func(o *stack.Options) {
		o.Settings["TIMING"], o.Settings["SWEEP_EVERY"], o.Settings["SWEEP_AFTER"] = stuckTiming, "1s", "1s"
		o.Subscriptions, o.Settings["RECHARGE_EVERY"] = []string{stack.Shop}, "5s"
		o.DynamicConfig = map[string]any{"history.timerProcessorMaxTimeShift": 20 * time.Millisecond}
	})
	t.Run("a person answers from one page", func(t *testing.T) { stuck(t, w) })
	t.Run("somebody who is invited lets herself in", func(t *testing.T) { joins(t, w) })
	t.Run("a wrong role, a forged form and a guesser are refused", func(t *testing.T) { refusals(t, w) })
	t.Run("every page is sound on a desktop, on a phone, in the dark, for the keyboard and without scripts", func(t *testing.T) { walk(t, w) })
}
