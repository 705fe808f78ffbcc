package chaoskill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// front is the load balancer before the apis: it gives each connection to the next one that takes it. It knows bytes
// only, since the apis end TLS themselves.
type front struct {
	listener net.Listener
	targets  []string
	next     atomic.Uint64
	running  sync.WaitGroup
	life     context.Context // ends with close
	end      context.CancelFunc
}

// newFront listens on addr. ctx gives it values only.
func newFront(ctx context.Context, addr string, targets []string) (*front, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen before the apis: %w", err)
	}
	f := &front{listener: l, targets: targets}
	f.life, f.end = context.WithCancel(context.WithoutCancel(ctx))
	f.running.Go(f.accept)
	return f, nil
}

func (f *front) accept() {
	for {
		client, err := f.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			wait(f.life, 10*time.Millisecond) // out of descriptors: one may be free in a moment
			continue
		}
		f.running.Go(func() { f.serve(client) })
	}
}

// serve moves bytes until either side ends, or the front does.
func (f *front) serve(client net.Conn) {
	defer client.Close() //nolint:errcheck // the other side sees it closed or not: both are faults
	target, ok := f.dial()
	if !ok {
		return // nobody is there: the client sees its connection closed
	}
	defer target.Close() //nolint:errcheck // as above
	ended := context.AfterFunc(f.life, func() { _, _ = client.Close(), target.Close() })
	defer ended()
	var both sync.WaitGroup
	both.Go(func() { pump(target, client) })
	both.Go(func() { pump(client, target) })
	both.Wait()
}

// dial asks the apis in turn, beginning with the next one.
func (f *front) dial() (net.Conn, bool) {
	dialer := net.Dialer{Timeout: time.Second}
	first := f.next.Add(1)
	for n := range uint64(len(f.targets)) {
		conn, err := dialer.DialContext(f.life, "tcp", f.targets[(first+n)%uint64(len(f.targets))])
		if err == nil {
			return conn, true
		}
	}
	return nil, false
}

// pump copies one direction. When it ends the other one has nothing to wait for: the service speaks HTTP only.
func pump(to, from net.Conn) {
	_, _ = io.Copy(to, from) // a broken side is what a balancer is there for
	_, _ = to.Close(), from.Close()
}

func (f *front) close() {
	f.end()
	_ = f.listener.Close() // no longer wanted, whatever it says
	f.running.Wait()
}
