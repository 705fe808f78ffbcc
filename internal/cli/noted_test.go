package cli

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tillflow/internal/access/audit"
	"tillflow/internal/shopify/app"
	"tillflow/internal/store"
)

// deed is one call of a command, whether it changes what is stored, and whether
// the audit notes that somebody has seen what is sealed.
type deed struct {
	input   string
	args    []string
	changes bool
	noted   bool
}

// asksForData stores a data request of a person as Shopify's webhook does.
func (o *office) asksForData() string {
	o.t.Helper()
	_, err := o.StoreDelivery(o.t.Context(), app.Delivery{
		App: app.Payments, Shop: o.shop, Topic: app.CustomersDataRequest, WebhookID: uuid.NewString(), TriggeredAt: time.Now(),
		Personal: []byte(`{"email":"ann@example.com"}`),
	})
	require.NoError(o.t, err)
	list, err := o.ShopDeliveries(o.t.Context(), o.shop, 1)
	require.NoError(o.t, err)
	ref, err := o.TakeRequest(o.t.Context(), list[0].ID, 30*24*time.Hour)
	require.NoError(o.t, err)
	_, err = o.MatchRequest(o.t.Context(), ref.ID, func() error { return nil })
	require.NoError(o.t, err)
	return ref.ID
}

// verbLine is a line of what a command with verbs prints when it is called without one.
var verbLine = regexp.MustCompile(`(?m)^  ([a-z][a-z-]*)  `)

// everyCommand lists all commands by what they print themselves: those that only
// run the service are left out, since what it does is noted where it is done.
func everyCommand(t *testing.T) []string {
	t.Helper()
	runs := map[string]bool{"all": true, "serve": true, "worker": true}
	var all []string
	for _, c := range commands() {
		if runs[c.name] {
			continue
		}
		term := at(nil, "")
		_ = c.run(t.Context(), term.env, nil) // the environment is empty, so nothing is opened
		if !strings.Contains(term.err.String(), "tillflow "+c.name+" <verb>") {
			all = append(all, c.name)
			continue
		}
		for _, found := range verbLine.FindAllStringSubmatch(term.err.String(), -1) {
			all = append(all, c.name+" "+found[1])
		}
	}
	return all
}

