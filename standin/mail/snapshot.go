package mail

import (
	"encoding/json"
	"fmt"

	"tillflow/standin/snapshot"
)

const snapshotFormat = 1

// snapshotFile is what is saved.
type snapshotFile struct {
	Format   int      `json:"format"`
	Received int      `json:"received"`
	Messages []stored `json:"messages"`
}

// load reads the snapshot; one that is damaged is an error and never overwritten.
func (s *Server) load() error {
	var saved snapshotFile
	if err := snapshot.Read(s.opts.SnapshotPath, snapshotFormat, &saved); err != nil {
		return err
	}
	s.received = saved.Received
	s.messages = saved.Messages[max(0, len(saved.Messages)-s.opts.MaxMessages):]
	for i := range s.messages {
		s.messages[i].parsed = parse(s.messages[i])
	}
	return nil
}

// save replaces the snapshot. Mail is rare, so every message is saved before its sender is told that it was taken.
func (s *Server) save(content snapshotFile) error {
	if s.opts.SnapshotPath == "" {
		return nil
	}
	data, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("encode snapshot: %w", err)
	}
	return snapshot.Write(s.opts.SnapshotPath, data)
}
