package program

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"tillflow/dev/bench"
)

// runBench measures charges beside the floors; `bench costs` only counts.
func runBench(ctx context.Context, args []string, _ func(string) string, out io.Writer) error {
	return bench.Run(ctx, out, slices.Contains(args, "costs"))
}

// runBenchIsolation measures what a provider that hangs at one shop does to
// others; `bench-isolation 1` takes one round instead of three.
func runBenchIsolation(ctx context.Context, args []string, _ func(string) string, out io.Writer) error {
	rounds := 3 // of six minutes each
	if len(args) > 0 {
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no number of rounds", args[0])
		}
		rounds = n
	}
	return bench.RunIsolation(ctx, out, rounds)
}

// runBenchOpen measures what open charges cost a worker.
func runBenchOpen(ctx context.Context, _ []string, _ func(string) string, out io.Writer) error {
	return bench.RunOpen(ctx, out)
}

// runBenchWebhook measures how fast Shopify's webhooks are answered while charges
// run.
func runBenchWebhook(ctx context.Context, _ []string, _ func(string) string, out io.Writer) error {
	return bench.RunWebhook(ctx, out)
}
