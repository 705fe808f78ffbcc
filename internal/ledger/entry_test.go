package ledger_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/ledger"
	"tillflow/internal/money"
)

func TestNewEntry(t *testing.T) {
	t.Parallel()
	provider := ledger.ProviderClearing(ledger.ModeLive, "acct_1")
	merchant := ledger.MerchantPayable(ledger.ModeLive, "a.myshopify.com")
	fees := ledger.Fees(ledger.ModeLive, "acct_1")
	good := []ledger.Posting{{provider, eur(1230)}, {merchant, eur(-1230)}}

	t.Run("several accounts and currencies balance each for itself", func(t *testing.T) {
		t.Parallel()
		entry, err := ledger.NewEntry(ref("key"), ledger.KindCharge,
			ledger.Posting{provider, eur(1187)}, ledger.Posting{fees, eur(43)}, ledger.Posting{merchant, eur(-1230)},
			ledger.Posting{provider, jpy(5)}, ledger.Posting{merchant, jpy(-5)})
		require.NoError(t, err)
		require.Len(t, entry.Postings, 5)
	})
	t.Run("the caller's postings are left as they are", func(t *testing.T) {
		t.Parallel()
		given := []ledger.Posting{{provider, eur(1)}, {merchant, eur(-1)}}
		entry, err := ledger.NewEntry(ref("key"), ledger.KindCharge, given...)
		require.NoError(t, err)
		require.Equal(t, merchant, entry.Postings[0].Account, "entries keep their postings by account")
		require.Equal(t, provider, given[0].Account)
	})

	for _, c := range []struct {
		rule     string
		ref      ledger.Ref
		kind     ledger.Kind
		postings []ledger.Posting
		want     error
	}{
		{"no key", ledger.Ref{PaymentID: "p", OperationID: "o"}, ledger.KindCharge, good, ledger.ErrMalformed},
		{"no payment", ledger.Ref{Key: "k", OperationID: "o"}, ledger.KindCharge, good, ledger.ErrMalformed},
		{"no operation", ledger.Ref{Key: "k", PaymentID: "p"}, ledger.KindCharge, good, ledger.ErrMalformed},
		{"an unknown kind", ref("k"), "gift", good, ledger.ErrMalformed},
		{"no postings", ref("k"), ledger.KindCharge, nil, ledger.ErrMalformed},
		{"a single posting", ref("k"), ledger.KindCharge, good[:1], ledger.ErrMalformed},
		{"a posting of zero", ref("k"), ledger.KindCharge, append(slices.Clone(good), ledger.Posting{fees, eur(0)}), ledger.ErrMalformed},
		{"an account posted twice", ref("k"), ledger.KindCharge, []ledger.Posting{{provider, eur(2)}, {provider, eur(-1)}, {merchant, eur(-1)}}, ledger.ErrMalformed},
		{"test and live money together", ref("k"), ledger.KindCharge, []ledger.Posting{{provider, eur(1)}, {ledger.MerchantPayable(ledger.ModeTest, "a.myshopify.com"), eur(-1)}}, ledger.ErrMalformed},
		{"an account of no family", ref("k"), ledger.KindCharge, []ledger.Posting{{"live/cash:1", eur(1)}, {merchant, eur(-1)}}, ledger.ErrMalformed},
		{"an amount without currency", ref("k"), ledger.KindCharge, []ledger.Posting{{provider, money.New(1, "")}, {merchant, money.New(-1, "")}}, ledger.ErrMalformed},
		{"a sum beyond 64 bits", ref("k"), ledger.KindCharge, []ledger.Posting{{provider, eur(math.MaxInt64)}, {fees, eur(2)}, {merchant, eur(-1)}}, ledger.ErrMalformed},
		{"a cent missing", ref("k"), ledger.KindCharge, []ledger.Posting{{provider, eur(1230)}, {merchant, eur(-1229)}}, ledger.ErrUnbalanced},
		{"two currencies netted", ref("k"), ledger.KindCharge, []ledger.Posting{{provider, eur(5)}, {merchant, jpy(-5)}}, ledger.ErrUnbalanced},
		{"two debits", ref("k"), ledger.KindCharge, []ledger.Posting{{provider, eur(5)}, {merchant, eur(5)}}, ledger.ErrUnbalanced},
	} {
		t.Run(c.rule+" is refused", func(t *testing.T) {
			t.Parallel()
			entry, err := ledger.NewEntry(c.ref, c.kind, c.postings...)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, ledger.Entry{}, entry)
		})
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	entry := must(t)(books().Charge(ref("charge/pay-1/1"), eur(1230)))

	t.Run("the hash of known content never changes", func(t *testing.T) {
		t.Parallel()
		hash := entry.Hash()
		require.Equal(t, "f3f16e4088481c94cdf7de22f312541cbd1bc342c3efab98eb1b13982d19801b", hex.EncodeToString(hash[:]))
	})
	t.Run("the order of postings does not count", func(t *testing.T) {
		t.Parallel()
		turned := entry
		turned.Postings = slices.Clone(entry.Postings)
		slices.Reverse(turned.Postings)
		require.Equal(t, entry.Hash(), turned.Hash())
	})
	t.Run("a round trip through JSON does not count", func(t *testing.T) {
		t.Parallel()
		data, err := json.Marshal(entry)
		require.NoError(t, err)
		var back ledger.Entry
		require.NoError(t, json.Unmarshal(data, &back))
		require.NoError(t, back.Validate())
		require.Equal(t, entry.Hash(), back.Hash())
	})
	t.Run("any other content has another hash", func(t *testing.T) {
		t.Parallel()
		other := books()
		other.ProviderAccount = "acct_2"
		hashes := map[[32]byte]string{entry.Hash(): "the entry"}
		for rule, changed := range map[string]ledger.Entry{
			"another key":       must(t)(books().Charge(ref("charge/pay-1/2"), eur(1230))),
			"another payment":   must(t)(books().Charge(ledger.Ref{Key: "charge/pay-1/1", PaymentID: "pay-2", OperationID: "op-1"}, eur(1230))),
			"another operation": must(t)(books().Charge(ledger.Ref{Key: "charge/pay-1/1", PaymentID: "pay-1", OperationID: "op-2"}, eur(1230))),
			"moved borders":     must(t)(books().Charge(ledger.Ref{Key: "charge/pay-1/1", PaymentID: "pay-1o", OperationID: "p-1"}, eur(1230))),
			"another amount":    must(t)(books().Charge(ref("charge/pay-1/1"), eur(1231))),
			"another currency":  must(t)(books().Charge(ref("charge/pay-1/1"), jpy(1230))),
			"another account":   must(t)(other.Charge(ref("charge/pay-1/1"), eur(1230))),
			"another kind":      {Ref: entry.Ref, Kind: ledger.KindCapture, Postings: entry.Postings},
			"the other way":     must(t)(books().ReverseCharge(ref("charge/pay-1/1"), eur(1230))),
		} {
			hash := changed.Hash()
			require.NotContains(t, hashes, hash, "%s has the hash of %s", rule, hashes[hash])
			hashes[hash] = rule
		}
	})
}

