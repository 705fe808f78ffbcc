package program

import (
	"context"
	"io"
	"slices"

	"tillflow/dev/bench"
)

// runBench measures charges beside the floors; `bench costs` only counts.
func runBench(ctx context.Context, args []string, _ func(string) string, out io.Writer) error {
	return bench.Run(ctx, out, slices.Contains(args, "costs"))
}

// runBenchOpen measures what open charges cost a worker.
func runBenchOpen(ctx context.Context, _ []string, _ func(string) string, out io.Writer) error {
	return bench.RunOpen(ctx, out)
}
