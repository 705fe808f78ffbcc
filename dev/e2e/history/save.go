package history

import (
	"fmt"
	"os"
	"path/filepath"

	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/temporalproto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// recorder stands for whoever worked on a recorded run.
const recorder = "recorder"

// Save writes a history as JSON that the replayer and people can read. Names of
// processes and machines are taken out first.
func Save(h *historypb.History, path string) error {
	anonymise(h.ProtoReflect())
	data, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(h)
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // part of the source tree
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return os.WriteFile(path, append(data, '\n'), 0o644) //nolint:gosec // part of the source tree
}

// anonymise replaces every field that names a process.
func anonymise(m protoreflect.Message) {
	if q, ok := m.Interface().(*taskqueuepb.TaskQueue); ok && q.GetNormalName() != "" {
		q.Name = recorder // a worker's own queue is called after its machine
	}
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.IsMap() && field.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				anonymise(v.Message())
				return true
			})
		case field.IsMap():
		case field.IsList() && field.Message() != nil:
			for i := range v.List().Len() {
				anonymise(v.List().Get(i).Message())
			}
		case field.IsList():
		case field.Message() != nil:
			anonymise(v.Message())
		case names(field.Name()):
			m.Set(field, protoreflect.ValueOfString(recorder))
		}
		return true
	})
}

func names(field protoreflect.Name) bool {
	switch field {
	case "identity", "worker_instance_key", "worker_control_task_queue":
		return true
	}
	return false
}
