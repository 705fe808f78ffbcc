package proxy_test

import (
	"bufio"
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/dev/proxy"
)

// target answers every line with "re: " and the line, and keeps what it got.
type target struct {
	addr string
	mu   sync.Mutex
	got  []string
}

func (s *target) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.got...)
}

func (s *target) serve(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		s.mu.Lock()
		s.got = append(s.got, lines.Text())
		s.mu.Unlock()
		if _, err := conn.Write([]byte("re: " + lines.Text() + "\n")); err != nil {
			return
		}
	}
}

// setup starts a target and a proxy before it.
func setup(t *testing.T) (*target, *proxy.Proxy) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	s := &target{addr: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	p, err := proxy.New(t.Context(), "127.0.0.1:0", s.addr)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return s, p
}

// caller is one connection through the proxy.
type caller struct {
	net.Conn
	in *bufio.Reader
}

func call(t *testing.T, p *proxy.Proxy) caller {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return caller{Conn: conn, in: bufio.NewReader(conn)}
}

func (c caller) send(t *testing.T, line string) {
	t.Helper()
	_, err := c.Write([]byte(line + "\n"))
	require.NoError(t, err)
}

// reply waits at most d for a line; an error tells how the wait ended.
func (c caller) reply(t *testing.T, d time.Duration) (string, error) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(d)))
	line, err := c.in.ReadString('\n')
	return strings.TrimSpace(line), err
}

func (c caller) requireReply(t *testing.T, want string) {
	t.Helper()
	got, err := c.reply(t, 10*time.Second)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// requireSilence demands that the connection stays open and says nothing.
func (c caller) requireSilence(t *testing.T) {
	t.Helper()
	_, err := c.reply(t, 50*time.Millisecond)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

// requireClosed demands that the connection has ended.
func (c caller) requireClosed(t *testing.T) {
	t.Helper()
	_, err := c.reply(t, 10*time.Second)
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "still open")
}

func TestModes(t *testing.T) {
	t.Parallel()
	t.Run("pass forwards both ways and hands on the end of a direction", func(t *testing.T) {
		t.Parallel()
		s, p := setup(t)
		c := call(t, p)
		c.send(t, "one")
		c.requireReply(t, "re: one")
		c.send(t, "two")
		require.NoError(t, c.Conn.(*net.TCPConn).CloseWrite())
		c.requireReply(t, "re: two")
		c.requireClosed(t)
		require.Equal(t, []string{"one", "two"}, s.lines())
	})
	t.Run("refuse closes the listener and live connections, and the address comes back", func(t *testing.T) {
		t.Parallel()
		_, p := setup(t)
		c := call(t, p)
		c.send(t, "one")
		c.requireReply(t, "re: one")
		addr := p.Addr()
		require.NoError(t, p.SetMode(proxy.Refuse))
		c.requireClosed(t)
		_, err := net.Dial("tcp", addr)
		require.ErrorContains(t, err, "refused")
		require.NoError(t, p.SetMode(proxy.Pass))
		require.Equal(t, addr, p.Addr())
		c = call(t, p)
		c.send(t, "two")
		c.requireReply(t, "re: two")
	})
	t.Run("blackhole reads requests and forwards nothing", func(t *testing.T) {
		t.Parallel()
		s, p := setup(t)
		old := call(t, p)
		old.send(t, "one")
		old.requireReply(t, "re: one")
		for _, c := range []func() caller{func() caller { return old }, func() caller { return call(t, p) }} {
			require.NoError(t, p.SetMode(proxy.Blackhole)) // counts from zero
			c := c()
			c.send(t, "lost")
			require.NoError(t, p.LostRequest(t.Context()))
			c.requireSilence(t)
		}
		require.Equal(t, []string{"one"}, s.lines())
	})
	t.Run("connections that lost bytes are closed when the mode changes", func(t *testing.T) {
		t.Parallel()
		s, p := setup(t)
		untouched := call(t, p)
		untouched.send(t, "one")
		untouched.requireReply(t, "re: one")
		require.NoError(t, p.SetMode(proxy.Blackhole))
		c := call(t, p)
		c.send(t, "half of a requ")
		require.NoError(t, p.LostRequest(t.Context()))
		require.NoError(t, p.SetMode(proxy.Pass))
		c.requireClosed(t)
		untouched.send(t, "two")
		untouched.requireReply(t, "re: two")
		require.Equal(t, []string{"one", "two"}, s.lines())
	})
}

func TestLosses(t *testing.T) {
	t.Parallel()
	t.Run("cut replies lets the target act and drops its answers", func(t *testing.T) {
		t.Parallel()
		s, p := setup(t)
		c := call(t, p)
		require.NoError(t, p.SetMode(proxy.CutReplies))
		c.send(t, "charge")
		require.NoError(t, p.LostReply(t.Context()))
		c.requireSilence(t)
		c.send(t, "another one on the same connection")
		require.Eventually(t, func() bool { return len(s.lines()) == 2 }, 10*time.Second, time.Millisecond)
		p.Cut()
		c.requireClosed(t)
	})
	t.Run("a wait for a loss ends with its context", func(t *testing.T) {
		t.Parallel()
		_, p := setup(t)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, p.LostRequest(ctx), context.DeadlineExceeded)
		require.ErrorIs(t, p.LostReply(ctx), context.DeadlineExceeded)
	})
}

func TestCut(t *testing.T) {
	t.Parallel()
	_, p := setup(t)
	c := call(t, p)
	c.send(t, "one")
	c.requireReply(t, "re: one")
	p.Cut()
	c.requireClosed(t)
	c = call(t, p)
	c.send(t, "two")
	c.requireReply(t, "re: two")
}

func TestAnUnknownModeIsRefused(t *testing.T) {
	t.Parallel()
	_, p := setup(t)
	require.ErrorContains(t, p.SetMode("slow"), "slow")
}

func TestTargetIsDown(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	p, err := proxy.New(t.Context(), "127.0.0.1:0", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	call(t, p).requireClosed(t)
	require.NoError(t, p.SetMode(proxy.Blackhole))
	c := call(t, p)
	c.send(t, "hello")
	require.NoError(t, p.LostRequest(t.Context()))
	c.requireSilence(t)
}

func TestClose(t *testing.T) {
	t.Parallel()
	_, p := setup(t)
	c := call(t, p)
	c.send(t, "one")
	c.requireReply(t, "re: one")
	require.NoError(t, p.Close())
	c.requireClosed(t)
	require.ErrorContains(t, p.SetMode(proxy.Pass), "closed")
}
