package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// machine is an installer without a machine: it knows which programs there are and which commands fail.
type machine struct {
	installer
	ran  []string
	said []string
}

func newMachine(goos string, root bool, programs []string, failing ...string) *machine {
	m := &machine{}
	m.installer = installer{
		goos: goos, root: root,
		look: func(program string) (string, error) {
			for _, p := range programs {
				if p == program {
					return "/bin/" + p, nil
				}
			}
			return "", errors.New("not found")
		},
		run: func(_ context.Context, argv []string) error {
			line := strings.Join(argv, " ")
			m.ran = append(m.ran, line)
			for _, f := range failing {
				if strings.Contains(line, f) {
					return fmt.Errorf("%s failed", f)
				}
			}
			return nil
		},
		say: func(format string, args ...any) { m.said = append(m.said, fmt.Sprintf(format, args...)) },
	}
	return m
}

func TestInstall(t *testing.T) {
	t.Parallel()
	t.Run("root installs with apt-get and no cluster of the package's is made", func(t *testing.T) {
		t.Parallel()
		m := newMachine("linux", true, []string{"apt-get"})
		require.NoError(t, m.install(t.Context()))
		require.Len(t, m.said, 1)
		require.Len(t, m.ran, 4)
		require.Contains(t, m.ran[0], "create_main_cluster = false")
		require.Equal(t, "apt-get update", m.ran[1])
		require.Contains(t, m.ran[2], "install -y --no-install-recommends postgresql")
		require.Equal(t, "rm -f /etc/postgresql-common/createcluster.d/tillflow-dev.conf", m.ran[3])
	})
	t.Run("others install with sudo if it asks for no password", func(t *testing.T) {
		t.Parallel()
		m := newMachine("linux", false, []string{"apt-get", "sudo"})
		require.NoError(t, m.install(t.Context()))
		for _, line := range m.ran {
			require.True(t, strings.HasPrefix(line, "sudo -n "), line)
		}
	})
	t.Run("the setting is taken away again when the installation fails", func(t *testing.T) {
		t.Parallel()
		m := newMachine("linux", true, []string{"apt-get"}, "install -y")
		require.ErrorContains(t, m.install(t.Context()), "install PostgreSQL")
		require.Contains(t, m.ran[len(m.ran)-1], "rm -f")
	})
	t.Run("macOS installs with Homebrew", func(t *testing.T) {
		t.Parallel()
		m := newMachine("darwin", false, []string{"brew"})
		require.NoError(t, m.install(t.Context()))
		require.Equal(t, []string{"brew install " + brewFormula}, m.ran)
	})
	for rule, m := range map[string]*machine{
		"no sudo: one line that says what to type":              newMachine("linux", false, []string{"apt-get"}),
		"sudo wants a password: one line that says it":          newMachine("linux", false, []string{"apt-get", "sudo"}, "sudo -n true"),
		"no Homebrew: one line that says what to type":          newMachine("darwin", false, nil),
		"a distribution without apt-get: one line that says it": newMachine("linux", true, nil),
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			err := m.install(t.Context())
			require.ErrorIs(t, err, errNoBinaries)
			require.ErrorContains(t, err, "install")
			require.NotContains(t, err.Error(), "\n")
			require.Empty(t, m.said)
		})
	}
}

func TestRunQuietly(t *testing.T) {
	t.Parallel()
	require.NoError(t, runQuietly(t.Context(), []string{"true"}))
	err := runQuietly(t.Context(), []string{"sh", "-c", "seq 9; echo out of disk >&2; exit 3"})
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "out of disk")
	require.NotContains(t, err.Error(), "\n4\n", "only the end of the output")
}

// installed makes folders with programs that claim to be these versions.
func installed(t *testing.T, versions ...string) string {
	t.Helper()
	root := t.TempDir()
	for i, v := range versions {
		dir := filepath.Join(root, fmt.Sprint(i), "bin")
		require.NoError(t, os.MkdirAll(dir, 0o755))
		script := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s'\n", v)
		for _, program := range []string{"initdb", "postgres"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, program), []byte(script), 0o755))
		}
	}
	require.NoError(t, os.MkdirAll(filepath.Join(root, "client-only", "bin"), 0o755))
	return filepath.Join(root, "*", "bin")
}

func TestFind(t *testing.T) {
	t.Parallel()
	pattern := installed(t, "14.11", "98.2 (Debian 98.2-1)", "99.1", "99beta1", "nonsense")
	var majors []int
	for _, b := range find(t.Context(), []string{pattern, "/no/such/*/bin"}) {
		if b.major >= 90 { // this machine may have real ones
			majors = append(majors, b.major)
		}
	}
	require.Equal(t, []int{99, 99, 98}, majors, "newest first, nothing too old and nothing that is no server")
}

func TestChoose(t *testing.T) {
	t.Parallel()
	all := []binaries{{dir: "/17", major: 17}, {dir: "/15", major: 15}}
	cluster := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(cluster, "PG_VERSION"), []byte("15\n"), 0o600))

	got, err := choose(all, t.TempDir())
	require.NoError(t, err)
	require.Equal(t, 17, got.major, "a new cluster gets the newest")
	got, err = choose(all, cluster)
	require.NoError(t, err)
	require.Equal(t, 15, got.major, "an old cluster gets the version that made it")
	_, err = choose(all[:1], cluster)
	require.ErrorContains(t, err, "made by PostgreSQL 15, which is not installed")
	_, err = choose(nil, t.TempDir())
	require.ErrorIs(t, err, errNoBinaries)
}

func TestSharedDir(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root makes shared folders")
	}
	base := t.TempDir()
	require.NoError(t, sharedDir(filepath.Join(base, "new")))
	require.NoError(t, sharedDir(filepath.Join(base, "new")), "its own folder is used again")
	require.NoError(t, os.Symlink(base, filepath.Join(base, "link")))
	require.Error(t, sharedDir(filepath.Join(base, "link")), "a link may lead anywhere")
	require.NoError(t, os.Mkdir(filepath.Join(base, "open"), 0o700))
	require.NoError(t, os.Chmod(filepath.Join(base, "open"), 0o777))
	require.Error(t, sharedDir(filepath.Join(base, "open")))
	require.NoError(t, os.Mkdir(filepath.Join(base, "theirs"), 0o700))
	require.NoError(t, os.Chown(filepath.Join(base, "theirs"), 1234, 1234))
	require.Error(t, sharedDir(filepath.Join(base, "theirs")))
}
