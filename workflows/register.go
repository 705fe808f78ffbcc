package workflows

// Registry takes workflows: a worker, a test environment, the replayer.
type Registry interface{ RegisterWorkflow(w any) }

// Register is the one list of workflows, shared by worker, tests and replayer.
// The registered name is the Go function's, for life.
func Register(r Registry) {
	r.RegisterWorkflow(Charge)
	r.RegisterWorkflow(Capture)
	r.RegisterWorkflow(Void)
	r.RegisterWorkflow(Refund)
	r.RegisterWorkflow(Reversal)
	r.RegisterWorkflow(Subscription)
	r.RegisterWorkflow(Renewal)
	r.RegisterWorkflow(Sweep)
	r.RegisterWorkflow(Guard)
	r.RegisterWorkflow(Erasure)
	r.RegisterWorkflow(Purge)
	r.RegisterWorkflow(Recharge)
}
