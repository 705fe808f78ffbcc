package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"tillflow/dev/chaos"
)

// runChaos plays random stories against the service: SEEDS of them from FIRST
// on, or SEED alone, or the one in the file STORY; LANES at a time.
func runChaos(ctx context.Context, _ []string, getenv func(string) string, out io.Writer) (err error) {
	o, one, err := chaosOptions(getenv)
	if err != nil {
		return err
	}
	o.Out = out
	dir, err := os.MkdirTemp("", "tillflow-chaos-")
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // PostgreSQL runs as another user below it
		return err
	}
	log, closeLog, err := logFile(dir)
	if err != nil {
		return err
	}
	defer closeLog()
	w, err := chaos.Open(ctx, dir, chaos.Profile(getenv("PROFILE")), log)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, w.Close())
		if err == nil {
			err = os.RemoveAll(dir)
			return
		}
		fmt.Fprintf(out, "logs are kept in %s\n", dir)
	}()
	if one == nil {
		_, err = chaos.Run(ctx, w, o)
		return err
	}
	return chaos.Tell(ctx, w, *one, out)
}

// chaosOptions reads the environment, as make passes its variables on.
// The story is set when only one is to be played.
func chaosOptions(getenv func(string) string) (o chaos.Options, one *chaos.Story, err error) {
	o = chaos.Options{Seeds: 50, Lanes: 24, Shrink: 2, Keep: filepath.Join("artefacts", "chaos")}
	var faults []error
	number := func(name string, set func(uint64)) {
		text := getenv(name)
		if text == "" {
			return
		}
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s=%s is not a number", name, text))
			return
		}
		set(n)
	}
	number("SEEDS", func(n uint64) { o.Seeds = int(n) }) //nolint:gosec // more than an int holds could not be played
	number("FIRST", func(n uint64) { o.First = n })
	number("SEED", func(n uint64) { story := chaos.Draw(n); one = &story })
	number("LANES", func(n uint64) { o.Lanes = int(n) })   //nolint:gosec // as above
	number("SHRINK", func(n uint64) { o.Shrink = int(n) }) //nolint:gosec // as above
	if path := getenv("STORY"); path != "" {
		story, err := chaos.ReadStory(path)
		one, faults = &story, append(faults, err)
	}
	o.Stop = getenv("STOP") == "1"
	return o, one, errors.Join(faults...)
}
