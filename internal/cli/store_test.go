package cli

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"

	"tillflow/internal/flow"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/store"
	"tillflow/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// openStore opens the store as a command does.
func openStore(t *testing.T, vars map[string]string) *store.Store {
	t.Helper()
	c, _, err := load(at(vars, "").env)
	require.NoError(t, err)
	s, err := OpenStore(t.Context(), c, time.Now, zerolog.Nop())
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// office is a shop with its database, as an operator at a terminal has it.
type office struct {
	*store.Store
	t    *testing.T
	shop string
	vars map[string]string
}

func setup(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, shop: "s" + strings.ReplaceAll(uuid.NewString(), "-", "") + ".myshopify.com", vars: settings()}
	// All share one database, each with a shop of its own, as shops share the real one.
	o.vars["TILLFLOW_DATABASE_URL"] = storetest.Shared(t)
	o.Store = openStore(t, o.vars)
	return o
}

// command runs a command with text on its standard input and answers what it printed.
func (o *office) command(input string, args ...string) (code int, out, errOut string) {
	o.t.Helper()
	term := at(o.vars, input)
	for _, c := range commands() {
		if c.name == args[0] {
			code = exit(term.env, c.run(o.t.Context(), term.env, args[1:]))
			return code, term.out.String(), term.err.String()
		}
	}
	o.t.Fatalf("no command %s", args[0])
	return 0, "", ""
}

// must is command for one that works.
func (o *office) must(input string, args ...string) string {
	o.t.Helper()
	code, out, errOut := o.command(input, args...)
	require.Zero(o.t, code, errOut)
	return out
}

// pay accepts a payment of 12.30 EUR.
func (o *office) pay(ref string) payment.RunRef {
	o.t.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	s := payment.Session{
		ID: uuid.Must(uuid.NewV7()).String(), Source: payment.SourceAPI, Shop: o.shop, ExternalID: ref, Kind: payment.Sale,
		Amount: money.New(1230, "EUR"), Test: true, Token: "t-" + uuid.NewString(), Providers: []string{"sandbox"},
		ReceivedAt: now, DeadlineAt: now.Add(48 * time.Hour),
	}
	_, err := o.AcceptSession(o.t.Context(), s)
	require.NoError(o.t, err)
	return payment.RunRef{PaymentID: s.ID, Source: s.Source, Shop: s.Shop, ExternalID: ref, Kind: s.Kind, Amount: s.Amount, Test: true, ReceivedAt: now}
}

// open gives a shop with a sandbox account.
func open(t *testing.T) *office {
	t.Helper()
	o := setup(t)
	o.must("", "shop", "-shop", o.shop, "-label", "Acme", "-mail", "owner@acme.example")
	o.must("", "account", "-shop", o.shop, "-provider", "sandbox", "-label", "Sandbox")
	return o
}

func TestShopCommand(t *testing.T) {
	t.Parallel()
	t.Run("a new shop gets the defaults, a known one changes only in what is given", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		o.must("", "shop", "-shop", o.shop, "-label", "Acme", "-mail", "owner@acme.example")
		want := store.Shop{
			Shop: o.shop, Label: "Acme", Mail: "owner@acme.example", Locale: "en", MaxAttempts: 5, RefusedDefault: 24 * time.Hour, Active: true,
		}
		got, err := o.Shop(t.Context(), o.shop)
		require.NoError(t, err)
		require.Equal(t, want, got)

		o.must("", "shop", "-shop", o.shop, "-active=false", "-max-attempts", "7")
		want.Active, want.MaxAttempts = false, 7
		got, err = o.Shop(t.Context(), o.shop)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
	t.Run("tokens come from standard input and are printed nowhere", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		_, out, errOut := o.command("shpat_canary\nshprt_canary\n", "shop", "-shop", o.shop, "-token")
		require.NotContains(t, out+errOut, "canary")
		access, err := o.Token(t.Context(), o.shop, nil)
		require.NoError(t, err)
		require.Equal(t, "shpat_canary", access)
	})
	t.Run("a name that is none is refused", func(t *testing.T) {
		t.Parallel()
		code, _, errOut := setup(t).command("", "shop", "-shop", "a shop")
		require.Equal(t, 1, code)
		require.Contains(t, errOut, "put shop")
	})
}

