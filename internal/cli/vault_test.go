package cli

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

const (
	oldMaster = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	newMaster = "k2:QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="
)

// starts runs the service without any role, as far as to its end.
func (o *office) starts() error {
	term := at(o.vars, "")
	c, _, err := load(term.env)
	require.NoError(o.t, err)
	s, err := New(o.t.Context(), c, Options{Log: zerolog.Nop()})
	require.NoError(o.t, err)
	return s.Run(o.t.Context())
}

func TestVaultCommand(t *testing.T) {
	t.Parallel()
	o := archive(t, 0)
	o.shop = "rotated.myshopify.com"
	o.must("", "shop", "-shop", o.shop, "-actor", "root")
	o.must("key=sandbox\n", "account", "-shop", o.shop, "-provider", "sandbox", "-label", "Sandbox", "-actor", "root")
	o.pay("order-" + uuid.NewString())
	require.Regexp(t, `k1 +first: seals +accounts +1\n`, o.must("", "vault", "keys"))
	require.NoError(t, o.starts())

	o.vars["TILLFLOW_MASTER_KEYS"] = newMaster
	require.Regexp(t, `k1 +MISSING +accounts +1\n`, o.must("", "vault", "keys"))
	err := o.starts()
	require.ErrorContains(t, err, "TILLFLOW_MASTER_KEYS lacks what the record is sealed under: k1.")
	require.ErrorContains(t, err, "tillflow vault rewrap")
	code, out, errOut := o.command("", "vault", "rewrap", "-actor", "root")
	require.Equal(t, 1, code, "without the old key nothing can be moved")
	require.Contains(t, out, "0 data keys")
	require.Contains(t, errOut, "still need another key")

	o.vars["TILLFLOW_MASTER_KEYS"] = newMaster + "," + oldMaster
	require.Regexp(t, `k1 +opens +accounts +1\n`, o.must("", "vault", "keys"))
	require.NoError(t, o.starts())
	require.Regexp(t, `^1 data keys and 0 buyers moved`, o.must("", "vault", "rewrap", "-batch", "1", "-actor", "root"))
	require.NotContains(t, o.must("", "vault", "keys"), "k1")

	o.vars["TILLFLOW_MASTER_KEYS"] = newMaster
	require.NoError(t, o.starts(), "the old key may go")
	require.Contains(t, o.must("", "account", "-shop", o.shop, "-provider", "sandbox", "-label", "Sandbox", "-disable", "-actor", "root"), "account ")
	require.Regexp(t, `^ok: \d+ rows`, o.must("", "audit", "verify"))
	list := o.must("", "audit", "list", "-action", "vault.rewrap")
	require.Equal(t, 5, strings.Count(list, "\n"), "two runs, each begun and done")
}
