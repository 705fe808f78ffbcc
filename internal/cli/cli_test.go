package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/shopify"
)

// terminal is a command line with what it prints.
type terminal struct {
	env      env
	out, err bytes.Buffer
}

// at gives a terminal in an environment, with text on its standard input.
func at(vars map[string]string, input string) *terminal {
	t := &terminal{}
	t.env = env{get: func(name string) string { return vars[name] }, in: strings.NewReader(input), out: &t.out, err: &t.err}
	return t
}

// main runs Main in an environment of its own.
func main(t *testing.T, vars map[string]string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Main(t.Context(), args, func(name string) string { return vars[name] }, &o, &e)
	return code, o.String(), e.String()
}

// settings is a configuration without a fault; nothing answers at its addresses.
func settings() map[string]string {
	const key = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	return map[string]string{
		"TILLFLOW_DATABASE_URL": "postgres://nobody:canary@127.0.0.1:1/none", "TILLFLOW_PUBLIC_URL": "https://pay.example.com",
		"TILLFLOW_SHOPIFY_CLIENT_CA": "ca.pem", "TILLFLOW_SHOPIFY_CERT": "c.pem", "TILLFLOW_SHOPIFY_KEY": "k.pem",
		"TILLFLOW_MASTER_KEYS": key, "TILLFLOW_PAYLOAD_KEYS": key,
		"TILLFLOW_TEMPORAL_ADDRESS": "127.0.0.1:1",
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	t.Run("without a command, or with an unknown one, the list is shown and 2 answered", func(t *testing.T) {
		t.Parallel()
		for _, args := range [][]string{nil, {"pay"}, {"-h"}, {""}} {
			code, out, errOut := main(t, nil, args...)
			require.Equal(t, 2, code)
			require.Empty(t, out)
			require.Contains(t, errOut, "usage: tillflow <command>")
			for _, c := range commands() {
				require.Contains(t, errOut, "  "+c.name+" ")
				require.Contains(t, errOut, c.does)
			}
		}
	})
	t.Run("version is printed", func(t *testing.T) {
		t.Parallel()
		code, out, errOut := main(t, nil, "version")
		require.Zero(t, code)
		require.Equal(t, Version+"\n", out)
		require.Empty(t, errOut)
	})
	for name, tc := range map[string]struct {
		args []string
		says string
	}{
		"payment without a verb":           {[]string{"payment"}, "usage: tillflow payment <verb>"},
		"payment with an unknown verb":     {[]string{"payment", "refund"}, "usage: tillflow payment <verb>"},
		"show without a payment":           {[]string{"payment", "show"}, "usage: tillflow payment <verb>"},
		"show with two payments":           {[]string{"payment", "show", "a", "b"}, "usage: tillflow payment <verb>"},
		"list with an unknown flag":        {[]string{"payment", "list", "-x"}, "-x"},
		"list with a limit that is a word": {[]string{"payment", "list", "-limit", "many"}, "many"},
		"resolve without a reason":         {[]string{"payment", "resolve", "-choice", "paid", "a"}, "-reason is missing"},
		"note without a reason":            {[]string{"payment", "note", "a"}, "-reason is missing"},
		"expire by nobody":                 {[]string{"payment", "expire", "-reason", "r", "-actor", "", "a"}, "-actor is missing"},
		"retry without a payment":          {[]string{"payment", "retry", "-reason", "r"}, "usage: tillflow payment <verb>"},
		"shop without a shop":              {[]string{"shop"}, "-shop is missing"},
		"account without a provider":       {[]string{"account", "-shop", "a", "-label", "Card"}, "-provider is missing"},
		"account without a label":          {[]string{"account", "-shop", "a", "-provider", "stripe"}, "-label is missing"},
		"key without a verb":               {[]string{"key", "-shop", "a"}, "usage: tillflow key <verb>"},
		"key add with an unknown flag":     {[]string{"key", "add", "-secret", "x"}, "-secret"},
		"key add without a label":          {[]string{"key", "add", "-shop", "a"}, "-label is missing"},
		"key rotate without a key":         {[]string{"key", "rotate", "-actor", "ada"}, "usage: tillflow key <verb>"},
		"key revoke of two keys":           {[]string{"key", "revoke", "-actor", "ada", "a", "b"}, "usage: tillflow key <verb>"},
	} {
		t.Run(name+" is called wrongly: 2, before anything is opened", func(t *testing.T) {
			t.Parallel()
			code, out, errOut := main(t, nil, tc.args...)
			require.Equal(t, 2, code, errOut)
			require.Empty(t, out)
			require.Contains(t, errOut, tc.says)
			require.NotContains(t, errOut, "configuration", "the environment is empty and was not asked")
		})
	}
}

func TestExit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		code int
		says string
	}{
		"done is 0":              {nil, 0, ""},
		"failed is 1 and why":    {errors.New("database is away"), 1, "tillflow: database is away\n"},
		"called wrongly is 2":    {errUsage, 2, ""},
		"wrapped wrong use is 2": {fmt.Errorf("key: %w", errUsage), 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			term := at(nil, "")
			require.Equal(t, tc.code, exit(term.env, tc.err))
			require.Equal(t, tc.says, term.err.String())
		})
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	t.Run("all faults of the environment are listed at once, for every command", func(t *testing.T) {
		t.Parallel()
		for _, args := range [][]string{
			{"all"},
			{"serve"},
			{"worker"},
			{"migrate"},
			{"payment", "list"},
			{"payment", "show", "a"},
			{"payment", "note", "-reason", "r", "-actor", "ada", "a"},
			{"shop", "-shop", "a"},
			{"key", "list"},
		} {
			code, _, errOut := main(t, map[string]string{"TILLFLOW_PUBLIC_URL": "pay", "TILLFLOW_CLOCK_OFFSET": "1h"}, args...)
			require.Equal(t, 1, code, args)
			require.Contains(t, errOut, "configuration:\n", args)
			for _, name := range []string{"DATABASE_URL", "PUBLIC_URL", "CLOCK_OFFSET", "MASTER_KEYS", "PAYLOAD_KEYS", "SHOPIFY_CLIENT_CA"} {
				require.Contains(t, errOut, "TILLFLOW_"+name, args)
			}
		}
	})
	t.Run("a log level that does not exist is named", func(t *testing.T) {
		t.Parallel()
		vars := settings()
		vars["TILLFLOW_LOG_LEVEL"] = "chatty"
		code, _, errOut := main(t, vars, "payment", "list")
		require.Equal(t, 1, code)
		require.Contains(t, errOut, "TILLFLOW_LOG_LEVEL")
		require.Contains(t, errOut, "chatty")
	})
	t.Run("keys that are none are named and not repeated", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"TILLFLOW_MASTER_KEYS", "TILLFLOW_PAYLOAD_KEYS"} {
			vars := settings()
			vars[name] = "k1:canary"
			code, _, errOut := main(t, vars, "serve")
			require.Equal(t, 1, code)
			require.Contains(t, errOut, name)
			require.NotContains(t, errOut, "canary")
		}
	})
	t.Run("a database that is away fails the command without its password", func(t *testing.T) {
		t.Parallel()
		for _, args := range [][]string{{"payment", "list"}, {"migrate"}, {"all"}} {
			code, _, errOut := main(t, settings(), args...)
			require.Equal(t, 1, code, args)
			require.Contains(t, errOut, "out of reach", args)
			require.NotContains(t, errOut, "canary", args)
		}
	})
	t.Run("the log goes beside the output, from its level on", func(t *testing.T) {
		t.Parallel()
		vars := settings()
		vars["TILLFLOW_LOG_LEVEL"] = "warn"
		term := at(vars, "")
		c, log, err := load(term.env)
		require.NoError(t, err)
		require.Equal(t, "https://pay.example.com", c.PublicURL)
		log.Info().Msg("quiet")
		log.Warn().Msg("loud")
		require.Empty(t, term.out.String())
		require.NotContains(t, term.err.String(), "quiet")
		require.Contains(t, term.err.String(), `"message":"loud"`)
		require.Contains(t, term.err.String(), `"service":"tillflow"`)
	})
}

