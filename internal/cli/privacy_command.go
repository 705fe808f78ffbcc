package cli

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"tillflow/internal/config"
	"tillflow/internal/privacy"
	"tillflow/internal/store"
)

func privacyVerbs() verbs {
	return verbs{command: "privacy", takes: "[flags] [<request>]", list: []verb{
		{"list", "what people and shops have asked for: -waiting -limit", listPrivacy},
		{"show", "one request: clocks, state, what the search found", showPrivacy},
		{"retry", "let its run look again now", retryPrivacy},
		{"certificate", "write the certificate of an erasure to standard output", certificateOf},
		{"verify", "check a certificate from a file or standard input: -key, -file", verifyCertificate},
		{"key", "print the public key under which certificates verify: -id", certificateKey},
		{"export", "write everything about the person of a data request to standard output: personal data, audited", exportPrivacy},
		{"passphrase", "print the passphrase that the merchant is told: audited", passphraseOf},
	}}
}

func listPrivacy(ctx context.Context, e env, args []string) error {
	f := flags(e, "privacy list")
	waiting := f.Bool("waiting", false, "only those that are not served")
	limit := f.Int("limit", 50, "how many, at most 500")
	if err := parse(f, args); err != nil {
		return err
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		list, err := st.PrivacyRequests(ctx, *waiting, *limit)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "REQUEST\tASKS FOR\tSHOP\tSTATE\tRECEIVED\tDUE\tPERSON NEEDED")
		for _, l := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.ID, l.Kind, oneLine(l.Shop), l.State, when(l.ReceivedAt), when(l.DueAt), dash(string(l.Trouble)))
		}
		return w.Flush()
	})
}

// ofRequest reads flags and the one request that stands behind them.
func ofRequest(f *flag.FlagSet, args []string) (string, error) {
	if err := parse(f, args); err != nil {
		return "", err
	}
	if f.NArg() != 1 {
		_, _ = fmt.Fprintln(f.Output(), "name one request")
		return "", errUsage
	}
	return f.Arg(0), nil
}

func showPrivacy(ctx context.Context, e env, args []string) error {
	id, err := ofRequest(flags(e, "privacy show"), args)
	if err != nil {
		return err
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		l, err := st.PrivacyRequest(ctx, id)
		if err != nil {
			return err
		}
		return writeRequest(e.out, l)
	})
}

func writeRequest(out io.Writer, l privacy.Line) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, line := range [][2]string{
		{"request", l.ID},
		{"at Shopify", oneLine(l.WebhookID)},
		{"asks for", string(l.Kind)},
		{"shop", oneLine(l.Shop)},
		{"state", string(l.State)},
		{"person needed", dash(string(l.Trouble))},
		{"received", when(l.ReceivedAt)},
		{"due", when(l.DueAt)},
		{"reaches", fmt.Sprintf("%d people, %d payments, %d of them open", l.Subjects, l.Payments, l.Open)},
		{"keys destroyed", when(l.ErasedAt)},
		{"served", when(l.DoneAt)},
	} {
		fmt.Fprintf(w, "%s\t%s\n", line[0], line[1])
	}
	if x := l.Export; x != nil {
		fmt.Fprintf(w, "export\tuntil %s, fetched %d times, %d wrong passphrases, open: %t\n", when(x.ExpiresAt), x.Downloads, x.Wrong, x.Open)
	}
	if l.Scan != nil {
		fmt.Fprintf(w, "searched\t%s, %d ways of writing\n", when(l.Scan.At), l.Scan.Words)
		for _, p := range l.Scan.Places {
			if p.Skipped != "" {
				fmt.Fprintf(w, "  %s\t%s\n", p.Name, p.Skipped)
				continue
			}
			fmt.Fprintf(w, "  %s\t%d finds in %s\n", p.Name, p.Found, p.Searched)
			for _, where := range p.Where {
				fmt.Fprintf(w, "  \t%s\n", oneLine(where))
			}
		}
	}
	if l.Certificate != "" {
		fmt.Fprintf(w, "certificate\ttillflow privacy certificate %s\n", l.ID)
	}
	return w.Flush()
}

