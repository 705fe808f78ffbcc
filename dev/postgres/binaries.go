package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldest is the first major version that the schema of the service works on.
const oldest = 15

// errNoBinaries says that no installed PostgreSQL is new enough.
var errNoBinaries = errors.New("no PostgreSQL >= 15 found")

// binaries is one installed PostgreSQL: the folder with initdb and postgres in it.
type binaries struct {
	dir   string
	major int
}

func (b binaries) path(program string) string { return filepath.Join(b.dir, program) }

// places are the folders in which distributions keep the server's programs, as patterns. Debian and its children do
// not put them on the PATH.
func places() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
		"/usr/pgsql-*/bin",                                   // postgresql.org packages for Fedora and its like
		"/opt/homebrew/opt/postgresql@*/bin",                 // Homebrew on ARM
		"/usr/local/opt/postgresql@*/bin",                    // Homebrew on Intel
		"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
	}
}

// find returns every installed PostgreSQL, newest first: what the PATH offers and what lies in places.
func find(ctx context.Context, places []string) []binaries {
	var dirs []string
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, pattern := range places {
		if found, err := filepath.Glob(pattern); err == nil {
			dirs = append(dirs, found...)
		}
	}
	var all []binaries
	for _, dir := range dirs {
		b := binaries{dir: dir}
		if _, err := os.Stat(b.path("initdb")); err != nil {
			continue // a client without a server, or an empty folder
		}
		out, err := exec.CommandContext(ctx, b.path("postgres"), "--version").Output() //nolint:gosec // a found program
		if err != nil {
			continue
		}
		if b.major = majorOf(string(out)); b.major >= oldest {
			all = append(all, b)
		}
	}
	slices.SortStableFunc(all, func(x, y binaries) int { return cmp.Compare(y.major, x.major) })
	return all
}

// majorOf reads "postgres (PostgreSQL) 15.10 (Debian 15.10-0+deb12u1)" as 15, and 0 when there is no such number.
func majorOf(version string) int {
	m := regexp.MustCompile(`\(PostgreSQL\) (\d+)`).FindStringSubmatch(version)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n
}

// choose picks the newest of all for a new cluster, and the very version that made it for an old one: a cluster can
// only be opened by its own major version.
func choose(all []binaries, dataDir string) (binaries, error) {
	made, err := os.ReadFile(filepath.Join(dataDir, "PG_VERSION")) //nolint:gosec // our own folder
	if errors.Is(err, os.ErrNotExist) {
		if len(all) == 0 {
			return binaries{}, errNoBinaries
		}
		return all[0], nil
	}
	if err != nil {
		return binaries{}, fmt.Errorf("read the version of the cluster: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(made)))
	if err != nil {
		return binaries{}, fmt.Errorf("read the version of the cluster in %s: %w", dataDir, err)
	}
	for _, b := range all {
		if b.major == major {
			return b, nil
		}
	}
	return binaries{}, fmt.Errorf("the cluster in %s was made by PostgreSQL %d, which is not installed: install it, or start over with a fresh cluster", dataDir, major)
}
