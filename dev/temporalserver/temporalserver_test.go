package temporalserver_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"tillflow/dev/temporalserver"
)

const (
	namespace = "default"
	queue     = "test"
)

func start(t *testing.T, o temporalserver.Options) *temporalserver.Server {
	t.Helper()
	s, err := temporalserver.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

func dial(t *testing.T, s *temporalserver.Server) client.Client {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: s.FrontendAddr(), Namespace: namespace,
		Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, "%s: %s", url, body)
	return string(body)
}

// found tells whether exactly one workflow with this search attribute is listed.
func found(t *testing.T, c client.Client, query string) func() bool {
	t.Helper()
	return func() bool {
		res, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: query})
		return err == nil && len(res.GetExecutions()) == 1
	}
}

func TestStateSurvivesARestartOnTheSameFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "my clone? 100%41 #1", "temporal.db")
	require.NoError(t, os.Mkdir(filepath.Dir(file), 0o700))
	shop := temporal.NewSearchAttributeKeyKeyword("PayShop")
	const keyword = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	o := temporalserver.Options{
		DBFile: file, Headless: true, SearchAttributes: map[string]enumspb.IndexedValueType{"PayShop": keyword},
	}

	s := start(t, o)
	c := dial(t, s)
	w := worker.New(c, queue, worker.Options{})
	w.RegisterWorkflow(waitFor)
	require.NoError(t, w.Start())
	attributes := temporal.NewSearchAttributes(shop.ValueSet("one.myshopify.com"))
	started := func(id string, d time.Duration) client.WorkflowRun {
		r, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
			ID: id, TaskQueue: queue, TypedSearchAttributes: attributes,
		}, waitFor, d)
		require.NoError(t, err)
		return r
	}
	require.NoError(t, started("short", 10*time.Millisecond).Get(t.Context(), nil))
	started("long", time.Hour)
	const done, open = `PayShop = "one.myshopify.com" AND ExecutionStatus = "Completed"`,
		`PayShop = "one.myshopify.com" AND ExecutionStatus = "Running"`
	require.Eventually(t, found(t, c, done), 10*time.Second, 20*time.Millisecond)
	w.Stop()
	require.NoError(t, s.Stop())
	require.FileExists(t, file)
	require.NoError(t, s.Stop(), "a second stop is no error")

	o.SearchAttributes = map[string]enumspb.IndexedValueType{"PayShop": keyword, "PayNew": enumspb.INDEXED_VALUE_TYPE_BOOL}
	s = start(t, o)
	c = dial(t, s)
	require.Eventually(t, found(t, c, done), 10*time.Second, 20*time.Millisecond)
	require.Eventually(t, found(t, c, open), 10*time.Second, 20*time.Millisecond)
	require.Eventually(t, found(t, c, open+" AND PayNew IS NULL"), 10*time.Second, 20*time.Millisecond,
		"an attribute that the old file lacks is added")
	w = worker.New(c, queue, worker.Options{})
	w.RegisterWorkflow(waitFor)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	require.NoError(t, c.SignalWorkflow(t.Context(), "long", "", "stop", nil))
	require.NoError(t, c.GetWorkflow(t.Context(), "long", "").Get(t.Context(), nil), "an open run goes on")
}

func TestADeletedFileIsAFreshStart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "temporal.db")
	o := temporalserver.Options{DBFile: file, Headless: true}
	s := start(t, o)
	c := dial(t, s)
	_, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "lost", TaskQueue: queue}, waitFor, time.Hour)
	require.NoError(t, err)
	require.NoError(t, s.Stop())
	require.NoError(t, os.Remove(file))

	c = dial(t, start(t, o))
	_, err = c.DescribeWorkflowExecution(t.Context(), "lost", "")
	require.ErrorContains(t, err, "not found")
	require.FileExists(t, file)
}

func TestWebUI(t *testing.T) {
	t.Parallel()
	s := start(t, temporalserver.Options{CodecEndpoint: "http://127.0.0.1:9/codec"})
	require.Contains(t, get(t, s.UIURL()+"/"), "<html")
	var settings struct {
		DefaultNamespace string
		Codec            struct{ Endpoint string }
	}
	require.NoError(t, json.Unmarshal([]byte(get(t, s.UIURL()+"/api/v1/settings")), &settings))
	require.Equal(t, "http://127.0.0.1:9/codec", settings.Codec.Endpoint)
	require.Equal(t, namespace, settings.DefaultNamespace)
	require.Contains(t, get(t, s.UIURL()+"/api/v1/namespaces/"+namespace), `"259200s"`, "finished runs stay for 72 hours")

	t.Run("a path prefix serves the same pages", func(t *testing.T) {
		t.Parallel()
		s := start(t, temporalserver.Options{UIPublicPath: "/temporal"})
		require.Contains(t, get(t, s.UIURL()+"/"), "<html")
		require.Contains(t, get(t, s.UIURL()+"/api/v1/settings"), "Codec")
	})
}

func TestATakenPortIsNamedWithItsSetting(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	taken := l.Addr().(*net.TCPAddr).Port
	for setting, o := range map[string]temporalserver.Options{
		"DEV_TEMPORAL_PORT":    {Port: taken, PortSetting: "DEV_TEMPORAL_PORT"},
		"DEV_TEMPORAL_UI_PORT": {UIPort: taken, UIPortSetting: "DEV_TEMPORAL_UI_PORT"},
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			_, err := temporalserver.Start(t.Context(), o)
			require.ErrorContains(t, err, l.Addr().String())
			require.ErrorContains(t, err, setting)
		})
	}
}
