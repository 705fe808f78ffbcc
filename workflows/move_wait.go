package workflows

import (
	"slices"

	"go.temporal.io/sdk/workflow"

	"tillflow/internal/flow"
)

// listen registers every message before anything blocks. There is no button
// that ends a move: what was claimed is done or decided not done.
func (m *move) listen(ctx workflow.Context) error {
	err := m.listenToPeople(ctx, func() flow.StateAnswer { return flow.StateAnswer{Move: &m.view, Note: m.note} })
	if err != nil {
		return err
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		events := workflow.GetSignalChannel(ctx, flow.SignalEvent)
		for {
			var e flow.EventSignal
			events.Receive(ctx, &e)
			if e.AttemptID != "" && !slices.Contains(m.woken, e.AttemptID) {
				m.woken = append(m.woken, e.AttemptID)
			}
		}
	})
	return nil
}

// called: a person or a message of the provider waits for the story.
func (m *move) called() bool { return len(m.actions) > 0 || len(m.woken) > 0 }

// wait rests until the pause ends, or somebody calls.
func (m *move) wait(ctx workflow.Context) error {
	resting := m.resting()
	return workflow.Await(ctx, func() bool { return m.called() || resting && !m.resting() })
}
