package privacy

import "bytes"

// longest is the longest line that is looked at whole. Of a longer one every part
// is, with enough of the part before to find what the cut goes through.
const (
	longest = 1 << 20
	overlap = 1 << 10
	// beatEvery is how many bytes pass between two signs of life.
	beatEvery = 4 << 20
)

// Lines is a writer that looks for a person in each line that passes.
type Lines struct {
	Matcher *Matcher
	// Beat, if set, is called now and then; its error ends the search.
	Beat func() error

	Read  int   // lines
	Bytes int64 // in all
	Found int   // lines with a find

	rest  []byte
	quiet int
}

// Write implements io.Writer.
func (l *Lines) Write(p []byte) (int, error) {
	n := len(p)
	l.Bytes += int64(n)
	if l.quiet += n; l.quiet > beatEvery && l.Beat != nil {
		l.quiet = 0
		if err := l.Beat(); err != nil {
			return 0, err
		}
	}
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		l.rest = append(l.rest, p[:i]...)
		l.line()
		p = p[i+1:]
	}
	l.rest = append(l.rest, p...)
	if len(l.rest) > longest {
		tail := append([]byte{}, l.rest[len(l.rest)-overlap:]...)
		l.line()
		l.rest = tail
	}
	return n, nil
}

// End looks at what follows the last line break.
func (l *Lines) End() {
	if len(l.rest) > 0 {
		l.line()
	}
}

func (l *Lines) line() {
	l.Read++
	if l.Matcher.In(l.rest) {
		l.Found++
	}
	l.rest = l.rest[:0]
}
