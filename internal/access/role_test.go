package access_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
)

func TestRoles(t *testing.T) {
	t.Parallel()
	const yes, no = true, false
	// The whole table, so that a right that is added or lost is seen here.
	for role, may := range map[access.Role]map[access.Permission]bool{
		access.Viewer: {
			access.SeePayments: yes, access.ActOnPayments: no, access.ReleaseMoney: no, access.ManageAccounts: no,
			access.ManageUsers: no, access.ManageKeys: no, access.ReadAudit: no, access.Erase: no,
		},
		access.Operator: {
			access.SeePayments: yes, access.ActOnPayments: yes, access.ReleaseMoney: no, access.ManageAccounts: no,
			access.ManageUsers: no, access.ManageKeys: no, access.ReadAudit: no, access.Erase: no,
		},
		access.Finance: {
			access.SeePayments: yes, access.ActOnPayments: yes, access.ReleaseMoney: yes, access.ManageAccounts: no,
			access.ManageUsers: no, access.ManageKeys: no, access.ReadAudit: yes, access.Erase: no,
		},
		access.Admin: {
			access.SeePayments: yes, access.ActOnPayments: yes, access.ReleaseMoney: no, access.ManageAccounts: yes,
			access.ManageUsers: yes, access.ManageKeys: yes, access.ReadAudit: yes, access.Erase: yes,
		},
		"":      {},
		"owner": {},
	} {
		t.Run("what "+string(role)+" may", func(t *testing.T) {
			t.Parallel()
			for _, permission := range access.Permissions() {
				require.Equal(t, may[permission], role.May(permission), permission)
			}
			require.False(t, role.May("fly"), "nobody may what is unknown")
			require.False(t, role.May(""))
		})
	}
	t.Run("only roles are read", func(t *testing.T) {
		t.Parallel()
		for _, role := range access.Roles() {
			got, err := access.ParseRole(string(role))
			require.NoError(t, err)
			require.Equal(t, role, got)
		}
		for _, text := range []string{"", "Admin", "root", "admin "} {
			_, err := access.ParseRole(text)
			require.ErrorIs(t, err, access.ErrRole, text)
		}
	})
}

func TestRoleRules(t *testing.T) {
	t.Parallel()
	rules, err := access.ParseRoleRules("pay-admins=admin, cn=Finance Team=finance,staff=viewer")
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		claim any
		role  access.Role
		ok    bool
	}{
		"a text":                                {"staff", access.Viewer, true},
		"a list":                                {[]any{"x", "cn=Finance Team"}, access.Finance, true},
		"of several the first rule decides":     {[]any{"staff", "pay-admins"}, access.Admin, true},
		"a value that no rule has":              {"strangers", "", false},
		"part of a value":                       {"pay-admin", "", false},
		"another case of letters":               {"STAFF", "", false},
		"no claim":                              {nil, "", false},
		"an empty text":                         {"", "", false},
		"a number":                              {7.0, "", false},
		"a list of other things":                {[]any{1.0, true, nil, map[string]any{"staff": "staff"}}, "", false},
		"a list in a text is not taken to bits": {"staff,pay-admins", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			role, ok := rules.Role(tc.claim)
			require.Equal(t, tc.ok, ok)
			require.Equal(t, tc.role, role)
		})
	}
	t.Run("without rules nobody has a role", func(t *testing.T) {
		t.Parallel()
		none, err := access.ParseRoleRules(" ")
		require.NoError(t, err)
		_, ok := none.Role("staff")
		require.False(t, ok)
	})
	t.Run("what is no rule is named by its place", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{"a=admin,b", "a=admin,=viewer", "a=admin, =viewer", "a=admin,b=king", "a=admin,"} {
			_, err := access.ParseRoleRules(text)
			require.ErrorContains(t, err, "role rule 2", text)
		}
	})
}

func TestCleanName(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"Ada": "ada", "  ada@example.com ": "ada@example.com", "Ada Lovelace": "ada lovelace", "ÄRGER": "ärger"} {
		got, err := access.CleanName(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	long := make([]byte, 101)
	for i := range long {
		long[i] = 'a'
	}
	for _, text := range []string{"", "   ", "a\nb", "a\x00b", "a\u202eb", "\xff", string(long)} {
		_, err := access.CleanName(text)
		require.ErrorIs(t, err, access.ErrName, "%q", text)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	got, err := access.ParseScopes("payment:write, payment:read,payment:write")
	require.NoError(t, err)
	require.Equal(t, []access.Scope{access.ReadPaymentScope, access.WritePaymentScope}, got)
	got, err = access.ParseScopes("plan:write,subscription:write,subscription:read,payment:write,payment:read")
	require.NoError(t, err)
	require.Equal(t, access.Scopes(), got)
	got, err = access.ParseScopes("payment:read")
	require.NoError(t, err)
	key := access.APIKey{Scopes: got}
	require.True(t, key.May(access.ReadPaymentScope))
	require.False(t, key.May(access.WritePaymentScope))
	for _, text := range []string{"", "payment", "payment:read,", "Payment:read"} {
		_, err := access.ParseScopes(text)
		require.ErrorIs(t, err, access.ErrScope, text)
	}
}
