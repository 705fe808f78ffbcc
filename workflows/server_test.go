package workflows_test

import (
	"context"
	"sync"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// likeServer makes the test environment retry activities as the server does: it
// would end every one after ten tries, and retry what was cancelled for ever.
type likeServer struct {
	interceptor.WorkerInterceptorBase

	mu        sync.Mutex
	cancelled map[string]bool
}

func (s *likeServer) cancel(activityID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancelled[activityID] = true
}

func (s *likeServer) isCancelled(activityID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cancelled[activityID]
}

func (s *likeServer) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &cancellable{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, server: s}
}

type cancellable struct {
	interceptor.ActivityInboundInterceptorBase

	server *likeServer
}

func (c *cancellable) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	if info := activity.GetInfo(ctx); !info.IsLocalActivity && c.server.isCancelled(info.ActivityID) {
		return nil, temporal.NewNonRetryableApplicationError("cancelled", "Cancelled", nil)
	}
	return c.Next.ExecuteActivity(ctx, in)
}

func (s *likeServer) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &patient{WorkflowInboundInterceptorBase: interceptor.WorkflowInboundInterceptorBase{Next: next}}
}

type patient struct {
	interceptor.WorkflowInboundInterceptorBase
}

func (p *patient) Init(out interceptor.WorkflowOutboundInterceptor) error {
	return p.Next.Init(&patientOut{WorkflowOutboundInterceptorBase: interceptor.WorkflowOutboundInterceptorBase{Next: out}})
}

type patientOut struct {
	interceptor.WorkflowOutboundInterceptorBase
}

func (p *patientOut) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	o := workflow.GetActivityOptions(ctx)
	if o.RetryPolicy != nil && o.RetryPolicy.MaximumAttempts == 0 {
		policy := *o.RetryPolicy
		policy.MaximumAttempts = 1_000_000
		o.RetryPolicy = &policy
	}
	return p.Next.ExecuteActivity(workflow.WithActivityOptions(ctx, o), name, args...)
}

// quiet drops the test environment's log.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
