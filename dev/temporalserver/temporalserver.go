// Package temporalserver runs a whole Temporal server with its web UI inside the calling process, on one SQLite
// file: the orchestrator of the dev stack and of the end-to-end tests. It is not for production.
//
// A database file belongs to the server version that made it; there is no migration. Delete the file (with its
// -wal and -shm neighbours) when the version in go.mod changes.
package temporalserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/rs/zerolog"
	uiserver "github.com/temporalio/ui-server/v2/server"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/temporal"

	"tillflow/dev/internal/port"
)

const (
	defaultIP = "127.0.0.1"
	// startLimit bounds a start whose context has no deadline. A start takes about one second.
	startLimit = time.Minute
)

// Options say where the server listens and what it keeps. The zero value is an in-memory server on free ports.
type Options struct {
	// IP is the address to listen on; empty means 127.0.0.1. There is no authentication: keep it on loopback.
	IP string
	// Port is the gRPC port of the frontend; 0 picks a free one.
	Port int
	// UIPort is the port of the web UI; 0 picks a free one.
	UIPort int
	// PortSetting and UIPortSetting name the settings by which a person changes the ports. A taken port's error
	// mentions them.
	PortSetting, UIPortSetting string
	// DBFile is the SQLite file, created when it does not exist; empty keeps everything in memory.
	DBFile string
	// Namespace is created when it does not exist, with a retention of 72 hours; empty means "default".
	Namespace string
	// SearchAttributes must exist in the namespace; the missing ones are added, also to an old file.
	SearchAttributes map[string]enumspb.IndexedValueType
	// DynamicConfig overrides the server's dynamic settings by name.
	DynamicConfig map[string]any
	// Headless starts no web UI.
	Headless bool
	// UIPublicPath is the path prefix of the web UI behind a proxy, such as "/temporal"; empty means none.
	UIPublicPath string
	// CodecEndpoint is the URL at which the browser decodes payloads; empty means they are shown as stored.
	CodecEndpoint string
	// Log takes the server's records; its level decides which. The zero value drops all of them.
	Log *zerolog.Logger
}

// Server is a running Temporal server. Its methods may be called from any goroutine.
type Server struct {
	opts     Options // complete: no empty field has a meaning of its own any more
	temporal temporal.Server
	ui       *uiserver.Server // nil when headless
	stop     func() error
}

// Start runs a server and returns when its frontend answers for the namespace and its UI serves pages. ctx bounds
// the start only, and a start takes at most a minute. A taken port is reported as *port.TakenError.
func Start(ctx context.Context, o Options) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	ports, err := o.complete(ctx)
	if err != nil {
		return nil, err
	}
	if err := port.Check(ctx, port.Join(o.IP, o.Port), "Temporal", o.PortSetting); err != nil {
		return nil, err
	}
	if err := prepare(o.DBFile); err != nil {
		return nil, err
	}
	db := database(o.DBFile, fileAttributes())
	if err := createNamespace(db, o.Namespace, o.SearchAttributes); err != nil {
		return nil, err
	}
	server, err := newServer(o, ports, db)
	if err != nil {
		return nil, err
	}
	s := &Server{opts: o, temporal: server}
	s.stop = sync.OnceValue(s.halt)
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// open starts the parts one after the other; the caller stops what was started when it fails.
func (s *Server) open(ctx context.Context) error {
	if err := s.temporal.Start(); err != nil {
		return fmt.Errorf("start the Temporal server: %w", err)
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	if s.opts.Headless {
		return nil
	}
	ui, err := startUI(ctx, s.opts, s.FrontendAddr())
	if err != nil {
		return err
	}
	s.ui = ui
	return nil
}

// Stop ends the UI and the server, and returns when the database is at rest. Workflows stay as they are and go on
// when a server starts on the same file. A second call returns what the first one did.
func (s *Server) Stop() error { return s.stop() }

func (s *Server) halt() error {
	if s.ui != nil {
		s.ui.Stop()
	}
	if err := s.temporal.Stop(); err != nil {
		return fmt.Errorf("stop the Temporal server: %w", err)
	}
	return nil
}

// FrontendAddr is what a client dials, as host:port.
func (s *Server) FrontendAddr() string { return port.Join(s.opts.IP, s.opts.Port) }

// UIURL is the address of the web UI for a browser; empty when the server is headless.
func (s *Server) UIURL() string {
	if s.opts.Headless {
		return ""
	}
	return "http://" + port.Join(s.opts.IP, s.opts.UIPort) + s.opts.UIPublicPath
}

// complete fills in the defaults and returns the gRPC ports of the four services.
func (o *Options) complete(ctx context.Context) ([]int, error) {
	if o.IP == "" {
		o.IP = defaultIP
	}
	if o.Namespace == "" {
		o.Namespace = client.DefaultNamespace
	}
	if o.Log == nil {
		nop := zerolog.Nop()
		o.Log = &nop
	}
	free, err := port.Free(ctx, o.IP, len(services())+1)
	if err != nil {
		return nil, err
	}
	if o.Port != 0 {
		free[0] = o.Port
	}
	o.Port = free[0]
	if o.UIPort == 0 {
		o.UIPort = free[len(free)-1]
	}
	return free[:len(free)-1], nil
}

func newServer(o Options, ports []int, db *config.SQL) (temporal.Server, error) {
	cfg, hosts := serverConfig(o.IP, ports, db)
	server, err := temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(hosts),
		temporal.WithLogger(serverLog{l: *o.Log}),
		temporal.WithDynamicConfigClient(dynamicConfig(o.DynamicConfig)),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper {
			return authorization.NewNoopClaimMapper()
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("build the Temporal server: %w", err)
	}
	return server, nil
}

// ready returns when the frontend answers for the namespace, and adds the search attributes that an old file lacks.
func (s *Server) ready(ctx context.Context) error {
	c, err := client.DialContext(ctx, client.Options{
		HostPort: s.FrontendAddr(), Namespace: s.opts.Namespace,
		Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return fmt.Errorf("reach the Temporal server: %w", err)
	}
	defer c.Close()
	have, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{
		Namespace: s.opts.Namespace,
	})
	if err != nil {
		return fmt.Errorf("read the search attributes of namespace %s: %w", s.opts.Namespace, err)
	}
	missing := maps.Clone(s.opts.SearchAttributes)
	maps.DeleteFunc(missing, func(name string, want enumspb.IndexedValueType) bool {
		return have.GetCustomAttributes()[name] == want
	})
	if len(missing) == 0 {
		return nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: s.opts.Namespace, SearchAttributes: missing,
	})
	if err != nil {
		return fmt.Errorf("add search attributes to namespace %s: %w", s.opts.Namespace, err)
	}
	return nil
}
