package recharge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// snapshot is the saved file.
type snapshot struct {
	Format int               `json:"format"`
	Serial int64             `json:"serial"`
	Stores map[string]*store `json:"stores"`
}

const snapshotFormat = 1

// load reads the snapshot; a missing file is an empty one, a damaged one is an error and never overwritten. Stores that are no longer
// configured are refused: their books would be lost with the next save.
func (s *Server) load() error {
	if s.opts.SnapshotPath == "" {
		return nil
	}
	data, err := os.ReadFile(s.opts.SnapshotPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	var saved snapshot
	if err := json.Unmarshal(data, &saved); err != nil {
		return fmt.Errorf("read snapshot %s: %w", s.opts.SnapshotPath, err)
	}
	if saved.Format != snapshotFormat {
		return fmt.Errorf("snapshot %s has format %d, this program reads %d", s.opts.SnapshotPath, saved.Format, snapshotFormat)
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
	data, err := json.Marshal(snapshot{Format: snapshotFormat, Serial: s.serial, Stores: s.stores})
	s.mu.Unlock()
	if err != nil {
		return since, fmt.Errorf("encode snapshot: %w", err)
	}
	if err := replaceFile(s.opts.SnapshotPath, data); err != nil {
		return since, fmt.Errorf("save snapshot: %w", err)
	}
	return version, nil
}

// replaceFile swaps the content at once: readers see the old or the new, also after a crash.
func replaceFile(path string, data []byte) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600: it holds addresses
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	if _, err := temp.Write(data); err != nil {
		return errors.Join(err, temp.Close())
	}
	if err := errors.Join(temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
