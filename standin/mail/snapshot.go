package mail

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const snapshotFormat = 1

// snapshot is the saved file.
type snapshot struct {
	Format   int      `json:"format"`
	Received int      `json:"received"`
	Messages []stored `json:"messages"`
}

// load reads the snapshot; a missing file is an empty one, a damaged one is an error and never overwritten.
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
	s.received = saved.Received
	s.messages = saved.Messages[max(0, len(saved.Messages)-s.opts.MaxMessages):]
	for i := range s.messages {
		s.messages[i].parsed = parse(s.messages[i])
	}
	return nil
}

// save replaces the snapshot at once: readers see the old or the new content, also after a crash. Mail is rare,
// so every message is saved before its sender is told that it was taken.
func (s *Server) save(content snapshot) (err error) {
	if s.opts.SnapshotPath == "" {
		return nil
	}
	data, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("encode snapshot: %w", err)
	}
	path := s.opts.SnapshotPath
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600: mail is personal
	if err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("save snapshot: %w", errors.Join(err, os.Remove(temp.Name())))
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
