package audit_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
)

func at(n int) time.Time { return time.Date(2026, 11, 20, 10, 0, n, 123456789, time.UTC) }

func entry(detail string) audit.Entry {
	return audit.Entry{Actor: audit.Actor{Name: "ada", Role: access.Admin}, Action: "user.role", Subject: "user 7", Detail: detail}
}

// chain is one of n rows.
func chain(t *testing.T, n int) []audit.Record {
	t.Helper()
	var head audit.Head
	var rows []audit.Record
	for i := range n {
		r, err := audit.Next(head, at(i), entry("n="+string(rune('a'+i))))
		require.NoError(t, err)
		rows, head = append(rows, r), audit.Head{Seq: r.Seq, Hash: r.Hash}
	}
	return rows
}

func verify(rows []audit.Record, known audit.Head) (audit.Head, error) {
	v := audit.NewVerifier(known)
	for _, r := range rows {
		if err := v.Add(r); err != nil {
			return audit.Head{}, err
		}
	}
	return v.End()
}

func TestDetail(t *testing.T) {
	t.Parallel()
	require.Equal(t, "action=1 choice=paid", audit.Detail("action", "1", "attempt", "", "choice", "paid"))
	require.Empty(t, audit.Detail())
	require.Empty(t, audit.Detail("action", ""))
}

func TestChain(t *testing.T) {
	t.Parallel()
	t.Run("what is hashed is the documented encoding", func(t *testing.T) {
		t.Parallel()
		r := chain(t, 2)[1]
		previous := chain(t, 1)[0].Hash
		text := func(s string) string { return "\x00\x00\x00" + string(rune(len(s))) + s }
		encoded := "tillflow audit 1" + "\x00\x00\x00\x00\x00\x00\x00\x02" + string(binary(at(1).UnixMicro())) +
			text("ada") + text("admin") + text("user.role") + text("user 7") + text("n=b") + string(previous[:])
		require.Equal(t, audit.Hash(sha256.Sum256([]byte(encoded))), r.Hash)
		require.Equal(t, at(1).Truncate(time.Microsecond), r.At)
	})
	t.Run("its hashes never change, since rows stand", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, goldenHash, chain(t, 3)[2].Hash.String())
	})
	t.Run("one that nobody touched is whole", func(t *testing.T) {
		t.Parallel()
		rows := chain(t, 5)
		head, err := verify(rows, audit.Head{})
		require.NoError(t, err)
		require.Equal(t, audit.Head{Seq: 5, Hash: rows[4].Hash}, head)
		head, err = verify(rows, audit.Head{Seq: 3, Hash: rows[2].Hash})
		require.NoError(t, err)
		require.EqualValues(t, 5, head.Seq)
		head, err = verify(nil, audit.Head{})
		require.NoError(t, err)
		require.Zero(t, head)
	})
	for name, tc := range map[string]struct {
		change func([]audit.Record) []audit.Record
		seq    int64
	}{
		"another actor":          {with(1, func(r *audit.Record) { r.Entry.Actor.Name = "bob" }), 2},
		"another role":           {with(1, func(r *audit.Record) { r.Entry.Actor.Role = access.Viewer }), 2},
		"another action":         {with(1, func(r *audit.Record) { r.Entry.Action = "user.rolf" }), 2},
		"another subject":        {with(1, func(r *audit.Record) { r.Entry.Subject = "user 8" }), 2},
		"another detail":         {with(1, func(r *audit.Record) { r.Entry.Detail = "n=c" }), 2},
		"a moved boundary":       {with(1, func(r *audit.Record) { r.Entry.Subject, r.Entry.Detail = "user 7n", "=b" }), 2},
		"another time":           {with(1, func(r *audit.Record) { r.At = r.At.Add(time.Microsecond) }), 2},
		"another hash":           {with(1, func(r *audit.Record) { r.Hash[31] ^= 1 }), 2},
		"another previous hash":  {with(1, func(r *audit.Record) { r.Previous[0] ^= 1 }), 2},
		"another number":         {with(1, func(r *audit.Record) { r.Seq = 9 }), 2},
		"a changed first row":    {with(0, func(r *audit.Record) { r.Entry.Detail = "" }), 1},
		"a row taken out":        {func(rows []audit.Record) []audit.Record { return append(rows[:1:1], rows[2:]...) }, 2},
		"the first taken out":    {func(rows []audit.Record) []audit.Record { return rows[1:] }, 1},
		"two rows turned":        {func(rows []audit.Record) []audit.Record { return []audit.Record{rows[0], rows[2], rows[1]} }, 2},
		"a row twice":            {func(rows []audit.Record) []audit.Record { return append(rows[:2:2], rows[1]) }, 3},
		"a row hashed anew":      {with(1, func(r *audit.Record) { *r = next(audit.Head{Seq: 1, Hash: r.Previous}, "n=z") }), 3},
		"a row of another chain": {with(1, func(r *audit.Record) { *r = next(audit.Head{Seq: 1, Hash: audit.Hash{1}}, "n=b") }), 2},
	} {
		t.Run(name+" is found at its row", func(t *testing.T) {
			t.Parallel()
			_, err := verify(tc.change(chain(t, 4)), audit.Head{})
			var broken *audit.Broken
			require.ErrorAs(t, err, &broken)
			require.Equal(t, tc.seq, broken.Seq, broken)
		})
	}
	t.Run("an end that was cut off is found by the head that was known", func(t *testing.T) {
		t.Parallel()
		rows := chain(t, 4)
		known := audit.Head{Seq: 4, Hash: rows[3].Hash}
		_, err := verify(rows[:3], audit.Head{})
		require.NoError(t, err, "alone a shorter chain is whole")
		_, err = verify(rows[:3], known)
		var broken *audit.Broken
		require.ErrorAs(t, err, &broken)
		require.EqualValues(t, 4, broken.Seq)
	})
	t.Run("a chain that was written anew is found by the head that was known", func(t *testing.T) {
		t.Parallel()
		known := audit.Head{Seq: 2, Hash: chain(t, 2)[1].Hash}
		first := next(audit.Head{}, "n=a")
		second := next(audit.Head{Seq: 1, Hash: first.Hash}, "n=other")
		_, err := verify([]audit.Record{first, second}, audit.Head{})
		require.NoError(t, err)
		_, err = verify([]audit.Record{first, second}, known)
		var broken *audit.Broken
		require.ErrorAs(t, err, &broken)
		require.EqualValues(t, 2, broken.Seq)
	})
}

