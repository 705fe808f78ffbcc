package shopify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// saveEvery is the pause between saves while the books change.
const saveEvery = time.Second

// saveShare bounds the time spent on saving: after a save that took t the next waits at least saveShare × t, so
// that books grown large do not slow down what they watch.
const saveShare = 20

// snapshot is the saved file.
type snapshot struct {
	Format int              `json:"format"`
	Shops  map[string]*shop `json:"shops"`
}

const snapshotFormat = 1

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
	for domain, sh := range saved.Shops {
		fresh := newShop(domain)
		for id, c := range sh.Checkouts {
			fresh.groups[c.Group] = id
		}
		sh.groups = fresh.groups
		if sh.Apps == nil {
			sh.Apps = fresh.Apps
		}
		if sh.OldTokens != nil {
			sh.Apps[PaymentsApp] = &installation{State: InstallInstalled, Seeded: true, Installs: 1, Tokens: *sh.OldTokens}
			sh.OldTokens = nil
		}
		if sh.Checkouts == nil {
			sh.Checkouts = fresh.Checkouts
		}
		if sh.Sessions == nil {
			sh.Sessions = fresh.Sessions
		}
		sh.bucket.limit, err = PlanStandard.limit() // openShops knows better for the configured ones
		if err != nil {
			return err
		}
		if err := s.completeApps(sh, PlanStandard); err != nil {
			return err
		}
		s.shops[domain] = sh
	}
	return nil
}

// save writes the snapshot if something changed since the version it was last called with.
func (s *Server) save(since uint64) (uint64, error) {
	s.mu.Lock()
	version := s.version
	if version == since {
		s.mu.Unlock()
		return since, nil
	}
	data, err := json.Marshal(snapshot{Format: snapshotFormat, Shops: s.shops})
	s.mu.Unlock()
	if err != nil {
		return since, fmt.Errorf("encode snapshot: %w", err)
	}
	if err := writeFile(s.opts.SnapshotPath, data); err != nil {
		return since, fmt.Errorf("save snapshot: %w", err)
	}
	return version, nil
}

// writeFile replaces a file at once: readers see the old or the new content, also after a crash.
func writeFile(path string, data []byte) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600: it holds tokens and addresses
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

// saver saves a server's books in the background.
type saver struct {
	server *Server
	stop   chan struct{}
	done   chan struct{}
	once   sync.Once
	last   error // of the final save, readable after done
}

func newSaver(s *Server) *saver {
	v := &saver{server: s, stop: make(chan struct{}), done: make(chan struct{})}
	go v.run()
	return v
}

func (v *saver) run() {
	defer close(v.done)
	var saved uint64
	pause := saveEvery
	for {
		timer := time.NewTimer(pause)
		select {
		case <-v.stop:
			timer.Stop()
			_, v.last = v.server.save(saved)
			return
		case <-timer.C:
		}
		started := v.server.opts.Now()
		version, err := v.server.save(saved)
		if err != nil {
			v.server.opts.Log.Error().Err(err).Msg("books not saved")
		}
		saved = version
		pause = max(saveEvery, saveShare*v.server.opts.Now().Sub(started))
	}
}

func (v *saver) close() error {
	v.once.Do(func() { close(v.stop) })
	<-v.done
	return v.last
}
