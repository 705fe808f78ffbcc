package stack

import (
	"sync/atomic"
	"time"
)

// Clock is the one clock of the service and the stand-ins inside a stack: real
// time plus an offset that programs move forward. Temporal's own clock is moved
// run by run, see temporalserver.FastForward.
type Clock struct{ offset atomic.Int64 }

// Now is the moved time.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// Skip moves the clock forward.
func (c *Clock) Skip(d time.Duration) { c.offset.Add(int64(d)) }

// Offset is how far the clock has been moved.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }
