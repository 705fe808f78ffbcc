// Package port checks and picks TCP ports for the programs of the dev stack, which are configured with a port
// number and only complain about a taken one deep inside their own start.
package port

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// TakenError says that another program listens where ours should.
type TakenError struct {
	// Service is what wanted the port, in words: "PostgreSQL".
	Service string
	// Addr is the address that is in use, as host:port.
	Addr string
	// Setting is the name of the setting that chooses another port; empty if the caller has none.
	Setting string
}

// Error names the port and what to change.
func (e *TakenError) Error() string {
	change := "choose another port"
	if e.Setting != "" {
		change += " with " + e.Setting
	}
	return fmt.Sprintf("%s cannot listen on %s: another program uses that port; stop it or %s", e.Service, e.Addr, change)
}

// Check listens on ip:number for a moment. It returns a *TakenError, completed with service and setting, when
// somebody else does, and nil when the port is free now (a small window remains until it is really used).
func Check(ctx context.Context, addr, service, setting string) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return &TakenError{Service: service, Addr: addr, Setting: setting}
	}
	if err != nil {
		return fmt.Errorf("check %s for %s: %w", addr, service, err)
	}
	if err := l.Close(); err != nil {
		return fmt.Errorf("check %s for %s: %w", addr, service, err)
	}
	return nil
}

// The range from which free ports are picked. It lies below those that systems
// give to outgoing connections (from 32768 on Linux): such a port could be taken
// between the choice and its use, or while its server is down for a moment.
const lowest, highest = 15000, 32000

// Free returns n different ports that nobody listens on at ip. They are held open together while they are picked,
// so that no two are equal.
func Free(ctx context.Context, ip string, n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range 100 * n {
		if len(ports) == n {
			break
		}
		var random [2]byte
		_, _ = rand.Read(random[:]) // never fails, it ends the program instead
		number := lowest + int(binary.LittleEndian.Uint16(random[:]))%(highest-lowest)
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", Join(ip, number))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("pick a free port on %s: %w", ip, err)
		}
		defer l.Close() //nolint:errcheck // nothing was accepted, a failed close only delays the reuse
		ports = append(ports, number)
	}
	if len(ports) < n {
		return nil, fmt.Errorf("pick a free port on %s: nearly all from %d to %d are in use", ip, lowest, highest)
	}
	return ports, nil
}

// Join is net.JoinHostPort for a number.
func Join(ip string, number int) string {
	return net.JoinHostPort(ip, strconv.Itoa(number))
}
