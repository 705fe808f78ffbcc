// Package snapshot is the file in which a stand-in keeps its books over a
// restart. Whoever reads it finds the old content or the new, also after a crash.
package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Read decodes the JSON at path into content, whose member format must be the
// given number. Without a file, or with no path, content stays as it is; a file
// that is damaged or of another format is an error.
func Read(path string, format int, content any) error {
	if path == "" {
		return nil
	}
	data, err := os.ReadFile(path) //nolint:gosec // the operator's own path
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	var saved struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &saved); err != nil {
		return fmt.Errorf("read snapshot %s: %w", path, err)
	}
	if saved.Format != format {
		return fmt.Errorf("snapshot %s has format %d, this program reads %d", path, saved.Format, format)
	}
	if err := json.Unmarshal(data, content); err != nil {
		return fmt.Errorf("read snapshot %s: %w", path, err)
	}
	return nil
}

// Write replaces the file by data.
func Write(path string, data []byte) error {
	return Replace(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Replace is Write for content that is written piece by piece. What fails
// leaves the file as it was.
func Replace(path string, write func(io.Writer) error) error {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600: it holds tokens and addresses
	if err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	err = errors.Join(write(temp), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("save snapshot %s: %w", path, errors.Join(err, os.Remove(temp.Name())))
	}
	return nil
}
