package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// dialLimit bounds the wait for the target.
const dialLimit = 5 * time.Second

// link is one client connection and its twin at the target, which is missing while nothing may be forwarded.
type link struct {
	client, target net.Conn
	// noRequests and noReplies are set when bytes of that direction were thrown away. It cannot be forwarded any
	// further: what follows would be taken for something else.
	noRequests, noReplies bool
}

func (l *link) torn() bool { return l.noRequests || l.noReplies }

func (l *link) close() {
	_ = l.client.Close() // whoever cuts a wire has nobody to tell about it
	if l.target != nil {
		_ = l.target.Close()
	}
}

// serve moves bytes between one client and the target until one of them ends.
func (p *Proxy) serve(client net.Conn) {
	l := &link{client: client}
	defer p.drop(l)
	mode, ok := p.add(l)
	if !ok {
		return
	}
	if mode == Blackhole {
		pump(client, nil, func() bool { return p.passRequest(l) })
		return
	}
	dialer := net.Dialer{Timeout: dialLimit}
	target, err := dialer.DialContext(p.life, "tcp", p.target)
	if err != nil {
		return // nobody is there: the client sees its connection closed
	}
	if !p.join(l, target) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { pump(client, target, func() bool { return p.passRequest(l) }) })
	both.Go(func() { pump(target, client, func() bool { return p.passReply(l) }) })
	both.Wait()
}

// pump reads from one side until it ends and writes what pass lets through to the other. An orderly end is handed on
// as such, so that protocols that close one direction first keep working; a broken side breaks the other.
func pump(from, to net.Conn, pass func() bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && pass() {
			if _, werr := to.Write(buf[:n]); werr != nil {
				_ = from.Close()
				return
			}
		}
		if err == nil {
			continue
		}
		half, ok := to.(*net.TCPConn)
		if errors.Is(err, io.EOF) && ok {
			_ = half.CloseWrite() // fails only when the connection is gone already
			return
		}
		_ = from.Close()
		if ok {
			_ = half.Close()
		}
		return
	}
}

// add registers a link and returns the mode that it starts in; false when the proxy no longer serves.
func (p *Proxy) add(l *link) (Mode, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil {
		return Refuse, false
	}
	l.noRequests = p.mode == Blackhole // it has no twin, so it can never be forwarded
	p.links[l] = struct{}{}
	return p.mode, true
}

// join gives a link its twin; false when the proxy stopped to serve in the meantime.
func (p *Proxy) join(l *link, target net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.target = target
	return p.listener != nil
}

func (p *Proxy) drop(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.close()
	delete(p.links, l)
}

// passRequest decides about bytes that a client sent.
func (p *Proxy) passRequest(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode != Blackhole {
		return !l.noRequests
	}
	l.noRequests = true
	p.lost.requests++
	p.announce()
	return false
}

// passReply decides about bytes that the target sent. In mode Blackhole they answer a request from before, and are
// lost as well.
func (p *Proxy) passReply(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode != Blackhole && p.mode != CutReplies {
		return !l.noReplies
	}
	l.noReplies = true
	p.lost.replies++
	p.announce()
	return false
}

// announce wakes those who wait for a loss.
func (p *Proxy) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}