// stored is a fingerprint of every table but the audit, and the audit's length.
func (o *office) stored() (tables map[string]string, noted int) {
	o.t.Helper()
	conn, err := pgx.Connect(o.t.Context(), o.vars["TILLFLOW_DATABASE_URL"])
	require.NoError(o.t, err)
	defer conn.Close(o.t.Context())
	rows, err := conn.Query(o.t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'audit'`)
	require.NoError(o.t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(o.t, err)
	tables = map[string]string{}
	for _, name := range names {
		var sum string
		require.NoError(o.t, conn.QueryRow(o.t.Context(), fmt.Sprintf(`SELECT coalesce(md5(string_agg(r::text, '|' ORDER BY r::text)), '') FROM %s r`, name)).Scan(&sum))
		tables[name] = sum
	}
	require.NoError(o.t, conn.QueryRow(o.t.Context(), `SELECT count(*) FROM audit`).Scan(&noted))
	return tables, noted
}

// do runs a command. One that talks to Temporal, where nothing answers, is given up soon: its row is written before.
func (o *office) do(d deed) string {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 3*time.Second)
	defer cancel()
	term := at(o.vars, d.input)
	for _, c := range commands() {
		if c.name == d.args[0] {
			_ = exit(term.env, c.run(ctx, term.env, d.args[1:])) // what counts is what is stored
		}
	}
	return term.out.String() + term.err.String()
}

// TestWhatCommandsDoIsInTheAudit runs every command there is and holds what it
// changed in the database against the audit. A new command, or a new verb, fails
// here until it stands below.
func TestWhatCommandsDoIsInTheAudit(t *testing.T) {
	t.Parallel()
	o := archive(t, 0)
	o.shop = "noted.myshopify.com"
	o.must("", "shop", "-shop", o.shop, "-label", "Acme", "-actor", "root")
	o.must("", "account", "-shop", o.shop, "-provider", "sandbox", "-label", "Sandbox", "-actor", "root")
	key, _ := o.addKey()
	old, _ := o.addKey()
	user := somebody()
	o.must(goodPassword, "user", "add", "-name", user, "-role", "viewer", "-actor", "root")
	request := o.asksForData()
	sold, waiting := o.sold().Run.PaymentID, o.pay("order-"+uuid.NewString()).PaymentID

	by := func(args ...string) []string { return append([]string{"-actor", "root"}, args...) }
	deeds := map[string][]deed{
		"migrate":       {{args: nil}},
		"version":       {{args: nil}},
		"payment list":  {{args: nil}},
		"payment show":  {{args: []string{sold}}},
		"payment note":  {{args: by("-reason", "r", sold), changes: true}},
		"payment retry": {{args: by("-reason", "r", waiting), changes: true}},
		"payment resolve": {
			{args: by("-reason", "r", "-choice", "give_back", sold), changes: true}, // told already: refused, which is an outcome
			{args: by("-reason", "r", "-choice", "maybe", sold)},
		},
		"payment expire": {
			{args: by("-reason", "r", waiting), changes: true},
			{args: by("-reason", "r", sold)}, // it has its answer
		},
		"shop": {
			{args: by("-shop", "another.myshopify.com"), changes: true},
			{args: by("-shop", o.shop, "-active=false"), changes: true},
			{args: by("-shop", o.shop, "-active", "-token"), input: "shpat_1\nshprt_1\n", changes: true},
			{args: by("-shop", "no shop")},
		},
		"account": {
			{args: by("-shop", o.shop, "-provider", "sandbox", "-label", "Second"), changes: true},
			{args: by("-shop", o.shop, "-provider", "sandbox", "-label", "Second", "-disable"), changes: true},
			{args: by("-shop", "nobody", "-provider", "sandbox", "-label", "Second")},
			{args: by("-shop", o.shop, "-provider", "sandbox", "-label", "Bad"), input: "key=wrong"},
		},
		"recharge connect": {
			{args: by("-shop", o.shop), input: "token=good\nclient_secret=s\n", changes: true},
			{args: by("-shop", o.shop), input: "token=bad\nclient_secret=s\n"},
			{args: by("-shop", o.shop), input: "token=good\n"},
			{args: by("-shop", "nobody"), input: "token=good\nclient_secret=s\n"},
		},
		"recharge policy": {
			{args: by("-shop", o.shop, "-process", "insufficient_funds,declined", "-most", "2"), changes: true},
			{args: by("-shop", o.shop, "-process", "fraud_suspected")},
			{args: by("-shop", "nobody")},
		},
		"recharge list":       {{args: nil}},
		"recharge disconnect": {{args: by("-shop", o.shop), changes: true}, {args: by("-shop", o.shop)}},
		"key add":             {{args: by("-shop", o.shop, "-label", "x"), changes: true}, {args: by("-shop", "nobody", "-label", "x")}},
		"key list":            {{args: nil}},
		"key rotate":          {{args: by(old), changes: true}, {args: by(old)}},
		"key revoke":          {{args: by(key), changes: true}, {args: by(key)}},
		"user add":            {{args: by("-name", somebody(), "-role", "viewer"), input: goodPassword, changes: true}, {args: by("-name", user, "-role", "viewer"), input: goodPassword}},
		"user list":           {{args: nil}},
		"user role":           {{args: by("-name", user, "-role", "finance"), changes: true}},
		"user password":       {{args: by("-name", user), input: "another unusual password", changes: true}},
		"user totp":           {{args: by("-name", user), changes: true}},
		"user disable":        {{args: by("-name", user), changes: true}},
		"user enable":         {{args: by("-name", user), changes: true}},
		"privacy list":        {{args: nil}},
		"privacy show":        {{args: []string{request}}},
		"privacy retry":       {{args: []string{request}}}, // wakes a run; the row stays as it is
		"privacy certificate": {{args: []string{request}}},
		"privacy verify":      {{input: "{}"}},
		"privacy key":         {{args: nil}},
		"privacy export":      {{args: by(request), noted: true}},
		"privacy passphrase":  {{args: by(request)}}, // no export was sent yet
		"vault keys":          {{args: nil}},
		"vault rewrap":        {{args: by(), changes: true}, {args: by("-batch", "0")}},
		"audit list":          {{args: nil}},
		"audit verify":        {{args: nil}},
	}
	o.vars["TILLFLOW_RECHARGE_URL"], o.vars["TILLFLOW_ENVIRONMENT"] = subscriptions(t), "development"
	o.vars["TILLFLOW_MASTER_KEYS"] = "k2:QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=," + o.vars["TILLFLOW_MASTER_KEYS"]
	for _, name := range everyCommand(t) {
		require.Contains(t, deeds, name, "say here what the command does, and that the audit notes it")
		words := strings.Fields(name)
		for _, d := range deeds[name] {
			d.args = append(words[:len(words):len(words)], d.args...)
			before, noted := o.stored()
			said := o.do(d)
			after, notedAfter := o.stored()
			if d.changes || d.noted {
				require.Equal(t, d.noted, maps.Equal(before, after), "%v was to change something, or only to be noted: %s", d.args, said)
				require.Greater(t, notedAfter, noted, "%v changed what is stored, and the audit does not know: %s", d.args, said)
				list, err := o.ListAudit(t.Context(), store.AuditFilter{Limit: notedAfter - noted})
				require.NoError(t, err)
				for _, r := range list {
					require.Equal(t, audit.Actor{Name: "command line: root"}, r.Entry.Actor, d.args)
				}
				continue
			}
			require.Equal(t, before, after, "%v was to change nothing: %s", d.args, said)
			require.Equal(t, noted, notedAfter, "%v changed nothing, and the audit says otherwise: %s", d.args, said)
		}
		delete(deeds, name)
	}
	require.Empty(t, deeds, "there is no such command")
	require.Regexp(t, `^ok: \d+ rows, unbroken`, o.must("", "audit", "verify"))
}
