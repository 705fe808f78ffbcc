// Package history reads histories of workflows from a server and opens their
// sealed payloads: for tests that look into them and for the replay corpus.
package history

import (
	"context"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"tillflow/internal/config"
	"tillflow/internal/crypt"
)

// Run names one run of a workflow.
type Run struct{ Type, WorkflowID, RunID string }

// Runs lists all runs that a visibility query finds; an empty query finds all.
func Runs(ctx context.Context, c client.Client, query string) ([]Run, error) {
	var runs []Run
	req := &workflowservice.ListWorkflowExecutionsRequest{Query: query}
	for {
		resp, err := c.ListWorkflow(ctx, req)
		if err != nil {
			return nil, fmt.Errorf("list runs: %w", err)
		}
		for _, e := range resp.GetExecutions() {
			x := e.GetExecution()
			runs = append(runs, Run{Type: e.GetType().GetName(), WorkflowID: x.GetWorkflowId(), RunID: x.GetRunId()})
		}
		if req.NextPageToken = resp.GetNextPageToken(); len(req.GetNextPageToken()) == 0 {
			return runs, nil
		}
	}
}

// Fetch reads a run's whole history as the server has it.
func Fetch(ctx context.Context, c client.Client, run Run) (*historypb.History, error) {
	h := &historypb.History{}
	events := c.GetWorkflowHistory(ctx, run.WorkflowID, run.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", run.WorkflowID, err)
		}
		h.Events = append(h.Events, e)
	}
	return h, nil
}

// Codec is the one that sealed the payloads of a service with that configuration.
func Codec(c config.Config) (*crypt.Codec, error) {
	ring, err := crypt.ParseKeyring(c.PayloadKeys)
	if err != nil {
		return nil, fmt.Errorf("payload keys: %w", err)
	}
	return crypt.NewCodec(ring, crypt.CodecOptions{Namespace: c.TemporalNamespace, AllowPlain: true}), nil
}

// Open replaces every sealed payload of a history, also those inside failures
// and markers, by what was sealed. It answers how many payloads were sealed.
func Open(ctx context.Context, h *historypb.History, codec *crypt.Codec) (sealed int, err error) {
	err = proxy.VisitPayloads(ctx, h, proxy.VisitPayloadsOptions{
		SkipSearchAttributes: true, // never sealed
		Visitor: func(_ *proxy.VisitPayloadsContext, payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
			for _, p := range payloads {
				if string(p.GetMetadata()["encoding"]) == "binary/encrypted" {
					sealed++
				}
			}
			return codec.Decode(payloads)
		},
	})
	if err != nil {
		return sealed, fmt.Errorf("open payloads: %w", err)
	}
	return sealed, nil
}
