package history_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/sdk/client"

	"tillflow/dev/e2e/history"
	"tillflow/internal/config"
	"tillflow/internal/crypt"
)

func codec(t *testing.T) *crypt.Codec {
	t.Helper()
	key := "k1:" + base64.StdEncoding.EncodeToString(make([]byte, 32))
	c, err := history.Codec(config.Config{PayloadKeys: crypt.Secret(key), TemporalNamespace: "default"})
	require.NoError(t, err)
	return c
}

// run is a history with a sealed input, a sealed failure, and a machine's name in three places.
func run(t *testing.T, c *crypt.Codec) *historypb.History {
	t.Helper()
	seal := func(text string) *commonpb.Payload {
		sealed, err := c.Encode([]*commonpb.Payload{{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(text)}})
		require.NoError(t, err)
		return sealed[0]
	}
	return &historypb.History{Events: []*historypb.HistoryEvent{
		{
			EventId: 1, EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
			Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{
				WorkflowType: &commonpb.WorkflowType{Name: "Charge"}, TaskQueue: &taskqueuepb.TaskQueue{Name: "payments"},
				Input: &commonpb.Payloads{Payloads: []*commonpb.Payload{seal(`"input"`)}}, Identity: "7@machine",
			}},
		},
		{
			EventId: 2, EventType: enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
			Attributes: &historypb.HistoryEvent_WorkflowTaskScheduledEventAttributes{WorkflowTaskScheduledEventAttributes: &historypb.WorkflowTaskScheduledEventAttributes{
				TaskQueue: &taskqueuepb.TaskQueue{Name: "machine:1", NormalName: "payments"},
			}},
		},
		{
			EventId: 3, EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED,
			Attributes: &historypb.HistoryEvent_ActivityTaskFailedEventAttributes{ActivityTaskFailedEventAttributes: &historypb.ActivityTaskFailedEventAttributes{
				Failure: &failurepb.Failure{Message: "Encoded failure", EncodedAttributes: seal(`{"message":"why"}`)}, Identity: "7@machine",
			}},
		},
	}}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	c := codec(t)
	h := run(t, c)
	raw, err := h.Marshal()
	require.NoError(t, err)
	require.NotContains(t, string(raw), "input")
	sealed, err := history.Open(t.Context(), h, c)
	require.NoError(t, err)
	require.Equal(t, 2, sealed)
	started := h.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes()
	require.Equal(t, `"input"`, string(started.GetInput().GetPayloads()[0].GetData()))
	failed := h.GetEvents()[2].GetActivityTaskFailedEventAttributes()
	require.JSONEq(t, `{"message":"why"}`, string(failed.GetFailure().GetEncodedAttributes().GetData()))
}

func TestSave(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "Charge", "a.json")
	require.NoError(t, history.Save(run(t, codec(t)), path))
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	read, err := client.HistoryFromJSON(file, client.HistoryJSONOptions{})
	require.NoError(t, err, "the replayer reads it")
	require.Len(t, read.GetEvents(), 3)
	started := read.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes()
	require.Equal(t, "recorder", started.GetIdentity())
	require.Equal(t, "payments", started.GetTaskQueue().GetName())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, string(text), "machine")
}
