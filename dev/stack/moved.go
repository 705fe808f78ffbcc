package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// offsetSetting is the service's setting for a moved clock. In dev.env it is
// also where the offset outlives the stack: rows and runs keep the times that
// they were given.
const offsetSetting = "TILLFLOW_CLOCK_OFFSET"

func (s *Stack) clockSetting() string { return offsetSetting + "=" + s.Clock.Offset().String() }

// Skip moves the clock forward and keeps that for the next start and for the
// operator's commands. Runs are moved by temporalserver.FastForward.
func (s *Stack) Skip(d time.Duration) error {
	s.Clock.Skip(d)
	return s.keepSettings()
}

func (s *Stack) settingsFile() string { return filepath.Join(s.opts.Dir, "dev.env") }

// keepSettings writes the service's settings; a reader finds the old file or the new one.
func (s *Stack) keepSettings() error {
	lines := s.Env()
	slices.Sort(lines)
	next := s.settingsFile() + ".next"
	if err := os.WriteFile(next, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the stack's settings: %w", err)
	}
	if err := os.Rename(next, s.settingsFile()); err != nil {
		return fmt.Errorf("write the stack's settings: %w", err)
	}
	return nil
}

// restoreClock sets the clock to where an earlier run of the stack has moved it.
func (s *Stack) restoreClock() error {
	text, err := os.ReadFile(s.settingsFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the stack's settings: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		value, found := strings.CutPrefix(strings.TrimSpace(line), offsetSetting+"=")
		if !found {
			continue
		}
		d, err := time.ParseDuration(value)
		if err != nil {
			return fmt.Errorf("read %s in %s: %w", offsetSetting, s.settingsFile(), err)
		}
		s.Clock.Skip(d)
		if d != 0 {
			s.opts.Say("the clock is %s ahead, as it was left", d)
		}
	}
	return nil
}
