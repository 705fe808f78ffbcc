package chaoskill

import (
	"fmt"
	"maps"
	"slices"
)

// enough is how often every fault should have struck while an operation of each kind was under way.
const enough = 5

// table counts pairs: fault → operation → number.
type table map[string]map[string]int

func (t table) add(row, column string, n int) {
	if t[row] == nil {
		t[row] = map[string]int{}
	}
	t[row][column] += n
}

// report is the line CHAOS.
type report struct {
	Runs   int            `json:"runs"`
	Faults map[string]int `json:"faults"`
	// Hits counts strikes that fell while an operation of the kind was under way.
	Hits table `json:"hits"`
	// Thin counts the pairs of the above that were hit too rarely; Run lists them.
	Thin       int            `json:"thin"`
	Sessions   map[string]int `json:"sessions"`
	Violations map[string]int `json:"violations"`
	Seconds    float64        `json:"seconds"`
	// SmallestFailingSeed is null when there is none.
	SmallestFailingSeed *uint64 `json:"smallest_failing_seed"`
}

func newReport() *report {
	r := &report{Faults: map[string]int{}, Hits: table{}, Sessions: map[string]int{}, Violations: map[string]int{}}
	for _, s := range deck() {
		r.Faults[s.Name()] = 0
	}
	return r
}

func (r *report) add(b *batch) {
	r.Runs++
	for name, n := range b.faults {
		r.Faults[name] += n
	}
	for fault, row := range b.hits {
		for what, n := range row {
			r.Hits.add(fault, what, n)
		}
	}
	for what, n := range b.sessions {
		r.Sessions[what] += n
	}
	for _, v := range b.found {
		r.Violations[v.Kind]++
	}
	if seed := b.plan.Seed; len(b.found) > 0 && (r.SmallestFailingSeed == nil || seed < *r.SmallestFailingSeed) {
		r.SmallestFailingSeed = &seed
	}
}

// thin lists what was hit too rarely, and counts it.
func (r *report) thin() []string {
	var list []string
	for _, fault := range slices.Sorted(maps.Keys(r.Faults)) {
		for _, what := range operations() {
			if n := r.Hits[fault][string(what)]; n < enough {
				list = append(list, fmt.Sprintf("%s × %s: %d", fault, what, n))
			}
		}
	}
	r.Thin = len(list)
	return list
}
