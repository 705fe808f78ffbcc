package shopify

import (
	"fmt"
	"time"
)

// versionWarning is how long before the end of a version's support we say so: a quarter, the rhythm of releases.
const versionWarning = 90 * 24 * time.Hour

// VersionState is what a list of versions says about the one that is pinned.
type VersionState string

// The states of a pinned version. All but VersionCurrent want a warning.
const (
	VersionCurrent VersionState = "current"
	VersionEnding  VersionState = "ending" // supported for less than a quarter more
	VersionGone    VersionState = "gone"   // not listed as supported any more: Shopify answers with another one
)

// VersionCheck is the result of [CheckVersion].
type VersionCheck struct {
	Pinned string
	State  VersionState
	// Until is when support ends by Shopify's rule of twelve months. Shopify's own list is what decides [VersionGone].
	Until time.Time
	// Newest is the newest supported version.
	Newest string
}

// Warning is what to tell an operator; empty while all is well.
func (c VersionCheck) Warning() string {
	switch c.State {
	case VersionCurrent:
		return ""
	case VersionEnding:
		return fmt.Sprintf("Shopify's API version %s is supported until %s; the newest is %s. Update tillflow.", c.Pinned, c.Until.Format(time.DateOnly), c.Newest)
	case VersionGone:
		return fmt.Sprintf("Shopify does not support API version %s any more and answers with another one; the newest is %s. Update tillflow now.", c.Pinned, c.Newest)
	}
	return fmt.Sprintf("The state of Shopify's API version %s is unknown.", c.Pinned)
}

// CheckVersion compares [APIVersion] with the versions that a shop lists.
func CheckVersion(listed []Version, now time.Time) (VersionCheck, error) {
	check := VersionCheck{Pinned: APIVersion, State: VersionGone}
	released, err := time.Parse("2006-01", APIVersion)
	if err != nil {
		return check, fmt.Errorf("read pinned api version: %w", err)
	}
	check.Until = released.AddDate(1, 0, 0)
	for _, v := range listed {
		if !v.Supported {
			continue
		}
		check.Newest = max(check.Newest, v.Handle)
		if v.Handle == APIVersion {
			check.State = VersionCurrent
		}
	}
	if check.State == VersionCurrent && check.Until.Sub(now) < versionWarning {
		check.State = VersionEnding
	}
	return check, nil
}
