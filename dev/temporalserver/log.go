package temporalserver

import (
	"fmt"

	"github.com/rs/zerolog"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
)

// serverLog hands the Temporal server's records to a zerolog logger, whose level decides what is kept.
type serverLog struct{ l zerolog.Logger }

func (s serverLog) Debug(msg string, tags ...tag.Tag) { write(s.l.Debug(), msg, tags) }
func (s serverLog) Info(msg string, tags ...tag.Tag)  { write(s.l.Info(), msg, tags) }
func (s serverLog) Warn(msg string, tags ...tag.Tag)  { write(s.l.Warn(), msg, tags) }
func (s serverLog) Error(msg string, tags ...tag.Tag) { write(s.l.Error(), msg, tags) }

// DPanic is a broken invariant that the server survives in production, and so does a dev stack.
func (s serverLog) DPanic(msg string, tags ...tag.Tag) { write(s.l.Error(), msg, tags) }

func (s serverLog) Panic(msg string, tags ...tag.Tag) {
	write(s.l.Error(), msg, tags)
	panic(msg)
}

// Fatal must not return. It panics instead of leaving through os.Exit, so that a dying server says why on standard
// error as well: its log is usually a file nobody is looking at.
func (s serverLog) Fatal(msg string, tags ...tag.Tag) {
	write(s.l.Error(), msg, tags)
	for _, t := range tags {
		msg += fmt.Sprintf(" %s=%v", t.Key(), t.Value())
	}
	panic("temporal server: " + msg)
}

func (s serverLog) With(tags ...tag.Tag) log.Logger {
	c := s.l.With()
	for _, t := range tags {
		c = c.Interface(t.Key(), t.Value())
	}
	return serverLog{l: c.Logger()}
}

func write(e *zerolog.Event, msg string, tags []tag.Tag) {
	if !e.Enabled() {
		return
	}
	for _, t := range tags {
		switch v := t.Value().(type) {
		case error:
			e = e.AnErr(t.Key(), v)
		case fmt.Stringer:
			e = e.Stringer(t.Key(), v)
		default:
			e = e.Interface(t.Key(), v)
		}
	}
	e.Msg(msg)
}
