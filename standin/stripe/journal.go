package stripe

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"tillflow/standin/snapshot"
)

// rowKind names what a record of the journal holds.
type rowKind string

const (
	rowCheckout rowKind = "checkout"
	rowIntent   rowKind = "intent"
	rowCharge   rowKind = "charge"
	rowRefund   rowKind = "refund"
	rowTxn      rowKind = "txn"
	rowDispute  rowKind = "dispute"
	rowCustomer rowKind = "customer"
	rowMethod   rowKind = "method"
	rowEvent    rowKind = "event"
	rowEndpoint rowKind = "endpoint"
	rowKept     rowKind = "key"
	rowCounters rowKind = "counters"
	rowCommit   rowKind = "commit" // ends a batch
)

type rowKey struct {
	kind        rowKind
	account, id string
}

// record is one line of the journal. A null value removes the row.
type record struct {
	Kind    rowKind         `json:"k"`
	Account string          `json:"a,omitempty"`
	ID      string          `json:"i,omitempty"`
	Value   json.RawMessage `json:"v,omitempty"`
}

// journal is the file that keeps the books: a full copy, then batches of changed rows. Only whole batches count, so a
// crash in the middle of a write loses the last second and nothing else. Writing costs what changed, not what there is.
type journal struct {
	path string
	file *os.File
}

// flush appends what changed since the last flush. After an error the rows stay marked.
func (s *Server) flush() error {
	if s.journal == nil {
		return nil
	}
	s.mu.Lock()
	keys := s.dirty
	s.dirty = make(map[rowKey]struct{})
	values := s.snapshot(maps.Keys(keys))
	s.mu.Unlock()
	if len(values) == 0 {
		return nil
	}
	if err := writeBatch(s.journal.file, values); err != nil {
		s.mu.Lock()
		maps.Copy(s.dirty, keys)
		s.mu.Unlock()
		return fmt.Errorf("append to %s: %w", s.journal.path, err)
	}
	return nil
}

type snapshotRow struct {
	key   rowKey
	value any // nil: the row is gone
}

// snapshot copies rows. A copy is safe to read without the lock because maps and slices inside are never changed.
func (s *Server) snapshot(keys func(func(rowKey) bool)) []snapshotRow {
	var rows []snapshotRow
	for key := range keys {
		rows = append(rows, snapshotRow{key, s.accounts[key.account].value(key)})
	}
	return rows
}

func (a *account) value(key rowKey) any {
	switch key.kind {
	case rowCheckout:
		return copyOf(a.checkouts.get(key.id))
	case rowIntent:
		return copyOf(a.intents.get(key.id))
	case rowCharge:
		return copyOf(a.charges.get(key.id))
	case rowRefund:
		return copyOf(a.refunds.get(key.id))
	case rowTxn:
		return copyOf(a.txns.get(key.id))
	case rowDispute:
		return copyOf(a.disputes.get(key.id))
	case rowCustomer:
		return copyOf(a.customers.get(key.id))
	case rowMethod:
		return copyOf(a.methods.get(key.id))
	case rowEvent:
		return copyOf(a.events.get(key.id))
	case rowEndpoint:
		return copyOf(a.endpoint(key.id))
	case rowKept:
		kept, ok := a.keys[key.id]
		return copyOf(kept, ok && !kept.running)
	case rowCounters:
		counts := a.counts
		counts.Calls = maps.Clone(counts.Calls)
		return counts
	case rowCommit:
	}
	panic("stripe stand-in: unknown row kind " + string(key.kind))
}

func copyOf[T any](v *T, ok bool) any {
	if !ok {
		return nil
	}
	return *v
}

func writeBatch(w io.Writer, rows []snapshotRow) error {
	buf := bufio.NewWriterSize(w, 1<<16)
	enc := json.NewEncoder(buf)
	for _, r := range rows {
		value, err := json.Marshal(r.value)
		if err != nil {
			return fmt.Errorf("encode %s %s: %w", r.key.kind, r.key.id, err)
		}
		if err := enc.Encode(record{r.key.kind, r.key.account, r.key.id, value}); err != nil {
			return fmt.Errorf("write row: %w", err)
		}
	}
	if err := enc.Encode(record{Kind: rowCommit}); err != nil {
		return fmt.Errorf("write commit: %w", err)
	}
	return buf.Flush()
}

