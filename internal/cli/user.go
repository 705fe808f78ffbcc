package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/config"
	"tillflow/internal/store"
)

func userVerbs() verbs {
	able := func(name string) func(context.Context, env, []string) error {
		return func(ctx context.Context, e env, args []string) error { return disableUser(ctx, e, name, args) }
	}
	return verbs{command: "user", takes: "[flags]", list: []verb{
		{"add", "a person of the console: -name -role viewer|operator|finance|admin; the password is one line on\n" +
			"standard input, or -generate; prints the secret for one-time codes, unless -totp=false", addUser},
		{"list", "all of them", listUsers},
		{"disable", "keep somebody out from now on: -name", able("disable")},
		{"enable", "let them in again: -name", able("enable")},
		{"role", "change what they may do: -name -role", setRole},
		{"password", "replace a password, from standard input or with -generate, and end their sessions: -name", setPassword},
		{"totp", "replace the secret for one-time codes and end their sessions: -name; -remove takes it away", setTOTP},
	}}
}

// commandActor is who runs commands, told apart from the console's users: what
// the machine knows of them proves less than a login.
func commandActor(name string) audit.Actor { return audit.Actor{Name: "command line: " + name} }

// userFlags are those of every verb that changes a user.
func userFlags(e env, verb string) (f *flag.FlagSet, name, actor *string) {
	f = flags(e, "user "+verb)
	return f, f.String("name", "", "the user's name"), f.String("actor", loginName(), "who does it, for the audit")
}

func addUser(ctx context.Context, e env, args []string) error {
	f, name, actor := userFlags(e, "add")
	roleName := f.String("role", "", "viewer, operator, finance or admin")
	generate := f.Bool("generate", false, "make a password and print it")
	codes := f.Bool("totp", true, "make a secret for one-time codes and print it")
	if err := parse(f, args, "name", "role", "actor"); err != nil {
		return err
	}
	role, err := access.ParseRole(*roleName)
	if err != nil {
		return err
	}
	clean, err := access.CleanName(*name)
	if err != nil {
		return err
	}
	hash, made, err := newPassword(ctx, e, clean, *generate)
	if err != nil {
		return err
	}
	u := access.NewUser{Name: clean, Role: role, Password: hash}
	if *codes {
		u.TOTP = access.NewTOTPKey()
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		id, err := st.AddUser(ctx, commandActor(*actor), u)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "user %s\n%s", id, made)
		printTOTP(e.out, clean, u.TOTP)
		return nil
	})
}

// newPassword reads a password, or makes one, and answers its hash and, of one
// that was made, what to print.
func newPassword(ctx context.Context, e env, name string, generate bool) (hash access.PasswordHash, made string, err error) {
	password := ""
	if generate {
		password = rand.Text()
		made = "password " + password + "\nIt is shown this once; only its hash is kept.\n"
	} else if password, err = passwordLine(e.in); err != nil {
		return "", "", err
	}
	if err := access.CheckPassword(name, password); err != nil {
		return "", "", err
	}
	hash, err = access.NewPasswords(access.DefaultArgon2(), 1).Hash(ctx, password)
	return hash, made, err
}

// passwordLine reads one line, without its end. Spaces belong to a password.
func passwordLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.New("the password is read from standard input, and nothing came; or use -generate")
	}
	return line, nil
}

func printTOTP(out io.Writer, name string, key access.TOTPKey) {
	if key == nil {
		return
	}
	fmt.Fprintf(out, "one-time codes: type this secret into an authenticator app, or make a QR code of the address\nsecret  %s\naddress %s\nThey are shown this once.\n",
		key.Text(), key.URI("tillflow", name))
}

func listUsers(ctx context.Context, e env, args []string) error {
	f := flags(e, "user list")
	if err := parse(f, args); err != nil {
		return err
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		list, err := st.Users(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tROLE\tSIGNS IN BY\tLAST LOGIN\tDISABLED\tID")
		for _, u := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", oneLine(u.Name), u.Role, signsInBy(u), when(u.LastLogin), when(u.Disabled), u.ID)
		}
		return w.Flush()
	})
}

func signsInBy(u access.User) string {
	switch u.Kind {
	case access.LocalUser:
		if u.HasTOTP {
			return "password and code"
		}
		return "password alone"
	case access.OIDCUser:
		return "identity provider"
	case access.DevUser:
		return "development"
	}
	return string(u.Kind)
}

func disableUser(ctx context.Context, e env, verb string, args []string) error {
	f, name, actor := userFlags(e, verb)
	if err := parse(f, args, "name", "actor"); err != nil {
		return err
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		return st.DisableUser(ctx, commandActor(*actor), *name, verb == "disable")
	})
}

func setRole(ctx context.Context, e env, args []string) error {
	f, name, actor := userFlags(e, "role")
	roleName := f.String("role", "", "viewer, operator, finance or admin")
	if err := parse(f, args, "name", "role", "actor"); err != nil {
		return err
	}
	role, err := access.ParseRole(*roleName)
	if err != nil {
		return err
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		return st.SetRole(ctx, commandActor(*actor), *name, role)
	})
}

func setPassword(ctx context.Context, e env, args []string) error {
	f, name, actor := userFlags(e, "password")
	generate := f.Bool("generate", false, "make a password and print it")
	if err := parse(f, args, "name", "actor"); err != nil {
		return err
	}
	hash, made, err := newPassword(ctx, e, *name, *generate)
	if err != nil {
		return err
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		if err := st.SetPassword(ctx, commandActor(*actor), *name, hash); err != nil {
			return err
		}
		fmt.Fprint(e.out, made)
		return nil
	})
}

func setTOTP(ctx context.Context, e env, args []string) error {
	f, name, actor := userFlags(e, "totp")
	remove := f.Bool("remove", false, "take it away instead")
	if err := parse(f, args, "name", "actor"); err != nil {
		return err
	}
	var key access.TOTPKey
	if !*remove {
		key = access.NewTOTPKey()
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		if err := st.SetTOTP(ctx, commandActor(*actor), *name, key); err != nil {
			return err
		}
		printTOTP(e.out, *name, key)
		return nil
	})
}
