// Command tillflow is the service: HTTP, workers, migrations and the operator's
// commands. Run it without arguments to see them.
package main

import (
	"context"
	"os"

	"tillflow/internal/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}