var accountLine = regexp.MustCompile(`(?m)^account ([0-9a-f-]{36})$`)

func TestAccountCommand(t *testing.T) {
	t.Parallel()
	t.Run("an account is printed with its webhook address, and keeps both", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		o.must("", "shop", "-shop", o.shop)
		add := []string{"account", "-shop", o.shop, "-provider", "sandbox", "-label", "Sandbox"}
		out := o.must("key=sandbox\n", add...)
		id := accountLine.FindStringSubmatch(out)[1]
		require.Contains(t, out, "webhook address: https://pay.example.com/webhook/sandbox/"+id+"\n")
		require.Equal(t, out, o.must("key=sandbox\n", add...))

		o.must("", append(add, "-disable")...)
		_, credentials, _, err := o.Account(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, map[string]string{"key": "sandbox"}, credentials, "payments under way need them")
		accounts, err := o.Accounts(t.Context(), o.shop)
		require.NoError(t, err)
		require.Len(t, accounts, 1)
		require.False(t, accounts[0].Enabled)
	})
	for name, tc := range map[string]struct {
		input string
		args  []string
		says  string
	}{
		"credentials that the provider refuses are not stored": {"key=canary\n", []string{"-provider", "sandbox"}, "nothing was stored"},
		"a live sandbox is refused":                            {"", []string{"-provider", "sandbox", "-live"}, "no live mode"},
		"stripe without credentials is refused":                {"", []string{"-provider", "stripe"}, "nothing was stored"},
		"an unknown provider is refused":                       {"", []string{"-provider", "paypal"}, "no connector"},
		"an unknown provider is not switched off either":       {"", []string{"-provider", "paypal", "-disable"}, "no connector"},
		"lines that are no credentials are refused":            {"canary", []string{"-provider", "sandbox"}, "name=value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := setup(t)
			o.must("", "shop", "-shop", o.shop)
			code, out, errOut := o.command(tc.input, append([]string{"account", "-shop", o.shop, "-label", "Card"}, tc.args...)...)
			require.Equal(t, 1, code)
			require.Empty(t, out)
			require.Contains(t, errOut, tc.says)
			require.NotContains(t, errOut, "canary")
			accounts, err := o.Accounts(t.Context(), o.shop)
			require.NoError(t, err)
			require.Empty(t, accounts)
		})
	}
	t.Run("a shop that is not there is named", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		code, _, errOut := o.command("", "account", "-shop", o.shop, "-provider", "sandbox", "-label", "Card")
		require.Equal(t, 1, code)
		require.Contains(t, errOut, "there is no shop "+o.shop)
	})
}

func TestPaymentCommand(t *testing.T) {
	t.Parallel()
	o := open(t)
	run := o.pay("order-" + uuid.NewString())
	t.Run("list shows a shop's payments and can leave out", func(t *testing.T) {
		t.Parallel()
		require.Contains(t, o.must("", "payment", "list", "-shop", o.shop), run.PaymentID)
		require.NotContains(t, o.must("", "payment", "list", "-shop", o.shop, "-state", "captured"), run.PaymentID)
		require.NotContains(t, o.must("", "payment", "list", "-shop", o.shop, "-operator"), run.PaymentID)
	})
	t.Run("show finds a payment by its id and by the shop's", func(t *testing.T) {
		t.Parallel()
		byID := o.must("", "payment", "show", run.PaymentID)
		require.Contains(t, byID, "12.30 EUR for "+o.shop)
		require.Equal(t, byID, o.must("", "payment", "show", run.ExternalID))
	})
	t.Run("one that is not there fails", func(t *testing.T) {
		t.Parallel()
		code, out, errOut := o.command("", "payment", "show", "order-of-nobody")
		require.Equal(t, 1, code)
		require.Empty(t, out)
		require.Contains(t, errOut, "no such row")
	})
}