func retryPrivacy(ctx context.Context, e env, args []string) error {
	id, err := ofRequest(flags(e, "privacy retry"), args)
	if err != nil {
		return err
	}
	c, log, err := load(e)
	if err != nil {
		return err
	}
	s, err := New(ctx, c, Options{Log: log})
	if err != nil {
		return err
	}
	defer s.Close()
	l, err := s.Store.PrivacyRequest(ctx, id)
	if err != nil {
		return err
	}
	if l.State == privacy.Done {
		return errors.New("the request is served; there is nothing to look for")
	}
	if err := s.Runs.WakeErasure(ctx, l.Ref); err != nil {
		return fmt.Errorf("the sweep wakes it within the hour; now: %w", err)
	}
	_, err = fmt.Fprintln(e.out, "its run looks again now")
	return err
}

func certificateOf(ctx context.Context, e env, args []string) error {
	id, err := ofRequest(flags(e, "privacy certificate"), args)
	if err != nil {
		return err
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		l, err := st.PrivacyRequest(ctx, id)
		if err != nil {
			return err
		}
		if l.Certificate == "" {
			return errors.New("there is no certificate: the request is " + string(l.State))
		}
		_, err = io.WriteString(e.out, l.Certificate)
		return err
	})
}

// certificateBytes is far above what a certificate holds.
const certificateBytes = 16 << 20

func verifyCertificate(ctx context.Context, e env, args []string) error {
	f := flags(e, "privacy verify")
	text := f.String("key", "", "the public key in base64, as `tillflow privacy key` printed it: needs neither database nor settings")
	path := f.String("file", "", "the certificate; without it standard input is read")
	if err := parse(f, args); err != nil {
		return err
	}
	from := e.in
	if *path != "" {
		file, err := os.Open(*path)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // it was only read
		from = file
	}
	certificate, err := io.ReadAll(io.LimitReader(from, certificateBytes))
	if err != nil {
		return err
	}
	if *text == "" {
		return withStore(ctx, e, func(_ config.Config, st *store.Store) error { return sayVerified(e, certificate, st.CertificateKey) })
	}
	public, err := base64.StdEncoding.DecodeString(*text)
	if err != nil || len(public) != ed25519.PublicKeySize {
		return errors.New("-key is no Ed25519 public key in base64")
	}
	return sayVerified(e, certificate, func(string) (ed25519.PublicKey, error) { return public, nil })
}

func sayVerified(e env, text []byte, keys privacy.Keys) error {
	c, err := privacy.Verify(keys, text)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "ok: %s of %s, request %s\nerased %s, certified %s: %d keys destroyed, %d payments cleared, %d finds in %d places\n",
		c.Kind, c.Shop, c.RequestID, when(c.ErasedAt), when(c.IssuedAt), c.Keys, c.Payments, c.Scan.Found(), len(c.Scan.Places))
	if err != nil {
		return err
	}
	for _, p := range c.Scan.Places {
		if p.Skipped != "" {
			fmt.Fprintf(e.out, "not searched: %s, %s\n", p.Name, p.Skipped)
		}
	}
	if c.BooksBefore != c.BooksAfter {
		fmt.Fprintln(e.out, "the books of those payments were not the same before and after")
	}
	return nil
}

func certificateKey(ctx context.Context, e env, args []string) error {
	f := flags(e, "privacy key")
	id := f.String("id", "", "of a master key; without it the one that signs today")
	if err := parse(f, args); err != nil {
		return err
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		key, err := st.CertificateKey(*id)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(e.out, base64.StdEncoding.EncodeToString(key))
		return err
	})
}

// person is who acts on this machine.
func person(f *flag.FlagSet) *string {
	return f.String("actor", loginName(), "who does this: written into the audit")
}

func exportPrivacy(ctx context.Context, e env, args []string) error {
	f := flags(e, "privacy export")
	actor := person(f)
	id, err := ofRequest(f, args)
	if err != nil {
		return err
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		text, err := st.WriteExport(ctx, id, commandActor(*actor))
		if err != nil {
			return err
		}
		_, err = e.out.Write(append(text, '\n'))
		return err
	})
}

func passphraseOf(ctx context.Context, e env, args []string) error {
	f := flags(e, "privacy passphrase")
	actor := person(f)
	id, err := ofRequest(f, args)
	if err != nil {
		return err
	}
	return withStore(ctx, e, func(_ config.Config, st *store.Store) error {
		secret, err := st.ExportPassphrase(ctx, id, commandActor(*actor))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(e.out, secret.Reveal())
		return err
	})
}
