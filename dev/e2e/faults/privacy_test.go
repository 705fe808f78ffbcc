package faults

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"tillflow/dev/e2e/history"
	"tillflow/standin/faults"
	"tillflow/standin/shopify"
)

// canaries are words that occur nowhere but in what Shopify sends about one
// buyer, and in what an operator types about him.
func canaries() []string {
	return []string{
		"Zebedeus", "Quillfeatherstone", "zq.canary@buyer.example", "17 Marmalade Crescent", "Puddingthorpe",
		"QZ7 9XY", "7700900123", "Canaryworks", "shouted-at-the-till",
	}
}

func canaryBuyer() *shopify.Customer {
	a := &shopify.Address{
		GivenName: "Zebedeus", FamilyName: "Quillfeatherstone", Line1: "17 Marmalade Crescent", Line2: "c/o Canaryworks",
		City: "Puddingthorpe", PostalCode: "QZ7 9XY", CountryCode: "GB", PhoneNumber: "+447700900123", Company: "Canaryworks",
	}
	return &shopify.Customer{Email: "zq.canary@buyer.example", PhoneNumber: "+447700900123", Locale: "en-GB", BillingAddress: a, ShippingAddress: a}
}

// search looks for the canaries, also where they are only written differently:
// in upper case, as hex or as base64.
type search struct{ needles [][]byte }

func newSearch() search {
	var s search
	for _, word := range canaries() {
		s.needles = append(s.needles, lower(word), lower(hex.EncodeToString([]byte(word))))
		for shift := range 3 { // the three alignments; the characters at the edges depend on the neighbours
			code := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), word...))
			s.needles = append(s.needles, lower(code[(shift*8+5)/6:len(code)-1]))
		}
	}
	return s
}

func lower(text string) []byte { return []byte(strings.ToLower(text)) }

// in answers the first needle that the text holds, empty when none.
func (s search) in(text []byte) string {
	text = bytes.ToLower(text)
	for _, needle := range s.needles {
		if bytes.Contains(text, needle) {
			return string(needle)
		}
	}
	return ""
}

// TestPersonalData runs charges of an unmistakable buyer to several ends and
// looks for him everywhere. The same search finds him where he belongs, and
// where the test puts him at the end, so it can fail.
func TestPersonalData(t *testing.T) {
	w, s := open(t), newSearch()
	var looked places
	prove(t, "8", func() string { return looked.String() })
	w.canaryCharges(t)
	// The witness that sent him knows him, so he was really sent.
	require.Eventually(t, func() bool {
		sent, err := os.ReadFile(filepath.Join(w.dir, "shopify.json"))
		return err == nil && s.in(sent) != ""
	}, 20*time.Second, 100*time.Millisecond)

	looked = w.look(t, s)
	require.Empty(t, looked.found)
	require.Positive(t, looked.files)
	require.Greater(t, looked.rows, 100)
	require.Greater(t, looked.sealed, 50)
	require.Positive(t, w.stack.Mail.Books().Received, "no mail was searched")

	w.release(t)
	found := w.look(t, s).found
	require.Contains(t, strings.Join(found, "\n"), "table decoy")
	require.Contains(t, strings.Join(found, "\n"), "history of decoy")
	require.Contains(t, strings.Join(found, "\n"), "file temporal.db")
}

// canaryCharges are one that is paid, one that is left and expired by a person
// who types about the buyer, and one that calls for a person by mail.
func (w *world) canaryCharges(t *testing.T) {
	t.Helper()
	paid, left, refused := w.canary(t), w.canary(t), w.canary(t)
	paid.choose(t)
	_, err := w.buyer.PayStripe(t.Context(), paid.page, refusedCard)
	require.ErrorContains(t, err, "402")
	paid.finish(t)
	left.choose(t)
	_, err = w.stack.Command(t.Context(), "payment", "note", "-actor", "tester", "-reason", "Zebedeus Quillfeatherstone shouted-at-the-till", left.session.ID)
	require.NoError(t, err)
	left.leave(t)
	left.proveNothing(t)
	refused.choose(t)
	refused.arm(t, w.stack.Shopify.Faults(), faults.Rule{Call: "paymentSessionResolve", Kind: faults.Decline(shopify.DeclineUserError), Match: refused.session.GID})
	refused.pay(t, goodCard)
	soon(t, "nobody is told of the refusal", func() bool { return w.stack.Mail.Books().Received > 0 })
}

