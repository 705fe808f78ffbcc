package temporalserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"

	"tillflow/dev/internal/port"
)

// startUI serves the web UI and returns once it answers. The UI ends the whole process when it cannot listen, so
// its port has to be checked before.
func startUI(ctx context.Context, o Options, frontend string) (*uiserver.Server, error) {
	addr := port.Join(o.IP, o.UIPort)
	if err := port.Check(ctx, addr, "Temporal web UI", o.UIPortSetting); err != nil {
		return nil, err
	}
	cfg := &uiconfig.Config{
		TemporalGRPCAddress: frontend,
		Host:                o.IP,
		Port:                o.UIPort,
		PublicPath:          o.UIPublicPath,
		EnableUI:            true,
		DefaultNamespace:    o.Namespace,
		DisableNewsFetch:    true, // a dev stack calls nobody
		HideLogs:            true,
		// The UI is served without TLS on loopback, where a secure cookie would never come back.
		CORS:  uiconfig.CORS{CookieInsecure: true},
		Codec: uiconfig.Codec{Endpoint: o.CodecEndpoint},
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure the Temporal web UI: %w", err)
	}
	ui := uiserver.NewServer(server_options.WithConfigProvider(cfg))
	ended := make(chan error, 1)
	go func() { ended <- ui.Start() }()
	if err := awaitHTTP(ctx, "http://"+addr+o.UIPublicPath+"/healthz", ended); err != nil {
		ui.Stop()
		return nil, fmt.Errorf("start the Temporal web UI: %w", err)
	}
	return ui, nil
}

// awaitHTTP returns nil when url answers 200, and an error when the server behind it ended or ctx did.
func awaitHTTP(ctx context.Context, url string, ended <-chan error) error {
	client := http.Client{Timeout: time.Second}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := probe(ctx, &client, url)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: last answer: %w", ctx.Err(), err)
		case end := <-ended:
			return errors.Join(errors.New("it ended at once"), end)
		case <-tick.C:
		}
	}
}

func probe(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)); err != nil {
		return fmt.Errorf("read %s: %w", url, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ask %s: status %s", url, res.Status)
	}
	return nil
}