func TestReadCredentials(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text string
		want map[string]string
	}{
		"one a line":                          {"secret_key=sk_test_1\nwebhook_secret=whsec_1\n", map[string]string{"secret_key": "sk_test_1", "webhook_secret": "whsec_1"}},
		"blanks, empty lines and line ends":   {"\r\n  secret_key = sk_test_1 \r\n\n", map[string]string{"secret_key": "sk_test_1"}},
		"an equals sign belongs to the value": {"key=YWJj==", map[string]string{"key": "YWJj=="}},
		"an empty value":                      {"key=", map[string]string{"key": ""}},
		"nothing":                             {"", map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := readCredentials(strings.NewReader(tc.text))
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
	for name, text := range map[string]string{
		"a line without an equals sign": "secret_key=sk\ncanary", "a value without a name": "=canary", "a name twice": "key=canary\nkey=canary2",
	} {
		t.Run(name+" is refused and not repeated", func(t *testing.T) {
			t.Parallel()
			_, err := readCredentials(strings.NewReader(text))
			require.Error(t, err)
			require.NotContains(t, err.Error(), "canary")
		})
	}
	t.Run("input that breaks off is refused", func(t *testing.T) {
		t.Parallel()
		_, err := readCredentials(iotest.ErrReader(io.ErrUnexpectedEOF))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}

func TestTwoLines(t *testing.T) {
	t.Parallel()
	first, second, err := twoLines(strings.NewReader(" shpat_1 \r\nshprt_2\n"))
	require.NoError(t, err)
	require.Equal(t, "shpat_1", first.Reveal())
	require.Equal(t, "shprt_2", second.Reveal())

	for input, says := range map[string]string{"": "one is missing", "shpat_canary\n": "one is missing", "\n\n": "one is missing"} {
		term := at(nil, input)
		err := shopCommand(t.Context(), term.env, []string{"-shop", "acme.myshopify.com", "-token"})
		require.ErrorContains(t, err, says, "before the database is opened")
		require.NotContains(t, err.Error(), "canary")
	}
}

func TestDoubtful(t *testing.T) {
	t.Parallel()
	of := func(states ...payment.AttemptState) payment.Details {
		var d payment.Details
		for i, s := range states {
			d.Attempts = append(d.Attempts, payment.AttemptDetails{Attempt: payment.Attempt{ID: fmt.Sprint("a", i), State: s}})
		}
		return d
	}
	id, err := doubtful(of(payment.Declined, payment.Doubtful, payment.Closed))
	require.NoError(t, err)
	require.Equal(t, "a1", id)
	for _, d := range []payment.Details{of(), of(payment.Done)} {
		id, err := doubtful(d)
		require.NoError(t, err)
		require.Empty(t, id, "the decision is about money that is here")
	}
	_, err = doubtful(of(payment.Doubtful, payment.Sent))
	require.ErrorContains(t, err, "-attempt", "nobody guesses which one was looked up")
}

func TestMerchantMessage(t *testing.T) {
	t.Parallel()
	for _, why := range append(payment.DeclineReasons, "new") {
		text := merchantMessage(why)
		require.True(t, strings.HasSuffix(text, "."), text)
		require.Greater(t, len(text), 20, why)
	}
	require.Contains(t, merchantMessage(payment.InsufficientFunds), "insufficient_funds")
}

func TestTold(t *testing.T) {
	t.Parallel()
	got, err := told(shopify.Result{NextURL: "https://shop/thanks", RequestID: "r1"}, nil)
	require.NoError(t, err)
	require.Equal(t, payment.Told{NextURL: "https://shop/thanks", RequestID: "r1"}, got)
	for code, want := range map[string]string{"": "refused", "INVALID_STATE": "INVALID_STATE"} {
		got, err := told(shopify.Result{UserErrors: []shopify.UserError{{Message: "no", Code: code}}}, nil)
		require.NoError(t, err, "a refusal is an answer")
		require.Equal(t, want, got.Refused)
	}
	_, err = told(shopify.Result{}, io.ErrUnexpectedEOF)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}
