package config

import (
	"errors"
	"fmt"
	"time"

	"tillflow/internal/flow"
)

// Privacy says how requests of the law are served, and what is kept how long.
type Privacy struct {
	// Term is the law's time, from receipt; Shopify gives 30 days.
	Term time.Duration `env:"TERM" envDefault:"720h"`
	// Warn is how long before its end the operator is mailed, each, the longest first.
	Warn []time.Duration `env:"WARN" envDefault:"240h,72h,24h"`
	// LookMax is the longest pause between two looks at payments that are waited for.
	LookMax time.Duration `env:"LOOK_MAX" envDefault:"1h"`
	// Retry is the pause before a step that needs a person is tried again.
	Retry time.Duration `env:"RETRY" envDefault:"12h"`
	// Logs and Mails are files, folders or patterns in which a worker looks for a
	// person who was erased: the service's logs and the mail server's spool.
	Logs  []string `env:"LOGS"`
	Mails []string `env:"MAILS"`
	// Buyers is how long a buyer's data is kept after their last payment.
	Buyers time.Duration `env:"BUYERS" envDefault:"17520h"`
	// PurgeEvery is the pause between two purges of what is kept for a while only.
	PurgeEvery time.Duration `env:"PURGE_EVERY" envDefault:"24h"`
}

// lawfulTerm is the longest time that Shopify gives (shopify.dev, privacy law compliance).
const lawfulTerm = 30 * 24 * time.Hour

func (p Privacy) check(production bool) []error {
	var faults []error
	if p.Term <= 0 || p.Term > lawfulTerm {
		faults = append(faults, fmt.Errorf("%sPRIVACY_TERM: %s is not above zero and up to 30 days", prefix, p.Term))
	}
	last := p.Term
	for _, ahead := range p.Warn {
		if ahead <= 0 || ahead >= last {
			faults = append(faults, fmt.Errorf("%sPRIVACY_WARN: %s does not lie below %s; write the longest first", prefix, ahead, last))
		}
		last = ahead
	}
	if p.LookMax <= 0 || p.Retry <= 0 || p.PurgeEvery <= 0 || p.Buyers <= 0 {
		faults = append(faults, errors.New(prefix+"PRIVACY_LOOK_MAX, _RETRY, _PURGE_EVERY and _BUYERS are above zero"))
	}
	if production && p.Buyers < lawfulTerm {
		faults = append(faults, fmt.Errorf("%sPRIVACY_BUYERS: %s is less than a month, and refunds need longer", prefix, p.Buyers))
	}
	return faults
}

// Timing is what erasures are started with.
func (p Privacy) Timing() flow.ErasureTiming {
	t := flow.DefaultErasureTiming()
	t.WarnAhead, t.LookMax, t.Retry = p.Warn, p.LookMax, p.Retry
	t.LookFirst = min(t.LookFirst, t.LookMax)
	return t
}
