// Command tillflow-dev is tillflow with everything it needs beside it: the same
// subcommands, and dev, bench and bench-open, which bring PostgreSQL, Temporal
// and stand-ins of Shopify, Stripe and a mailbox.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"tillflow/dev/program"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(program.Main(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}