// load reads the books and begins a fresh journal.
func (s *Server) load() error {
	path := s.opts.SnapshotPath
	s.journal = &journal{path: path}
	rows, err := s.readJournal(path)
	if err != nil {
		return fmt.Errorf("read snapshot %s: %w", path, err)
	}
	byAccount := make(map[string]map[rowKind][]rowData)
	for key, value := range rows {
		kinds := byAccount[key.account]
		if kinds == nil {
			kinds = make(map[rowKind][]rowData)
			byAccount[key.account] = kinds
		}
		kinds[key.kind] = append(kinds[key.kind], rowData{key.id, value})
	}
	for id, kinds := range byAccount {
		acct, ok := s.accounts[id]
		if !ok {
			s.log.Warn().Str("account", id).Msg("stripe stand-in: the snapshot has an account that is not configured; it is dropped")
			continue
		}
		if err := s.restore(acct, kinds); err != nil {
			return fmt.Errorf("restore %s from %s: %w", id, path, err)
		}
	}
	clear(s.dirty)
	if err := s.compact(); err != nil {
		return err
	}
	s.journal.file, err = os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0) //nolint:gosec // the operator's own path
	if err != nil {
		return fmt.Errorf("open snapshot: %w", err)
	}
	return nil
}

// readJournal returns the rows of all whole batches.
func (s *Server) readJournal(path string) (map[rowKey]json.RawMessage, error) {
	rows := make(map[rowKey]json.RawMessage)
	f, err := os.Open(path) //nolint:gosec // the operator's own path
	if errors.Is(err, fs.ErrNotExist) {
		return rows, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	dec := json.NewDecoder(bufio.NewReaderSize(f, 1<<16))
	var batch []record
	for {
		var r record
		err := dec.Decode(&r)
		switch {
		case errors.Is(err, io.EOF) && len(batch) == 0:
			return rows, nil
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			s.log.Warn().Int("rows", len(batch)).Msg("stripe stand-in: the snapshot ends in a torn batch; it is dropped")
			return rows, nil
		case err != nil:
			return nil, fmt.Errorf("at byte %d: %w", dec.InputOffset(), err)
		case r.Kind != rowCommit:
			batch = append(batch, r)
			continue
		}
		for _, r := range batch {
			key := rowKey{r.Kind, r.Account, r.ID}
			if string(r.Value) == "null" {
				delete(rows, key)
				continue
			}
			rows[key] = r.Value
		}
		batch = batch[:0]
	}
}

// compact replaces the file by one full copy, atomically.
func (s *Server) compact() error {
	s.mu.Lock()
	values := s.snapshot(s.allKeys())
	s.mu.Unlock()
	if err := snapshot.Replace(s.journal.path, func(w io.Writer) error { return writeBatch(w, values) }); err != nil {
		return err
	}
	if s.journal.file == nil {
		return nil
	}
	if err := s.journal.file.Close(); err != nil {
		return fmt.Errorf("close old snapshot: %w", err)
	}
	return nil
}

func (s *Server) allKeys() func(func(rowKey) bool) {
	var keys []rowKey
	for id, a := range s.accounts {
		add := func(kind rowKind, row string) { keys = append(keys, rowKey{kind, id, row}) }
		keysOf(&a.checkouts, rowCheckout, add)
		keysOf(&a.intents, rowIntent, add)
		keysOf(&a.charges, rowCharge, add)
		keysOf(&a.refunds, rowRefund, add)
		keysOf(&a.txns, rowTxn, add)
		keysOf(&a.disputes, rowDispute, add)
		keysOf(&a.customers, rowCustomer, add)
		keysOf(&a.methods, rowMethod, add)
		keysOf(&a.events, rowEvent, add)
		for _, ep := range a.endpoints {
			if !ep.configured {
				add(rowEndpoint, ep.ID)
			}
		}
		for key := range a.keys {
			add(rowKept, key)
		}
		add(rowCounters, "")
	}
	return slices.Values(keys)
}

func keysOf[T entity](t *table[T], kind rowKind, add func(rowKind, string)) {
	for _, v := range t.rows {
		add(kind, v.head().ID)
	}
}
