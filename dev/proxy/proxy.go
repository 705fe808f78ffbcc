// Package proxy is a TCP proxy that fails on command: the wire between two programs in fault tests. It knows bytes
// and connections, no protocol.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Mode says what happens to bytes that arrive from now on, on old and new connections alike.
type Mode string

// The modes.
const (
	// Pass forwards both ways.
	Pass Mode = "pass"
	// Refuse closes the listener and every connection: the other side is not running.
	Refuse Mode = "refuse"
	// Blackhole accepts and reads requests and forwards nothing: the request is lost and nobody says so.
	Blackhole Mode = "blackhole"
	// CutReplies forwards requests and drops what the target answers: it acted, and nobody hears of it.
	CutReplies Mode = "cut replies"
)

// Proxy forwards connections to one target. Its methods may be called from any goroutine.
type Proxy struct {
	target string
	life   context.Context // ends with Close
	end    context.CancelFunc

	mu       sync.Mutex
	mode     Mode
	addr     string
	listener net.Listener // nil in mode Refuse and after Close
	links    map[*link]struct{}
	lost     lost
	changed  chan struct{} // closed and replaced whenever lost changes
	running  sync.WaitGroup
}

// lost counts chunks of bytes that were read and thrown away since the mode was set.
type lost struct{ requests, replies int }

// New listens on listenAddr (host:port, port 0 picks one) and forwards to target in mode Pass. The target need not
// run yet. Close ends it.
// ctx gives it values only.
func New(ctx context.Context, listenAddr, target string) (*Proxy, error) {
	p := &Proxy{
		target: target, addr: listenAddr, mode: Refuse, links: map[*link]struct{}{}, changed: make(chan struct{}),
	}
	p.life, p.end = context.WithCancel(context.WithoutCancel(ctx))
	if err := p.SetMode(Pass); err != nil {
		p.end()
		return nil, err
	}
	return p, nil
}

// Addr is the address of the proxy as host:port. It stays the same in every mode.
func (p *Proxy) Addr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.addr
}

// SetMode changes what happens to bytes from now on and sets the counts of lost requests and replies to zero. Links
// on which bytes were lost are closed, all links when the new mode is Refuse. It fails when the port is gone after
// Refuse, when the proxy is closed, and for an unknown mode.
func (p *Proxy) SetMode(m Mode) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life.Err() != nil {
		return fmt.Errorf("proxy to %s is closed", p.target)
	}
	switch m {
	case Pass, Blackhole, CutReplies:
		if err := p.listen(); err != nil {
			return err
		}
	case Refuse:
		if err := p.hangUp(); err != nil {
			return err
		}
	default:
		return fmt.Errorf("proxy to %s: unknown mode %q", p.target, m)
	}
	p.mode = m
	p.lost = lost{}
	for l := range p.links {
		if l.torn() || m == Refuse {
			l.close()
		}
	}
	return nil
}

// listen starts to accept unless it already does.
func (p *Proxy) listen() error {
	if p.listener != nil {
		return nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(p.life, "tcp", p.addr)
	if err != nil {
		return fmt.Errorf("proxy to %s: %w", p.target, err)
	}
	p.listener, p.addr = l, l.Addr().String()
	p.running.Go(func() { p.accept(l) })
	return nil
}

// hangUp stops to accept.
func (p *Proxy) hangUp() error {
	if p.listener == nil {
		return nil
	}
	err := p.listener.Close()
	p.listener = nil
	if err != nil {
		return fmt.Errorf("proxy to %s: %w", p.target, err)
	}
	return nil
}

// Cut closes every live connection on both sides. New ones are treated as the mode says.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.close()
	}
}

// Close stops listening, cuts every connection and waits until nothing of the proxy runs any more.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.end()
	err := p.hangUp()
	for l := range p.links {
		l.close()
	}
	p.mu.Unlock()
	p.running.Wait()
	return err
}

// LostRequest waits until bytes of a client have been received and not forwarded since mode Blackhole was set. It
// returns the context's error if that does not happen.
func (p *Proxy) LostRequest(ctx context.Context) error {
	return p.await(ctx, "request", func(l lost) int { return l.requests })
}

// LostReply waits until bytes of the target have been received and dropped since mode CutReplies was set. It returns
// the context's error if that does not happen.
func (p *Proxy) LostReply(ctx context.Context) error {
	return p.await(ctx, "reply", func(l lost) int { return l.replies })
}

func (p *Proxy) await(ctx context.Context, what string, count func(lost) int) error {
	for {
		p.mu.Lock()
		n, changed := count(p.lost), p.changed
		p.mu.Unlock()
		if n > 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("proxy to %s: no lost %s seen: %w", p.target, what, ctx.Err())
		}
	}
}

// accept serves one listener until it is closed.
func (p *Proxy) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select {
			case <-time.After(10 * time.Millisecond): // out of descriptors: one may be free in a moment
				continue
			case <-p.life.Done():
				return
			}
		}
		p.running.Go(func() { p.serve(conn) })
	}
}