// desk is a service over the real record and a Temporal that the test plays.
func (o *office) desk() (*Service, *mocks.Client) {
	c := &mocks.Client{}
	o.t.Cleanup(func() { c.AssertExpectations(o.t) })
	return &Service{Store: o.Store, Runs: flow.NewRuns(c, flow.DefaultTiming(), false), now: time.Now}, c
}

func TestAct(t *testing.T) {
	t.Parallel()
	prepare := func(t *testing.T) (*office, payment.Details) {
		t.Helper()
		o := open(t)
		d, err := o.ShowPayment(t.Context(), o.pay("order-"+uuid.NewString()).PaymentID, false)
		require.NoError(t, err)
		return o, d
	}
	action := func(d payment.Details) payment.Action {
		return payment.Action{PaymentID: d.Run.PaymentID, Actor: "ada", Action: "expire", Text: "canary-reason"}
	}
	t.Run("the action is a row first, and the run hears only its id", func(t *testing.T) {
		t.Parallel()
		o, d := prepare(t)
		s, c := o.desk()
		handle := &mocks.WorkflowUpdateHandle{}
		handle.On("Get", mock.Anything, mock.Anything).Return(nil)
		c.On("ExecuteWorkflow", mock.Anything, mock.Anything, "Charge", mock.Anything).Return(&mocks.WorkflowRun{}, nil).Once()
		c.On("UpdateWorkflow", mock.Anything, mock.MatchedBy(func(u client.UpdateWorkflowOptions) bool {
			written, err := o.ShowPayment(t.Context(), d.Run.PaymentID, false)
			return err == nil && len(written.Actions) == 1 && u.UpdateName == flow.UpdateExpire &&
				u.WorkflowID == flow.ChargeID(d.Run.Source, d.Run.Shop, d.Run.ExternalID) &&
				u.Args[0] == flow.ActionUpdate{ActionID: written.Actions[0].ID}
		})).Return(handle, nil).Once()
		term := at(o.vars, "")
		require.NoError(t, s.act(t.Context(), term.env, flow.UpdateExpire, action(d), d))
		require.Equal(t, "done: payment "+d.Run.PaymentID+" is created, answer -\n", term.out.String())

		require.Contains(t, o.must("", "payment", "show", "-texts", d.Run.PaymentID), "canary-reason")
		require.NotContains(t, o.must("", "payment", "show", d.Run.PaymentID), "canary-reason", "texts stay in the vault unless asked for")
	})
	t.Run("what could not be delivered is said with the row's id", func(t *testing.T) {
		t.Parallel()
		o, d := prepare(t)
		s, c := o.desk()
		c.On("ExecuteWorkflow", mock.Anything, mock.Anything, "Charge", mock.Anything).Return(nil, serviceerror.NewUnavailable("away")).Once()
		term := at(o.vars, "")
		err := s.act(t.Context(), term.env, flow.UpdateExpire, action(d), d)
		after, showErr := o.ShowPayment(t.Context(), d.Run.PaymentID, false)
		require.NoError(t, showErr)
		require.Len(t, after.Actions, 1)
		require.ErrorContains(t, err, "the action is written as "+after.Actions[0].ID+" and was not applied")
		require.Empty(t, term.out.String())
		require.NotContains(t, err.Error(), "canary")
	})
	t.Run("an action that says nothing is not written and asks nobody", func(t *testing.T) {
		t.Parallel()
		o, d := prepare(t)
		s, _ := o.desk()
		for _, a := range []payment.Action{
			{PaymentID: d.Run.PaymentID, Actor: "ada", Action: "resolve"},
			{PaymentID: d.Run.PaymentID, Actor: "ada", Action: "resolve", Choice: "maybe"},
			{PaymentID: d.Run.PaymentID, Actor: "ada", Action: "expire", Choice: payment.DecidePaid},
			{PaymentID: d.Run.PaymentID, Actor: "ada", Action: "refund"},
		} {
			require.Error(t, s.act(t.Context(), at(o.vars, "").env, flow.UpdateResolve, a, d))
		}
		after, err := o.ShowPayment(t.Context(), d.Run.PaymentID, false)
		require.NoError(t, err)
		require.Empty(t, after.Actions)
	})
}
