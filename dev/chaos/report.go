package chaos

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// enough is how often every fault must have struck at every operation.
const enough = 5

// Report sums up a run.
type Report struct {
	Runs       int            `json:"runs"`
	Faults     map[string]int `json:"faults"`     // cell → times struck
	Violations map[string]int `json:"violations"` // kind → stories that showed it
	Seconds    float64        `json:"seconds"`
	Smallest   *uint64        `json:"smallest_failing_seed"`
	// Missing are the cells that were met fewer than five times by a run that was long enough to meet all.
	Missing []string `json:"missing"`

	hits map[Cell]int
}

func newReport() *Report {
	return &Report{Faults: map[string]int{}, Violations: map[string]int{}, Missing: []string{}, hits: map[Cell]int{}}
}

func (r *Report) add(v Verdict) {
	r.Runs++
	for cell, n := range v.Hits {
		r.hits[cell] += n
	}
	kinds := map[string]bool{}
	for _, found := range v.Violations {
		kinds[found.Kind] = true
	}
	for kind := range kinds {
		r.Violations[kind]++
	}
	if v.Failed() && (r.Smallest == nil || v.Story.Seed < *r.Smallest) {
		r.Smallest = &v.Story.Seed
	}
}

// finish fills in what is counted over all stories.
func (r *Report) finish(all []Cell, long bool, took time.Duration) {
	r.Seconds = float64(took.Milliseconds()) / 1000
	for _, cell := range all {
		if long && r.hits[cell] < enough {
			r.Missing = append(r.Missing, cell.String())
		}
	}
	for cell, n := range r.hits {
		r.Faults[cell.String()] = n
	}
}

// table prints how often each fault struck at each operation, a line for each operation.
func (r *Report) table(out io.Writer, all []Cell) {
	lines := map[string][]string{}
	for _, cell := range all {
		name := string(cell.Side) + " " + cell.On
		lines[name] = append(lines[name], fmt.Sprintf("%s %d", cell.Fault, r.hits[cell]))
	}
	fmt.Fprintln(out, "faults that struck:")
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintf(out, "  %-52s %s\n", name, strings.Join(lines[name], ", "))
	}
	if len(r.Missing) > 0 {
		fmt.Fprintf(out, "struck fewer than %d times: %s\n", enough, strings.Join(r.Missing, "; "))
	}
}

// line prints the one line that programs read.
func (r *Report) line(out io.Writer) error {
	text, err := json.Marshal(r)
	if err == nil {
		_, err = fmt.Fprintf(out, "CHAOS %s\n", text)
	}
	return err
}
