package access

import (
	"net/netip"
	"time"
)

// Throttle slows guessing down. Every try counts as failed before it is looked
// at, so that a thousand at once count a thousand; one that succeeds is taken
// back. After some free tries each further one must wait twice as long as
// the one before, up to a bound: nobody is locked out for ever.
//
// Tries are counted for the name, for the address, and for the two together. A
// name that came in from an address before is judged there by the count of the
// two alone, so that strangers who guess at the name, or at other names from
// the same office, do not keep the person out.
type Throttle struct {
	FreeName, FreeAddress, FreeBoth int           // tries without a wait
	First                           time.Duration // the first wait
	Longest                         time.Duration // no wait is longer
	Forget                          time.Duration // after that long without a try, counting starts anew
	Trust                           time.Duration // how long a success vouches for name and address together
}

// DefaultThrottle lets strangers guess at one name some 120 times on the first day
// and 96 times on each that follows.
func DefaultThrottle() Throttle {
	return Throttle{
		FreeName: 10, FreeAddress: 30, FreeBoth: 5,
		First: time.Second, Longest: 15 * time.Minute, Forget: 24 * time.Hour, Trust: 30 * 24 * time.Hour,
	}
}

// Try is somebody's attempt to prove who they are. Passwords and one-time codes
// are counted apart: a right password forgives the wrong ones before it, and must
// not buy new guesses at the code.
type Try struct {
	Name    string // as it was typed
	Address string // of the browser
	Method  Method // ByPassword or ByTOTP
}

// Tries is a count of tries.
type Tries struct {
	Failed    int
	Last      time.Time // of the last one that counted
	Succeeded time.Time // zero: never
}

// After says how long a try must wait that comes at now: zero, it is let in and
// counts. A try that must wait is refused unread and does not count.
func (t Throttle) After(now time.Time, name, address, both Tries) time.Duration {
	wait := t.left(now, both, t.FreeBoth)
	if !both.Succeeded.IsZero() && now.Sub(both.Succeeded) < t.Trust {
		return wait
	}
	return max(wait, t.left(now, name, t.FreeName), t.left(now, address, t.FreeAddress))
}

// Count adds a try at now.
func (t Throttle) Count(now time.Time, tries Tries) Tries {
	if t.forgotten(now, tries) {
		tries.Failed = 0
	}
	tries.Failed, tries.Last = tries.Failed+1, now
	return tries
}

func (t Throttle) forgotten(now time.Time, tries Tries) bool {
	return now.Sub(tries.Last) >= t.Forget
}

// left is what remains of the wait after the last try.
func (t Throttle) left(now time.Time, tries Tries, free int) time.Duration {
	if tries.Failed < free || t.forgotten(now, tries) {
		return 0
	}
	return max(0, tries.Last.Add(t.wait(tries.Failed-free)).Sub(now))
}

// wait is First doubled n times.
func (t Throttle) wait(n int) time.Duration {
	wait := t.First
	for ; n > 0 && wait < t.Longest; n-- {
		wait *= 2
	}
	return min(wait, t.Longest)
}

// Network is what counts as one address: an IPv4 address, or the /64 of an IPv6
// one, of which a single connection owns them all. A text that is no address
// counts as itself.
func Network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(64)
	if err != nil {
		return ip.String()
	}
	return prefix.String()
}
