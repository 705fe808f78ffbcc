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

// Free returns n different ports that nobody listens on at ip, and keeps them for this process: until it ends, no
// process that picks its ports here gets one of them, though nobody may listen there yet or for a while. What keeps a
// port is a UDP socket of the same number, which ends with the process and is seen by just those who could collide.
func Free(ctx context.Context, ip string, n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range 100 * n {
		if len(ports) == n {
			break
		}
		var random [2]byte
		_, _ = rand.Read(random[:]) // never fails, it ends the program instead
		number := lowest + int(binary.LittleEndian.Uint16(random[:]))%(highest-lowest)
		free, err := keep(ctx, Join(ip, number))
		if err != nil {
			return nil, fmt.Errorf("pick a free port on %s: %w", ip, err)
		}
		if free {
			ports = append(ports, number)
		}
	}
	if len(ports) < n {
		return nil, fmt.Errorf("pick a free port on %s: nearly all from %d to %d are in use", ip, lowest, highest)
	}
	return ports, nil
}

// keep tells whether nobody has addr, and has it from then on.
func keep(ctx context.Context, addr string) (bool, error) {
	var lc net.ListenConfig
	kept, err := lc.ListenPacket(ctx, "udp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("keep %s: %w", addr, err)
	}
	var taken *TakenError
	if err := Check(ctx, addr, "", ""); err != nil {
		if errors.As(err, &taken) {
			err = nil
		}
		return false, errors.Join(err, kept.Close())
	}
	go discard(kept)
	return true, nil
}

// discard holds on to a socket, which the garbage collector would close.
func discard(c net.PacketConn) {
	var b [1]byte
	for {
		if _, _, err := c.ReadFrom(b[:]); errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// Join is net.JoinHostPort for a number.
func Join(ip string, number int) string {
	return net.JoinHostPort(ip, strconv.Itoa(number))
}
