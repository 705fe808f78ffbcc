package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// owner is the system user that the server's processes run as. PostgreSQL refuses to run as root, so root lends it
// an unprivileged user; everybody else runs it as themselves.
type owner struct {
	name     string
	uid, gid uint32
	lent     bool // we are root and become somebody else
}

// ownerOf returns who owns the cluster in data. If there is none yet, root picks the user of Debian's package, else
// nobody.
func ownerOf(data string) (owner, error) {
	if os.Geteuid() != 0 {
		return owner{name: "this user"}, nil
	}
	if info, err := os.Stat(data); err == nil {
		sys, ok := info.Sys().(*syscall.Stat_t)
		if ok && sys.Uid != 0 {
			return owner{name: "number " + strconv.Itoa(int(sys.Uid)), uid: sys.Uid, gid: sys.Gid, lent: true}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return owner{}, fmt.Errorf("user id of %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return owner{}, fmt.Errorf("group id of %s: %w", name, err)
		}
		return owner{name: name, uid: uint32(uid), gid: uint32(gid), lent: true}, nil
	}
	return owner{}, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody")
}

// command prepares a program that runs as the owner, with nothing of our environment and in a folder that everybody
// may enter. It gets a process group of its own: Ctrl-C in the terminal is for us, and we stop the server after the
// programs that use it.
func (o owner) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // the server's own programs
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if o.lent {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: o.uid, Gid: o.gid}
	}
	return cmd
}

// give makes path belong to the owner.
func (o owner) give(path string) error {
	if !o.lent {
		return nil
	}
	return os.Lchown(path, int(o.uid), int(o.gid))
}

// reaches tells whether the owner can enter dir. Permissions of every folder above count, so the question is put to
// the system and not computed.
func (o owner) reaches(ctx context.Context, dir string) (bool, error) {
	if !o.lent {
		return true, nil
	}
	var out bytes.Buffer
	cmd := o.command(ctx, "/bin/sh", "-c", `cd "$0"`, dir)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask whether %s reaches %s: %w", o.name, dir, err)
	}
	return true, nil
}

// home returns the folder for the cluster's data: data in dir, or a folder under /var/lib when the owner cannot
// reach dir (a clone under /root). Its name follows from dir, so that the next start finds it again.
func (o owner) home(ctx context.Context, dir string) (string, error) {
	ok, err := o.reaches(ctx, dir)
	if err != nil {
		return "", err
	}
	if ok {
		return filepath.Join(dir, "data"), nil
	}
	sum := sha256.Sum256([]byte(dir))
	var failed error
	for _, base := range []string{"/var/lib/tillflow-dev", filepath.Join(os.TempDir(), "tillflow-dev")} {
		if err := sharedDir(base); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		ok, err := o.reaches(ctx, base)
		if err != nil {
			return "", err
		}
		if ok {
			return filepath.Join(base, hex.EncodeToString(sum[:8])), nil
		}
		failed = errors.Join(failed, fmt.Errorf("%s cannot enter %s", o.name, base))
	}
	return "", fmt.Errorf("find a place for the cluster that %s can reach: %w", o.name, failed)
}

// sharedDir makes a folder that only root may change. One that somebody else prepared is refused: under a temporary
// folder anybody could have.
func sharedDir(path string) error {
	err := os.Mkdir(path, 0o711) //nolint:gosec // others only pass through
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make a place for clusters: %w", err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("make a place for clusters: %w", err)
	}
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || sys.Uid != 0 || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is not a folder of root's that only root may change", path)
	}
	return os.Chmod(path, 0o711) //nolint:gosec // the creation mask may have taken the x away
}
