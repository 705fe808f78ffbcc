// Package spool looks for a person in files: the service's logs and the spool of
// the mail server, as far as this machine reaches them.
package spool

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"tillflow/internal/payment"
	"tillflow/internal/privacy"
)

// Files are where to look. Each entry is a file, a folder with all below it, or a
// pattern of filepath.Match. Files that end in .gz are unpacked.
type Files struct {
	Logs  []string
	Mails []string
}

// SearchFiles looks for a person in logs and mails. What is not configured is
// named as skipped, so that a certificate does not claim it; what is configured
// and cannot be read is payment.Unavailable.
func (f Files) SearchFiles(ctx context.Context, m *privacy.Matcher, beat func() error) ([]privacy.Place, error) {
	logs, err := search(ctx, kind{"logs", "TILLFLOW_PRIVACY_LOGS", f.Logs, false}, m, beat)
	if err != nil {
		return nil, err
	}
	mails, err := search(ctx, kind{"mails", "TILLFLOW_PRIVACY_MAILS", f.Mails, true}, m, beat)
	return []privacy.Place{logs, mails}, err
}

type kind struct {
	name, setting string
	entries       []string
	mails         bool
}

func search(ctx context.Context, k kind, m *privacy.Matcher, beat func() error) (privacy.Place, error) {
	place := privacy.Place{Name: k.name}
	if len(k.entries) == 0 {
		place.Skipped = "not reached from here: " + k.setting + " is not set"
		return place, nil
	}
	files, size := 0, int64(0)
	for _, entry := range k.entries {
		found, err := filepath.Glob(entry)
		if err == nil && len(found) == 0 { // nothing was written yet, if its folder is there
			_, err = os.Stat(filepath.Dir(entry))
		}
		if err != nil {
			return place, payment.Errorf(payment.Unavailable, "%s names %q, and there is no such folder", k.setting, entry)
		}
		for _, root := range found {
			err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return vanished(err)
				}
				lines, err := read(path, k.mails, m, beat)
				if err != nil {
					return vanished(err)
				}
				files, size = files+1, size+lines.Bytes
				if lines.Found > 0 {
					place.Found++
					place.Where = append(place.Where, path+": "+strconv.Itoa(lines.Found)+" lines")
				}
				return ctx.Err()
			})
			if err != nil {
				return place, payment.Errorf(payment.Unavailable, "a file below %s cannot be read: %w", entry, err)
			}
		}
	}
	place.Searched = strconv.Itoa(files) + " files of " + strconv.FormatInt(size, 10) + " bytes"
	return place, nil
}

// vanished: logs are rotated and mails are delivered while they are listed.
func vanished(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// largestMail is the largest file of a spool that is looked at as one text.
const largestMail = 64 << 20

func read(path string, mail bool, m *privacy.Matcher, beat func() error) (*privacy.Lines, error) {
	lines := &privacy.Lines{Matcher: m, Beat: beat}
	file, err := os.Open(path) //nolint:gosec // G304: below what the operator has named
	if err != nil {
		return lines, err
	}
	defer func() { _ = file.Close() }() // it was only read
	var from io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if from, err = gzip.NewReader(file); err != nil {
			return lines, err
		}
	}
	var whole bytes.Buffer
	to := io.Writer(lines)
	if mail {
		to = io.MultiWriter(lines, &bounded{&whole})
	}
	if _, err := io.Copy(to, from); err != nil { //nolint:gosec // G110: the operator's own logs, and nothing of them is kept
		return lines, err
	}
	lines.End()
	// Mail wraps lines, also inside words.
	if mail && lines.Found == 0 && m.In(unwrapped(whole.Bytes())) {
		lines.Found++
	}
	return lines, beat()
}

func unwrapped(text []byte) []byte {
	for _, wrap := range []string{"=\r\n", "=\n", "\r\n", "\n"} {
		text = bytes.ReplaceAll(text, []byte(wrap), nil)
	}
	return text
}

// bounded keeps the beginning of what is written.
type bounded struct{ to *bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	b.to.Write(p[:min(len(p), max(largestMail-b.to.Len(), 0))])
	return len(p), nil
}
