package payment

import (
	"errors"
	"fmt"
	"time"
)

// Class says what a failed call means for the money and who acts. Its text is
// the type of the Temporal application error and stands in histories: never
// rename one.
type Class string

// Classes of failed calls.
const (
	// Invalid: the other side calls our request wrong; nothing was done.
	Invalid Class = "Invalid"
	// Unauthorized: credentials, certificate or account are refused; nothing was done.
	Unauthorized Class = "Unauthorized"
	// RateLimited: too many requests; nothing was done; wait RetryAfter.
	RateLimited Class = "RateLimited"
	// Unavailable: certainly not accepted (never written, or documented as such).
	Unavailable Class = "Unavailable"
	// Unknown: may have been accepted. Only a look-up or other evidence may go on from here.
	Unknown Class = "Unknown"
	// NotFound: the other side has no trace of our reference.
	NotFound Class = "NotFound"
	// Conflict: key reused with another body, or the object's state moved on.
	Conflict Class = "Conflict"
	// Unsupported: the connector lacks the capability; a routing bug.
	Unsupported Class = "Unsupported"
	// StillPending: the look-up works and the object is not final yet; look again after RetryAfter.
	StillPending Class = "StillPending"
	// Bug: an invariant is broken.
	Bug Class = "Bug"
)

// Error is a failed call with its meaning. Message never holds secrets or
// personal data.
type Error struct {
	Class      Class
	Code       string // the other side's own code, for operators
	Message    string
	RetryAfter time.Duration // zero: the policy's own schedule
	Err        error         // cause, may be nil
}

// Error implements error.
func (e *Error) Error() string {
	s := string(e.Class) + ": " + e.Message
	if e.Code != "" {
		s += " (" + e.Code + ")"
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf builds an Error of a class. A %w in the format becomes its cause.
func Errorf(class Class, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Class: class, Message: err.Error(), Err: errors.Unwrap(err)}
}

// ClassOf gives the class of err, or fallback for an error that carries none.
// Money-moving calls pass Unknown as fallback, everything else Unavailable.
func ClassOf(err error, fallback Class) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return fallback
}
