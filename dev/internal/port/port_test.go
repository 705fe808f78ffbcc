package port_test

import (
	"net"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/dev/internal/port"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	var taken *port.TakenError
	require.ErrorAs(t, port.Check(t.Context(), addr, "PostgreSQL", "DEV_PORT"), &taken)
	require.Equal(t, port.TakenError{Service: "PostgreSQL", Addr: addr, Setting: "DEV_PORT"}, *taken)
	require.EqualError(t, taken, "PostgreSQL cannot listen on "+addr+
		": another program uses that port; stop it or choose another port with DEV_PORT")
	require.NoError(t, l.Close())
	require.NoError(t, port.Check(t.Context(), addr, "PostgreSQL", "DEV_PORT"), "a free port stays free")

	err = port.Check(t.Context(), "192.0.2.1:80", "PostgreSQL", "")
	require.Error(t, err, "an address that is not this machine's")
	require.NotErrorAs(t, err, &taken)
}

func TestFree(t *testing.T) {
	t.Parallel()
	ports, err := port.Free(t.Context(), "127.0.0.1", 5)
	require.NoError(t, err)
	seen := map[int]bool{}
	for _, n := range ports {
		require.NoError(t, port.Check(t.Context(), port.Join("127.0.0.1", n), "test", ""))
		seen[n] = true
	}
	require.Len(t, seen, 5)
	runtime.GC()
	for n := range seen {
		kept, err := net.ListenPacket("udp", port.Join("127.0.0.1", n))
		if err == nil {
			require.NoError(t, kept.Close())
		}
		require.ErrorIs(t, err, syscall.EADDRINUSE, "another process would pick it too")
	}
	_, err = port.Free(t.Context(), "192.0.2.1", 1)
	require.Error(t, err)
}
