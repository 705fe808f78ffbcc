package chaoskill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"tillflow/dev/internal/port"
)

// liftLimit bounds how long a wire may take to become good again: a toxic that cannot be removed would make every
// later judgement worthless.
const liftLimit = 20 * time.Second

const localhost = "127.0.0.1"

// wire is the way of one process to one neighbour. Its strikes come one after the other.
type wire struct {
	addr  string // what the process dials
	proxy *toxiproxy.Proxy
	turn  chan struct{} // holds one token
}

// newWire listens on a port of its own and forwards to target.
func newWire(ctx context.Context, server *toxiproxy.ApiServer, name, target string) (*wire, error) {
	const tries = 5 // between the choice of a port and its use another program may have taken it
	var err error
	for range tries {
		var free []int
		if free, err = port.Free(ctx, localhost, 1); err != nil {
			return nil, err
		}
		addr := port.Join(localhost, free[0])
		w := &wire{addr: addr, proxy: toxiproxy.NewProxy(server, name, addr, target), turn: make(chan struct{}, 1)}
		w.turn <- struct{}{}
		if err = w.proxy.Start(); err == nil {
			return w, nil
		}
	}
	return nil, fmt.Errorf("wire %s: %w", name, err)
}

// newToxiproxy is what proxies share: no API, no metrics, no log of each connection.
func newToxiproxy() *toxiproxy.ApiServer {
	return toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
}

// fail breaks the wire for the strike's time and makes it good again. It answers when that is so.
func (w *wire) fail(ctx context.Context, s Strike) error {
	select {
	case <-w.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { w.turn <- struct{}{} }()
	if err := w.begin(s); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	wait(ctx, s.For)
	return w.lift(context.WithoutCancel(ctx))
}

// toxic is Toxiproxy's own form of a fault.
type toxic struct {
	Type       string         `json:"type"`
	Stream     string         `json:"stream"`
	Attributes map[string]any `json:"attributes"`
}

func (w *wire) begin(s Strike) error {
	const both = ""
	switch s.Fault {
	case Cut:
		w.proxy.Stop()
		return nil
	case Torn:
		return w.add("limit_data", "downstream", map[string]any{"bytes": s.Bytes})
	case Silent:
		return w.add("timeout", both, map[string]any{"timeout": 0})
	case Unheard:
		return w.add("timeout", "downstream", map[string]any{"timeout": 0})
	case Slow:
		return w.add("latency", both, map[string]any{"latency": 300, "jitter": 250})
	case KillAPI, KillWorker, KillRole, CrashPostgres, RestartTemporal, LoseTemporal:
	}
	return fmt.Errorf("%q is no fault of a wire", s.Fault)
}

// add poisons one direction, or both.
func (w *wire) add(kind, stream string, attributes map[string]any) error {
	streams := []string{stream}
	if stream == "" {
		streams = []string{"upstream", "downstream"}
	}
	for _, stream := range streams {
		body, err := json.Marshal(toxic{kind, stream, attributes})
		if err != nil {
			return err
		}
		if _, err := w.proxy.Toxics.AddToxicJson(bytes.NewReader(body)); err != nil {
			return err
		}
	}
	return nil
}

// lift makes the wire good. Connections on which bytes were thrown away end, slow ones go on.
func (w *wire) lift(ctx context.Context) error {
	lifted := make(chan error, 1)
	go func() {
		w.proxy.Toxics.ResetToxics(ctx)
		err := w.proxy.Start()
		if errors.Is(err, toxiproxy.ErrProxyAlreadyStarted) {
			err = nil
		}
		lifted <- err
	}()
	select {
	case err := <-lifted:
		if err != nil {
			return fmt.Errorf("wire %s: %w", w.proxy.Name, err)
		}
		return nil
	case <-time.After(liftLimit):
		return fmt.Errorf("wire %s does not become good again", w.proxy.Name)
	}
}

func (w *wire) close() { w.proxy.Stop() }

// wait lets time pass, or ends with ctx.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
