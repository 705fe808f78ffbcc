package chaoskill

import (
	"bufio"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// echo answers every line with itself.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", localhost+":0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	return l.Addr().String()
}

// caller is one connection to an echo.
type caller struct {
	net.Conn
	lines *bufio.Reader
}

func call(t *testing.T, addr string) *caller {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &caller{conn, bufio.NewReader(conn)}
}

// says sends a line and answers what comes back within a while.
func (c *caller) says(line string, within time.Duration) (string, error) {
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	return c.lines.ReadString('\n')
}

func (c *caller) heard(t *testing.T, line string) {
	t.Helper()
	got, err := c.says(line, 10*time.Second)
	require.NoError(t, err)
	require.Equal(t, line+"\n", got)
}

func (c *caller) unheard(t *testing.T) {
	t.Helper()
	_, err := c.says("lost", 300*time.Millisecond)
	require.Error(t, err)
}

// breaks begins a fault on a fresh wire and answers the end of it.
func breaks(t *testing.T, f Fault, s Strike) (*wire, *caller, func()) {
	t.Helper()
	w, err := newWire(t.Context(), newToxiproxy(), "test", echo(t))
	require.NoError(t, err)
	t.Cleanup(w.close)
	c := call(t, w.addr)
	c.heard(t, "before")
	s.Fault = f
	require.NoError(t, w.begin(s))
	return w, c, func() {
		t.Helper()
		require.NoError(t, w.lift(t.Context()))
		call(t, w.addr).heard(t, "after")
	}
}

func TestWire(t *testing.T) {
	t.Parallel()
	t.Run("cut: connections end and new ones are refused", func(t *testing.T) {
		t.Parallel()
		w, c, lift := breaks(t, Cut, Strike{})
		c.unheard(t)
		_, err := net.DialTimeout("tcp", w.addr, time.Second)
		require.Error(t, err)
		lift()
	})
	t.Run("torn: an answer ends in the middle", func(t *testing.T) {
		t.Parallel()
		w, _, lift := breaks(t, Torn, Strike{Bytes: 6})
		c := call(t, w.addr)
		c.heard(t, "four")
		got, err := c.says("another", 5*time.Second)
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, "a", got)
		lift()
	})
	t.Run("silent and unheard: nothing comes back, and the connection is of no use afterwards", func(t *testing.T) {
		t.Parallel()
		for _, f := range []Fault{Silent, Unheard} {
			_, c, lift := breaks(t, f, Strike{})
			c.unheard(t)
			lift()
			c.unheard(t)
		}
	})
	t.Run("slow: everything comes, late, and the connection goes on", func(t *testing.T) {
		t.Parallel()
		_, c, lift := breaks(t, Slow, Strike{})
		began := time.Now()
		c.heard(t, "slowly")
		require.Greater(t, time.Since(began), 100*time.Millisecond)
		lift()
		c.heard(t, "again")
	})
	t.Run("a wire that nobody uses is lifted too", func(t *testing.T) {
		t.Parallel()
		w, err := newWire(t.Context(), newToxiproxy(), "test", echo(t))
		require.NoError(t, err)
		t.Cleanup(w.close)
		for _, f := range []Fault{Cut, Torn, Silent, Unheard, Slow} {
			require.NoError(t, w.fail(t.Context(), Strike{Fault: f, For: time.Millisecond}))
			call(t, w.addr).heard(t, "after")
		}
		require.Error(t, w.begin(Strike{Fault: KillAPI}))
	})
}

func TestFront(t *testing.T) {
	t.Parallel()
	gone, err := net.Listen("tcp", localhost+":0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	f, err := newFront(t.Context(), localhost+":0", []string{gone.Addr().String(), echo(t)})
	require.NoError(t, err)
	addr := f.listener.Addr().String()
	open := call(t, addr)
	for range 4 {
		call(t, addr).heard(t, "an api that is gone is passed over")
	}
	open.heard(t, "still there")
	f.close()
	_, err = open.says("over", time.Second)
	require.Error(t, err)

	none, err := newFront(t.Context(), localhost+":0", []string{gone.Addr().String()})
	require.NoError(t, err)
	t.Cleanup(none.close)
	_, err = call(t, none.listener.Addr().String()).says("nobody", time.Second)
	require.Error(t, err)
}

func TestWait(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wait(ctx, time.Hour)
	require.ErrorIs(t, ctx.Err(), context.Canceled)
}
