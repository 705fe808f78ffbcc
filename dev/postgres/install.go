package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// noCluster is a setting of Debian's packages. By default they create and start a cluster of their own on port 5432
// when they are installed, which nobody asked us for.
const (
	createClusterDir = "/etc/postgresql-common/createcluster.d"
	noClusterFile    = "tillflow-dev.conf"
	noCluster        = "create_main_cluster = false\n"
)

// brewFormula is the version that Homebrew installs; its formulas carry the major version in their name.
const brewFormula = "postgresql@17"

// installer installs PostgreSQL with the package manager of the machine. Its fields are the machine.
type installer struct {
	goos string
	root bool
	look func(program string) (string, error)
	run  func(ctx context.Context, argv []string) error
	say  func(format string, args ...any)
}

// thisMachine is the installer for the machine we run on. The package manager's output goes to nobody unless it
// fails; say tells what is being done.
func thisMachine(say func(format string, args ...any)) installer {
	return installer{goos: runtime.GOOS, root: os.Geteuid() == 0, look: exec.LookPath, run: runQuietly, say: say}
}

// install makes a server available or says in one line what a person has to install.
func (i installer) install(ctx context.Context) error {
	switch {
	case i.goos == "darwin" && i.has("brew"):
		i.say("PostgreSQL is not installed; installing %s with Homebrew", brewFormula)
		return i.run(ctx, []string{"brew", "install", brewFormula})
	case i.goos == "darwin":
		return fmt.Errorf("%w: install it with: brew install %s", errNoBinaries, brewFormula)
	case !i.has("apt-get"):
		return fmt.Errorf("%w: install the PostgreSQL server with your package manager", errNoBinaries)
	}
	var prefix []string
	if !i.root {
		prefix = []string{"sudo", "-n"}
		if !i.has("sudo") || i.run(ctx, append(slices.Clone(prefix), "true")) != nil {
			return fmt.Errorf("%w: install it with: sudo apt-get install postgresql", errNoBinaries)
		}
	}
	i.say("PostgreSQL is not installed; installing it with apt-get")
	return i.apt(ctx, prefix)
}

func (i installer) has(program string) bool {
	_, err := i.look(program)
	return err == nil
}

// apt installs the server without the cluster that the package would create and start. The setting lies in a file of
// our own beside the package's, so that dpkg sees no conflict, and is taken away again: what the machine's owner
// installs later is none of our business.
func (i installer) apt(ctx context.Context, prefix []string) (err error) {
	as := func(argv ...string) error { return i.run(ctx, append(slices.Clone(prefix), argv...)) }
	setting := filepath.Join(createClusterDir, noClusterFile)
	write := fmt.Sprintf("mkdir -p %s && printf %%s '%s' > %s", createClusterDir, noCluster, setting)
	if err := as("sh", "-c", write); err != nil {
		return fmt.Errorf("keep the package from creating a cluster: %w", err)
	}
	defer func() {
		// A cancelled installation must not leave the setting behind.
		argv := append(slices.Clone(prefix), "rm", "-f", setting)
		if rm := i.run(context.WithoutCancel(ctx), argv); rm != nil {
			err = errors.Join(err, fmt.Errorf("remove %s: %w", setting, rm))
		}
	}()
	if err := as("apt-get", "update"); err != nil {
		return fmt.Errorf("update the package lists: %w", err)
	}
	// Another installation may hold the lock, as after a boot.
	err = as("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=120",
		"install", "-y", "--no-install-recommends", "postgresql")
	if err != nil {
		return fmt.Errorf("install PostgreSQL: %w", err)
	}
	return nil
}

// runQuietly runs a program without input and keeps its output for the error.
func runQuietly(ctx context.Context, argv []string) error {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // fixed programs, see install
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, lastLines(out.String(), 5))
}

// lastLines returns the end of a program's output, where the reason of a failure is.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
