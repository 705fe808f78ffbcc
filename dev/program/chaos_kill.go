package program

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"tillflow/dev/chaoskill"
)

// runChaosKill runs BATCHES batches (50 when not set) from SEED (1 when not set) on.
func runChaosKill(ctx context.Context, _ []string, getenv func(string) string, out io.Writer) error {
	o := chaoskill.Options{Batches: 50, First: 1}
	var err error
	if text := getenv("BATCHES"); text != "" {
		if o.Batches, err = strconv.Atoi(text); err != nil {
			return fmt.Errorf("BATCHES=%s is no number: %w", text, err)
		}
	}
	if text := getenv("SEED"); text != "" {
		if o.First, err = strconv.ParseUint(text, 10, 64); err != nil {
			return fmt.Errorf("SEED=%s is no number: %w", text, err)
		}
	}
	return chaoskill.Run(ctx, out, o)
}