// goldenHash was computed by another program, from the documented encoding.
const goldenHash = "722c21a0d6c15a6cc653545c069111d1e14d643267a0784643e91705c6b676a4"

func binary(n int64) []byte {
	b := make([]byte, 8)
	for i := range b {
		b[7-i] = byte(n >> (8 * i))
	}
	return b
}

func with(i int, change func(*audit.Record)) func([]audit.Record) []audit.Record {
	return func(rows []audit.Record) []audit.Record {
		change(&rows[i])
		return rows
	}
}

func next(head audit.Head, detail string) audit.Record {
	r, err := audit.Next(head, at(0), entry(detail))
	if err != nil {
		panic(err)
	}
	return r
}

func TestEntry(t *testing.T) {
	t.Parallel()
	t.Run("ids, codes, routes and numbers are taken", func(t *testing.T) {
		t.Parallel()
		for _, detail := range []string{"", "before=viewer after=admin", "POST /console/payments/:id/retry", "amount=12.30 EUR", "shop=acme-dev.myshopify.com", "n=1,2;3+4*5"} {
			require.NoError(t, entry(detail).Check(), detail)
		}
	})
	t.Run("people's names are taken, whoever they are", func(t *testing.T) {
		t.Parallel()
		e := entry("")
		e.Actor = audit.Actor{Name: "zoë o'neill@example.com"}
		require.NoError(t, e.Check())
	})
	for name, change := range map[string]func(*audit.Entry){
		"a mail address in the detail": func(e *audit.Entry) { e.Detail = "to buyer@example.com" },
		"a mail address as subject":    func(e *audit.Entry) { e.Subject = "buyer@example.com" },
		"letters of a sentence":        func(e *audit.Entry) { e.Detail = "he said: \"no!\"" },
		"a line end":                   func(e *audit.Entry) { e.Detail = "a\nb" },
		"a long detail":                func(e *audit.Entry) { e.Detail = strings.Repeat("a", 301) },
		"a long subject":               func(e *audit.Entry) { e.Subject = strings.Repeat("a", 301) },
		"no actor":                     func(e *audit.Entry) { e.Actor.Name = "" },
		"a long actor":                 func(e *audit.Entry) { e.Actor.Name = strings.Repeat("a", 101) },
		"an actor with a line end":     func(e *audit.Entry) { e.Actor.Name = "a\nb" },
		"an actor that is no text":     func(e *audit.Entry) { e.Actor.Name = "\xff" },
		"an unknown role":              func(e *audit.Entry) { e.Actor.Role = "king" },
		"no action":                    func(e *audit.Entry) { e.Action = "" },
		"an action in words":           func(e *audit.Entry) { e.Action = "did something" },
		"a long action":                func(e *audit.Entry) { e.Action = strings.Repeat("a", 65) },
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			t.Parallel()
			e := entry("")
			change(&e)
			require.ErrorIs(t, e.Check(), audit.ErrEntry)
			_, err := audit.Next(audit.Head{}, at(0), e)
			require.ErrorIs(t, err, audit.ErrEntry)
			require.NotContains(t, err.Error(), "example.com", "the error does not repeat it")
		})
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	h := audit.Head{Seq: 12, Hash: audit.Hash{0xab}}
	got, err := audit.ParseHead(" " + h.String() + "\n")
	require.NoError(t, err)
	require.Equal(t, h, got)
	sum := hex.EncodeToString(make([]byte, 32))
	for _, text := range []string{"", "12", "12:", ":" + sum, "-1:" + sum, "x:" + sum, "1:" + sum[2:], "1:" + sum + "00", "1:" + sum[1:] + "g"} {
		_, err := audit.ParseHead(text)
		require.ErrorIs(t, err, audit.ErrHead, text)
	}
}
