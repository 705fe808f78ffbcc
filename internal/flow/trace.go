package flow

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"tillflow/internal/payment"
	"tillflow/internal/privacy"
)

// Tracer reads histories of our own runs, to look for a person in them.
type Tracer struct {
	runs  *Runs
	codec converter.PayloadCodec
}

// NewTracer gives a Tracer that opens payloads with the codec.
func NewTracer(r *Runs, codec converter.PayloadCodec) *Tracer { return &Tracer{r, codec} }

// SearchHistories looks for a person in every history that Temporal still keeps
// of the runs that are named: as the server has it, and once more with its
// payloads opened. Where holds workflow ids, which name nobody.
func (t *Tracer) SearchHistories(ctx context.Context, runs privacy.Runs, m *privacy.Matcher, beat func() error) (privacy.Place, error) {
	place := privacy.Place{Name: "histories"}
	searched, events := 0, 0
	for _, query := range queries(runs) {
		err := t.each(ctx, query, func(run *commonpb.WorkflowExecution) error {
			h, err := t.history(ctx, run)
			if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
				return nil // its retention has ended meanwhile
			}
			if err != nil {
				return err
			}
			found, err := t.search(ctx, h, m)
			if err != nil {
				return err
			}
			searched, events = searched+1, events+len(h.GetEvents())
			if found {
				place.Found++
				place.Where = append(place.Where, run.GetWorkflowId())
			}
			return beat()
		})
		if err != nil {
			return place, wrap("search histories", err)
		}
	}
	place.Searched = strconv.Itoa(searched) + " histories with " + strconv.Itoa(events) + " events"
	return place, nil
}

// queries select the runs: those of a shop at once, those of a person by their ids.
func queries(runs privacy.Runs) []string {
	if runs.Shop != "" {
		return []string{fmt.Sprintf("PayShop = %q", runs.Shop)}
	}
	list := make([]string, len(runs.Traces))
	for i, trace := range runs.Traces {
		list[i] = fmt.Sprintf("WorkflowId = %q", traceID(trace))
	}
	return list
}

func traceID(t privacy.Trace) string {
	if t.Op == opErasure {
		return ErasureID(t.Shop, t.ExternalRef)
	}
	return MoveID(payment.MoveRef{Kind: payment.Operation(t.Op), Source: t.Source, Shop: t.Shop, ExternalRef: t.ExternalRef})
}

func (t *Tracer) each(ctx context.Context, query string, do func(*commonpb.WorkflowExecution) error) error {
	req := &workflowservice.ListWorkflowExecutionsRequest{Query: query}
	for {
		resp, err := t.runs.client.ListWorkflow(ctx, req)
		if err != nil {
			return err
		}
		for _, e := range resp.GetExecutions() {
			if err := do(e.GetExecution()); err != nil {
				return err
			}
		}
		if req.NextPageToken = resp.GetNextPageToken(); len(req.GetNextPageToken()) == 0 {
			return nil
		}
	}
}

func (t *Tracer) history(ctx context.Context, run *commonpb.WorkflowExecution) (*historypb.History, error) {
	h := &historypb.History{}
	events := t.runs.client.GetWorkflowHistory(ctx, run.GetWorkflowId(), run.GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return nil, err
		}
		h.Events = append(h.Events, e)
	}
	return h, nil
}

func (t *Tracer) search(ctx context.Context, h *historypb.History, m *privacy.Matcher) (bool, error) {
	for _, opened := range []bool{false, true} {
		if opened {
			err := proxy.VisitPayloads(ctx, h, proxy.VisitPayloadsOptions{
				SkipSearchAttributes: true, // never sealed
				Visitor: func(_ *proxy.VisitPayloadsContext, payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
					return t.codec.Decode(payloads)
				},
			})
			if err != nil {
				return false, fmt.Errorf("open payloads: %w", err)
			}
		}
		text, err := h.Marshal()
		if err != nil {
			return false, err
		}
		if m.In(text) {
			return true, nil
		}
	}
	return false, nil
}
