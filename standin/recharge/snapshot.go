package recharge

import (
	"encoding/json"
	"fmt"

	"tillflow/standin/snapshot"
)

// snapshotFile is what is saved.
type snapshotFile struct {
	Format int               `json:"format"`
	Serial int64             `json:"serial"`
	Stores map[string]*store `json:"stores"`
}

const snapshotFormat = 1

// load reads the snapshot; one that is damaged is an error and never overwritten. Stores that are no longer
// configured are refused: their books would be lost with the next save.
func (s *Server) load() error {
	var saved snapshotFile
	if err := snapshot.Read(s.opts.SnapshotPath, snapshotFormat, &saved); err != nil {
		return err
	}
	for name, st := range saved.Stores {
		configured, ok := s.stores[name]
		if !ok {
			return fmt.Errorf("snapshot %s has store %q, which is not configured", s.opts.SnapshotPath, name)
		}
		st.conf = configured.conf
		if st.Calls == nil {
			st.Calls = make(map[string]int)
		}
		s.stores[name] = st
	}
	s.serial = max(s.serial, saved.Serial)
	return nil
}

// save writes the snapshot if something changed since the version it was last called with.
func (s *Server) save(since uint64) (uint64, error) {
	if s.opts.SnapshotPath == "" {
		return since, nil
	}
	s.mu.Lock()
	version := s.version
	if version == since {
		s.mu.Unlock()
		return since, nil
	}
	data, err := json.Marshal(snapshotFile{Format: snapshotFormat, Serial: s.serial, Stores: s.stores})
	s.mu.Unlock()
	if err != nil {
		return since, fmt.Errorf("encode snapshot: %w", err)
	}
	if err := snapshot.Write(s.opts.SnapshotPath, data); err != nil {
		return since, err
	}
	return version, nil
}