func (w *world) canary(t *testing.T) *sale {
	t.Helper()
	s := w.vacant(t)
	s.buyer = canaryBuyer()
	s.accept(t)
	return s
}

// places is what was searched, and where something was found.
type places struct {
	files, rows, runs, sealed int
	found                     []string
}

func (p places) String() string {
	return fmt.Sprintf("nothing in %d files, %d rows, %d histories with %d sealed payloads; %d finds", p.files, p.rows, p.runs, p.sealed, len(p.found))
}

func (p *places) note(s search, where string, text []byte) {
	if needle := s.in(text); needle != "" {
		p.found = append(p.found, where+" holds "+needle)
	}
}

// look searches every place where a person must not be.
func (w *world) look(t *testing.T, s search) places {
	t.Helper()
	var p places
	w.lookIntoFiles(t, s, &p)
	w.lookIntoRows(t, s, &p)
	w.lookIntoHistories(t, s, &p)
	return p
}

// lookIntoFiles reads everything that the stack has on disk: logs, the Temporal
// database, PostgreSQL's files with its write-ahead log, mails. Only Shopify's
// own memory is left out.
func (w *world) lookIntoFiles(t *testing.T, s search, p *places) {
	t.Helper()
	_, err := w.pool.Exec(t.Context(), "CHECKPOINT") // so that tables are in their files
	require.NoError(t, err)
	read := func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), "shopify.json") {
			return skipVanished(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return skipVanished(err)
		}
		p.files++
		p.note(s, "file "+d.Name(), text)
		return nil
	}
	require.NoError(t, filepath.WalkDir(w.dir, read))
	if data := w.stack.Postgres.DataDir(); !strings.HasPrefix(data, w.dir) {
		require.NoError(t, filepath.WalkDir(data, read))
	}
}

// skipVanished: a running database removes files while they are listed.
func skipVanished(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// lookIntoRows reads every table of the record, the vault's sealed rows too.
func (w *world) lookIntoRows(t *testing.T, s search, p *places) {
	t.Helper()
	rows, err := w.pool.Query(t.Context(), "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Contains(t, tables, "vault")
	for _, table := range tables {
		rows, err := w.pool.Query(t.Context(), "SELECT t::text FROM "+pgx.Identifier{table}.Sanitize()+" t")
		require.NoError(t, err)
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		for _, text := range texts {
			p.rows++
			p.note(s, "table "+table, []byte(text))
		}
	}
}

// lookIntoHistories reads every history as the server has it, and once more
// with its payloads opened: what is sealed must be worth nothing either.
func (w *world) lookIntoHistories(t *testing.T, s search, p *places) {
	t.Helper()
	codec, err := history.Codec(w.stack.Config)
	require.NoError(t, err)
	runs, err := history.Runs(t.Context(), w.client, "")
	require.NoError(t, err)
	for _, run := range runs {
		h, err := history.Fetch(t.Context(), w.client, run)
		require.NoError(t, err)
		raw, err := h.Marshal()
		require.NoError(t, err)
		p.note(s, "history of "+run.Type, raw)
		sealed, err := history.Open(t.Context(), h, codec)
		require.NoError(t, err)
		opened, err := h.Marshal()
		require.NoError(t, err)
		p.note(s, "opened history of "+run.Type, opened)
		p.runs++
		p.sealed += sealed
	}
}

// release lets a canary out, as a careless programmer would.
func (w *world) release(t *testing.T) {
	t.Helper()
	_, err := w.pool.Exec(t.Context(), "CREATE TABLE decoy AS SELECT 'Mr Quillfeatherstone' AS name")
	require.NoError(t, err)
	_, err = w.client.ExecuteWorkflow(context.WithoutCancel(t.Context()),
		client.StartWorkflowOptions{ID: "decoy", TaskQueue: "nobody"}, "decoy", "zq.canary@buyer.example")
	require.NoError(t, err)
	soon(t, "the decoy is not listed", func() bool {
		runs, err := history.Runs(t.Context(), w.client, `WorkflowId = "decoy"`)
		return err == nil && len(runs) == 1
	})
}