func TestAccount(t *testing.T) {
	t.Parallel()
	post := func(mode ledger.Mode, account ledger.Account) error {
		other := ledger.Fees(mode, "other")
		_, err := ledger.NewEntry(ref("key"), ledger.KindCharge, ledger.Posting{account, eur(1)}, ledger.Posting{other, eur(-1)})
		return err
	}
	t.Run("constructed names are stable, and entries take them", func(t *testing.T) {
		t.Parallel()
		for want, account := range map[string]ledger.Account{
			"live/provider:acct_1":          ledger.ProviderClearing(ledger.ModeLive, "acct_1"),
			"test/merchant:a.myshopify.com": ledger.MerchantPayable(ledger.ModeOf(true), "a.myshopify.com"),
			"live/fees:acct_1":              ledger.Fees(ledger.ModeOf(false), "acct_1"),
			"test/authorized:acct_1":        ledger.AuthorizedHold(ledger.ModeTest, "acct_1"),
			"test/authorized-contra:acct_1": ledger.AuthorizedContra(ledger.ModeTest, "acct_1"),
			"live/refunds:acct_1":           ledger.RefundsInTransit(ledger.ModeLive, "acct_1"),
			"live/disputes:acct_1":          ledger.Disputes(ledger.ModeLive, "acct_1"),
		} {
			require.Equal(t, want, string(account))
			require.NoError(t, post(account.Mode(), account))
		}
	})
	for rule, name := range map[string]string{
		"nothing":               "",
		"no mode":               "provider:acct_1",
		"an unknown mode":       "sandbox/provider:acct_1",
		"no family":             "live/acct_1",
		"an unknown family":     "live/cash:acct_1",
		"no id":                 "live/provider:",
		"a slash in the id":     "live/provider:a/b",
		"a colon in the id":     "live/provider:a:b",
		"a space in the id":     "live/provider:a b",
		"a new line at the end": "live/provider:a\n",
		"an id without end":     "live/provider:" + strings.Repeat("a", 201),
	} {
		t.Run(rule+" is no account", func(t *testing.T) {
			t.Parallel()
			err := post(ledger.ModeLive, ledger.Account(name))
			require.ErrorIs(t, err, ledger.ErrMalformed)
			require.ErrorContains(t, err, fmt.Sprintf("account %.80q", name))
			require.Less(t, len(err.Error()), 200, "input is not echoed without bound")
		})
	}
}
