package recharge

import (
	"math"
	"strconv"
	"time"
)

// bucket is the leaky bucket of one token.
type bucket struct {
	level float64
	at    time.Time
}

// take pours one call in. False: it would run over, and wait is what Retry-After says.
func (b *bucket) take(now time.Time) (wait string, ok bool) {
	if passed := now.Sub(b.at); passed > 0 {
		b.level = max(0, b.level-float64(passed)/float64(leakEvery))
		b.at = now
	}
	if b.level+1 > bucketSize {
		seconds := (b.level + 1 - bucketSize) * leakEvery.Seconds()
		return strconv.Itoa(max(1, int(math.Ceil(seconds)))), false
	}
	b.level++
	return "", true
}
