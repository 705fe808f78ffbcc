// Package audit is the chain of what people did: each row carries the SHA-256
// of its content and of the row before it, so that a byte that was changed, a
// row that was taken out or put in, and an order that was turned are found.
//
// The chain holds codes and ids. What a person typed, and whatever is known of
// a buyer, stays in the vault and is named here by its row.
//
// A chain alone cannot show that its last rows were cut off, nor that all of it
// was written anew by somebody who may write to the database. Against both, keep
// the [Head] that a verification answers somewhere else, and give it to the next.
package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tillflow/internal/access"
)

// Actor is who acts: a person of the console with the role of that moment, or
// whoever may run commands on the machine.
type Actor struct {
	Name string
	Role access.Role // empty for one who has none: a command, a login that failed
}

// Entry is what is to be noted.
type Entry struct {
	Actor   Actor
	Action  string // what was done, as "user.disable": lower-case words with dots and underscores
	Subject string // what it was done to, as "user <id>" or "payment <id>"
	Detail  string // codes and ids, as "role=finance"; never what somebody typed
}

// Detail writes names and values as "name=value name=value"; what has no value
// is left out.
func Detail(pairs ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(pairs[i] + "=" + pairs[i+1])
	}
	return b.String()
}

// Hash is the SHA-256 of a row.
type Hash [sha256.Size]byte

// String is the hash in hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Record is a row of the chain. Seq counts from 1 without gaps.
type Record struct {
	Seq      int64
	At       time.Time // to the microsecond
	Entry    Entry
	Previous Hash // of the row before; zero for the first
	Hash     Hash
}

// Head is the end of a chain: the zero value, of one without rows.
type Head struct {
	Seq  int64
	Hash Hash
}

// String is the head as [ParseHead] reads it: "<seq>:<hash in hex>".
func (h Head) String() string { return strconv.FormatInt(h.Seq, 10) + ":" + h.Hash.String() }

// ErrHead reports a text that is no head.
var ErrHead = errors.New("a head is <number>:<64 hex digits>, as an earlier verification printed it")

// ParseHead reads what [Head.String] wrote.
func ParseHead(text string) (Head, error) {
	number, sum, found := strings.Cut(strings.TrimSpace(text), ":")
	seq, err := strconv.ParseInt(number, 10, 64)
	raw, hexErr := hex.DecodeString(sum)
	if !found || err != nil || hexErr != nil || seq < 0 || len(raw) != sha256.Size {
		return Head{}, ErrHead
	}
	return Head{Seq: seq, Hash: Hash(raw)}, nil
}

const (
	maxAction = 64
	maxName   = 100 // of an actor, as access.CleanName has it
	maxText   = 300
)

// ErrEntry reports an entry that the chain does not take.
var ErrEntry = errors.New("not an audit entry")

// Check refuses what the chain must not hold for ever: free text, and with it
// personal data. Subject and Detail take ASCII letters, digits, spaces and
// ._:/*=,;+- only, which spell ids, codes, routes and numbers, and no mail address.
func (e Entry) Check() error {
	switch {
	case e.Actor.Name == "" || utf8.RuneCountInString(e.Actor.Name) > maxName || strings.ContainsFunc(e.Actor.Name, unprintable):
		return fmt.Errorf("%w: the actor's name", ErrEntry)
	case e.Actor.Role != "" && !e.Actor.Role.Known():
		return fmt.Errorf("%w: the actor's role", ErrEntry)
	case e.Action == "" || len(e.Action) > maxAction || strings.ContainsFunc(e.Action, noAction):
		return fmt.Errorf("%w: the action", ErrEntry)
	case len(e.Subject) > maxText || strings.ContainsFunc(e.Subject, noCode):
		return fmt.Errorf("%w: the subject", ErrEntry)
	case len(e.Detail) > maxText || strings.ContainsFunc(e.Detail, noCode):
		return fmt.Errorf("%w: the detail", ErrEntry)
	}
	return nil
}

func unprintable(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

func noAction(r rune) bool { return (r < 'a' || r > 'z') && r != '.' && r != '_' }

func noCode(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	digit := r >= '0' && r <= '9'
	return !letter && !digit && !strings.ContainsRune(" ._:/*=,;+-", r)
}

// Next is the row that follows a head. The time is kept to the microsecond, as
// PostgreSQL does.
func Next(head Head, at time.Time, e Entry) (Record, error) {
	if err := e.Check(); err != nil {
		return Record{}, err
	}
	r := Record{Seq: head.Seq + 1, At: at.UTC().Truncate(time.Microsecond), Entry: e, Previous: head.Hash}
	r.Hash = r.sum()
	return r, nil
}

// encoding names the layout of what is hashed. Never change it: rows stand.
const encoding = "tillflow audit 1"

// sum hashes the canonical encoding: the layout's name, then seq and the time in
// microseconds since 1970 as 64 bits, then the texts, each behind its length in
// bytes as 32 bits, then the hash of the row before. All numbers are big-endian.
func (r Record) sum() Hash {
	b := []byte(encoding)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(r.At.UnixMicro()))
	for _, text := range []string{r.Entry.Actor.Name, string(r.Entry.Actor.Role), r.Entry.Action, r.Entry.Subject, r.Entry.Detail} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(text))) //nolint:gosec // G115: a column of PostgreSQL holds at most 1 GiB
		b = append(b, text...)
	}
	return sha256.Sum256(append(b, r.Previous[:]...))
}

// Broken is the first row at which a chain is not what it was.
type Broken struct {
	Seq int64
	Why string
}

// Error implements error.
func (b *Broken) Error() string {
	return fmt.Sprintf("the audit is broken at row %d: %s", b.Seq, b.Why)
}

// Verifier walks a chain from its first row.
type Verifier struct {
	head  Head
	known Head
}

// NewVerifier walks from the beginning. known is the head that an earlier
// verification answered, which the chain must still contain; the zero value
// when there is none.
func NewVerifier(known Head) *Verifier { return &Verifier{known: known} }

// Add takes the next row, or answers [Broken]. After that the verifier is spent.
func (v *Verifier) Add(r Record) error {
	switch {
	case r.Seq != v.head.Seq+1:
		return &Broken{Seq: v.head.Seq + 1, Why: fmt.Sprintf("the row is missing; row %d follows", r.Seq)}
	case r.Previous != v.head.Hash:
		return &Broken{Seq: r.Seq, Why: "it does not follow from the row before it"}
	case r.sum() != r.Hash:
		return &Broken{Seq: r.Seq, Why: "its content is not what was hashed"}
	case r.Seq == v.known.Seq && r.Hash != v.known.Hash:
		return &Broken{Seq: r.Seq, Why: "it is not the row that the earlier verification saw"}
	}
	v.head = Head{Seq: r.Seq, Hash: r.Hash}
	return nil
}

// End answers the head after the last row, or [Broken] when the chain ends
// before the head that was known.
func (v *Verifier) End() (Head, error) {
	if v.head.Seq < v.known.Seq {
		return Head{}, &Broken{Seq: v.head.Seq + 1, Why: fmt.Sprintf("the chain ends here; an earlier verification saw %d rows", v.known.Seq)}
	}
	return v.head, nil
}
