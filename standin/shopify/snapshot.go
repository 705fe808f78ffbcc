package shopify

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"tillflow/standin/snapshot"
)

// saveEvery is the pause between saves while the books change.
const saveEvery = time.Second

// saveShare bounds the time spent on saving: after a save that took t the next waits at least saveShare × t, so
// that books grown large do not slow down what they watch.
const saveShare = 20

// snapshotFile is what is saved.
type snapshotFile struct {
	Format int              `json:"format"`
	Shops  map[string]*shop `json:"shops"`
}

const snapshotFormat = 1

// load reads the snapshot; one that is damaged is an error and never overwritten.
func (s *Server) load() error {
	var saved snapshotFile
	if err := snapshot.Read(s.opts.SnapshotPath, snapshotFormat, &saved); err != nil {
		return err
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
		limit, err := PlanStandard.limit() // openShops knows better for the configured ones
		if err != nil {
			return err
		}
		sh.bucket.limit = limit
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
	data, err := json.Marshal(snapshotFile{Format: snapshotFormat, Shops: s.shops})
	s.mu.Unlock()
	if err != nil {
		return since, fmt.Errorf("encode snapshot: %w", err)
	}
	if err := snapshot.Write(s.opts.SnapshotPath, data); err != nil {
		return since, err
	}
	return version, nil
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
