package privacy

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/dev/e2e/history"
	"tillflow/standin/shopify"
)

// canaries are words that occur nowhere but in what is planted about one person.
// The search is the test's own and knows nothing of the service's.
func canaries() []string {
	return []string{
		"Zebedeus", "Quillfeatherstone", "zq.canary", "Marmalade Crescent", "Puddingthorpe", "QZ7 9XY", "7700900123", "Canaryworks",
		"shouted-at-the-till",
	}
}

// person is the canary as Shopify and a merchant's program name them.
func person() *shopify.Customer {
	a := &shopify.Address{
		GivenName: "Zebedeus", FamilyName: "Quillfeatherstone", Line1: "17 Marmalade Crescent", Line2: "c/o Canaryworks",
		City: "Puddingthorpe", PostalCode: "QZ7 9XY", CountryCode: "GB", PhoneNumber: "+447700900123", Company: "Canaryworks",
	}
	return &shopify.Customer{Email: mailOf, PhoneNumber: "+447700900123", Locale: "en-GB", BillingAddress: a, ShippingAddress: a}
}

const mailOf = "zq.canary@buyer.example"

// search looks for words also where they are only written differently.
type search struct{ needles [][]byte }

func newSearch(words ...string) search {
	var s search
	for _, word := range words {
		for _, way := range []string{word, hex.EncodeToString([]byte(word)), url.QueryEscape(word), url.PathEscape(word)} {
			s.needles = append(s.needles, []byte(strings.ToLower(way)))
		}
		for shift := range 3 { // the three alignments; the characters at the edges depend on the neighbours
			code := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), word...))
			s.needles = append(s.needles, []byte(strings.ToLower(code[(shift*8+5)/6:len(code)-1])))
		}
	}
	return s
}

func (s search) in(text []byte) string {
	text = bytes.ToLower(text)
	for _, needle := range s.needles {
		if bytes.Contains(text, needle) {
			return string(needle)
		}
	}
	return ""
}

// places is what was searched, and where something was found.
type places struct {
	dump, logs, mails      int // bytes
	runs, events, payloads int
	found                  []string
}

func (p places) String() string {
	return fmt.Sprintf("%d finds in %d bytes of pg_dump, %d of logs, %d of mails, %d histories with %d events and %d sealed payloads",
		len(p.found), p.dump, p.logs, p.mails, p.runs, p.events, p.payloads)
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
	for _, line := range bytes.Split(w.dump(t), []byte("\n")) {
		p.dump += len(line) + 1
		p.note(s, "pg_dump", line)
	}
	p.logs = w.file(t, s, &p, "service.log")
	p.mails = w.file(t, s, &p, "mail.json")
	w.histories(t, s, &p)
	return p
}

func (w *world) file(t *testing.T, s search, p *places, name string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return 0 // nothing was written yet; whoever needs the file asks for more than no bytes
	}
	require.NoError(t, err)
	p.note(s, name, text)
	return len(text)
}

// dump is the whole database as text, the vault's sealed rows too.
func (w *world) dump(t *testing.T) []byte {
	t.Helper()
	program, err := exec.LookPath("pg_dump")
	if err != nil {
		found, globErr := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
		require.NoError(t, globErr)
		require.NotEmpty(t, found, "pg_dump is not installed")
		program = found[len(found)-1]
	}
	cmd := exec.CommandContext(t.Context(), program, "--no-sync", "--dbname", w.Postgres.URL("tillflow"))
	var problems bytes.Buffer
	cmd.Stderr = &problems
	text, err := cmd.Output()
	require.NoError(t, err, problems.String())
	require.Contains(t, string(text), "COPY public.vault")
	return text
}

// histories reads every history as the server has it, and once more with its payloads opened.
func (w *world) histories(t *testing.T, s search, p *places) {
	t.Helper()
	codec, err := history.Codec(w.Config)
	require.NoError(t, err)
	runs, err := history.Runs(t.Context(), w.client, "")
	require.NoError(t, err)
	for _, run := range runs {
		p.note(s, "workflow id", []byte(run.WorkflowID))
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
		p.runs, p.events, p.payloads = p.runs+1, p.events+len(h.GetEvents()), p.payloads+sealed
	}
}
