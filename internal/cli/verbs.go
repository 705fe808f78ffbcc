package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// verb is one of several things that a command does.
type verb struct {
	name, does string // does may have several lines
	run        func(ctx context.Context, e env, args []string) error
}

// verbs is a command that does several things. What it prints when it is called
// wrongly comes from the same list that it chooses from, so that no verb is hidden.
type verbs struct {
	command string
	takes   string // what follows the verb
	list    []verb
	tail    string // lines below the list
}

// run runs the verb that comes first.
func (v verbs) run(ctx context.Context, e env, args []string) error {
	if len(args) > 0 {
		for _, one := range v.list {
			if one.name == args[0] {
				return one.run(ctx, e, args[1:])
			}
		}
	}
	return v.wrong(e)
}

// wrong tells how the command is called.
func (v verbs) wrong(e env) error {
	_, _ = io.WriteString(e.err, v.usage())
	return errUsage
}

func (v verbs) usage() string {
	width := 0
	for _, one := range v.list {
		width = max(width, len(one.name))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "usage: tillflow %s <verb> %s\n", v.command, v.takes)
	for _, one := range v.list {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, one.name, strings.ReplaceAll(one.does, "\n", "\n"+strings.Repeat(" ", width+4)))
	}
	return b.String() + v.tail
}
