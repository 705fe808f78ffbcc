package temporalserver

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/types/known/durationpb"

	"tillflow/dev/internal/port"
)

const (
	clusterName = "active"
	// retention is how long finished runs stay readable: long enough to look at yesterday's work, short enough for
	// a database file that nobody compacts.
	retention = 72 * time.Hour
)

// services are the four roles of a Temporal server in the order in which their ports are handed out.
func services() []primitives.ServiceName {
	return []primitives.ServiceName{
		primitives.FrontendService, primitives.HistoryService, primitives.MatchingService, primitives.WorkerService,
	}
}

// serverConfig describes one server with one shard, everything on ip. ports belong to services in the same order.
func serverConfig(ip string, ports []int, db *config.SQL) (*config.Config, map[primitives.ServiceName]static.Hosts) {
	frontend := port.Join(ip, ports[0])
	hosts := make(map[primitives.ServiceName]static.Hosts, len(ports))
	roles := make(map[string]config.Service, len(ports))
	for i, name := range services() {
		hosts[name] = static.SingleLocalHost(port.Join(ip, ports[i]))
		roles[string(name)] = config.Service{RPC: config.RPC{GRPCPort: ports[i], BindOnIP: ip}}
	}
	const off = "disabled"
	return &config.Config{
		Global: config.Global{
			Membership: config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: ip},
		},
		Persistence: config.Persistence{
			DefaultStore: sqliteplugin.PluginName, VisibilityStore: sqliteplugin.PluginName, NumHistoryShards: 1,
			DataStores: map[string]config.DataStore{sqliteplugin.PluginName: {SQL: db}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10, MasterClusterName: clusterName, CurrentClusterName: clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: frontend},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services:            roles,
		Archival: config.Archival{
			History: config.HistoryArchival{State: off}, Visibility: config.VisibilityArchival{State: off},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: off},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: off},
		}},
		PublicClient: config.PublicClient{HostPort: frontend},
	}, hosts
}

// database describes the SQLite store: a file, or for an empty path a store in memory that dies with the process.
//
// The server keeps one connection per distinct connection string open until the process ends, also after its stop.
// A second start in one process would find that old connection and, if the file was deleted in between, go on with
// the deleted one. So every start gets a string of its own through a pragma that SQLite does not know and therefore
// ignores.
func database(path string, attributes map[string]string) *config.SQL {
	start := "s" + rand.Text() // a name to SQLite, so no digit in front
	if path == "" {
		path = "tillflow_" + start
		attributes = map[string]string{"mode": "memory", "cache": "shared"}
	}
	attributes["tillflow_start"] = start
	path = (&url.URL{Path: path}).EscapedPath() // the plugin puts it into a URL as it is
	return &config.SQL{PluginName: sqliteplugin.PluginName, DatabaseName: path, ConnectAttributes: attributes}
}

// fileAttributes let readers work beside the one writer. A power cut may lose the last transactions but not the file.
func fileAttributes() map[string]string {
	return map[string]string{"mode": "rwc", "journal_mode": "wal", "synchronous": "normal"}
}

// prepare gives a new database file its tables. The file appears under its name only when it is complete, so that a
// start that was killed half-way leaves nothing behind that looks like a database.
func prepare(path string) error {
	if path == "" {
		return nil // the plugin creates the tables of a database in memory
	}
	_, err := os.Stat(path)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for the Temporal database: %w", err)
	}
	draft := path + ".new"
	// Journals that outlived a deleted database would be applied to the new one.
	for _, leftover := range []string{draft, draft + "-journal", path + "-wal", path + "-shm"} {
		if err := os.Remove(leftover); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what a deleted Temporal database left: %w", err)
		}
	}
	if err := sqlite.SetupSchema(database(draft, map[string]string{"mode": "rwc"})); err != nil {
		return fmt.Errorf("create the Temporal database %s: %w", path, err)
	}
	if err := os.Rename(draft, path); err != nil {
		return fmt.Errorf("create the Temporal database: %w", err)
	}
	return nil
}

// createNamespace registers the namespace with its search attributes; an existing one stays as it is.
func createNamespace(db *config.SQL, name string, attributes map[string]enumspb.IndexedValueType) error {
	ns, err := sqlite.NewNamespaceConfig(clusterName, name, false, attributes)
	if err != nil {
		return fmt.Errorf("describe namespace %s: %w", name, err)
	}
	ns.Detail.Config.Retention = durationpb.New(retention)
	if err := sqlite.CreateNamespaces(db, ns); err != nil {
		return fmt.Errorf("create namespace %s: %w", name, err)
	}
	return nil
}

// dynamicConfig returns the server's settings for development, overridden by name (case does not matter).
func dynamicConfig(overrides map[string]any) dynamicconfig.StaticClient {
	const unlimited = 100_000 // the defaults of a few thousand a second are meant for machines that share a cluster
	c := dynamicconfig.StaticClient{
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key():      true, // a new attribute is usable at once
		dynamicconfig.WorkflowTimeSkippingEnabled.Key():                  true, // FastForward
		dynamicconfig.MatchingEnableFairness.Key():                       true, // off by default; no shop starves another
		dynamicconfig.FrontendRPS.Key():                                  unlimited,
		dynamicconfig.FrontendMaxNamespaceRPSPerInstance.Key():           unlimited,
		dynamicconfig.FrontendPersistenceMaxQPS.Key():                    unlimited,
		dynamicconfig.HistoryRPS.Key():                                   unlimited,
		dynamicconfig.HistoryPersistenceMaxQPS.Key():                     unlimited,
		dynamicconfig.MatchingRPS.Key():                                  unlimited,
		dynamicconfig.MatchingPersistenceMaxQPS.Key():                    unlimited,
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): unlimited,
		// Twenty times a second by default, meant for the many shards of a cluster; this server has one.
		dynamicconfig.TimerProcessorMaxPollRPS.Key():      unlimited,
		dynamicconfig.TransferProcessorMaxPollRPS.Key():   unlimited,
		dynamicconfig.VisibilityProcessorMaxPollRPS.Key(): unlimited,
	}
	for name, value := range overrides {
		c[dynamicconfig.MakeKey(name)] = value
	}
	return c
}
