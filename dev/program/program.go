// Package program is the command line of tillflow-dev.
package program

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"tillflow/internal/cli"
)

// Main runs dev, bench, bench-open, bench-isolation, bench-webhook, chaos or chaos-kill, or hands over to tillflow's own commands,
// which then find the settings of the running stack.
func Main(ctx context.Context, args []string, getenv func(string) string, out, errOut io.Writer) int {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	runs := map[string]func(context.Context, []string, func(string) string, io.Writer) error{
		"dev": runDev, "bench": runBench, "bench-open": runBenchOpen, "bench-isolation": runBenchIsolation, "bench-webhook": runBenchWebhook,
		"chaos": runChaos, "chaos-kill": runChaosKill,
	}
	if run, ours := runs[command]; ours {
		if err := run(ctx, args[1:], getenv, out); err != nil {
			fmt.Fprintln(errOut, "tillflow-dev: "+err.Error())
			return 1
		}
		return 0
	}
	if command == "" {
		fmt.Fprintln(errOut, "usage: tillflow-dev dev | bench | bench-open | bench-isolation | bench-webhook | chaos | chaos-kill, or a command of tillflow against the running stack")
	}
	return cli.Main(ctx, args, withStack(getenv), out, errOut)
}

// dataDir is where the stack keeps everything.
func dataDir(getenv func(string) string) string {
	if dir := getenv("TILLFLOW_DEV_DIR"); dir != "" {
		return dir
	}
	return ".data"
}

// withStack falls back to the settings that the stack has written.
func withStack(getenv func(string) string) func(string) string {
	text, err := os.ReadFile(filepath.Join(dataDir(getenv), "dev.env"))
	if err != nil {
		return getenv // no stack here: the command says which settings are missing
	}
	set := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), "="); found {
			set[name] = value
		}
	}
	return func(name string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return set[name]
	}
}
