package console_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/api/console"
	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/crypt"
	"tillflow/internal/payment"
	"tillflow/internal/privacy"
)

const (
	openRequest   = "0198aaaa-0000-7000-8000-000000000001"
	servedRequest = "0198aaaa-0000-7000-8000-000000000002"
	dataRequest   = "0198aaaa-0000-7000-8000-000000000003"
)

// erasures is the record of three requests.
type erasures struct{ woken chan privacy.Ref }

func (e erasures) lines() []privacy.Line {
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	line := func(id string, kind privacy.Kind, state privacy.State) privacy.Line {
		return privacy.Line{
			Ref: privacy.Ref{ID: id, Shop: shop, Kind: kind, ReceivedAt: at, DueAt: at.AddDate(0, 0, 30)}, State: state, Subjects: 1, Payments: 2,
		}
	}
	waits, served, told := line(openRequest, privacy.Customer, privacy.Erased), line(servedRequest, privacy.Shop, privacy.Done), line(dataRequest, privacy.DataRequest, privacy.Done)
	waits.Trouble, waits.Since = privacy.Residue, at
	waits.Scan = &privacy.Scan{At: at, Words: 40, Places: []privacy.Place{
		{Name: "database", Searched: "1000 rows of 30 tables", Found: 1, Where: []string{"shops: 1 rows"}}, {Name: "logs", Skipped: "TILLFLOW_PRIVACY_LOGS is not set"},
	}}
	served.Certificate, served.ErasedAt, served.DoneAt = "{\"certificate\":1}\n", at, at
	told.Export = &privacy.Export{ExpiresAt: at.AddDate(0, 0, 7), Downloads: 1, Open: true}
	return []privacy.Line{waits, served, told}
}

func (e erasures) PrivacyRequests(_ context.Context, waiting bool, _ int) ([]privacy.Line, error) {
	if waiting {
		return e.lines()[:1], nil
	}
	return e.lines(), nil
}

func (e erasures) PrivacyRequest(_ context.Context, id string) (privacy.Line, error) {
	for _, l := range e.lines() {
		if l.ID == id {
			return l, nil
		}
	}
	return privacy.Line{}, &payment.Error{Class: payment.NotFound, Message: "none"}
}

func (e erasures) ExportPassphrase(_ context.Context, id string, who audit.Actor) (crypt.Secret, error) {
	if id != dataRequest || who.Name == "" {
		return "", &payment.Error{Class: payment.NotFound, Message: "none"}
	}
	return "ABCD-EFGH-IJKL-MNOP", nil
}

func (e erasures) WakeErasure(_ context.Context, ref privacy.Ref) error {
	e.woken <- ref
	return nil
}

func TestErasures(t *testing.T) {
	t.Parallel()
	const at = "/console/erasures"
	with := func(t *testing.T) (*house, erasures) {
		t.Helper()
		e := erasures{make(chan privacy.Ref, 1)}
		return furnish(t, func(o *console.Options) { o.Erasures, o.ErasureRuns = e, e }), e
	}
	t.Run("without them there is no page and no way to it", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, http.StatusNotFound, furnish(t).get(access.Admin, at).status)
	})
	t.Run("an administrator sees what is due when, and nobody else does", func(t *testing.T) {
		t.Parallel()
		h, _ := with(t)
		h.get(access.Admin, at).shows(http.StatusOK, "Erasures", "customer", "shop", "data request", "20 Dec 2026 12:00", "residue", "Download")
		h.get(access.Admin, at+"?waiting=1").shows(http.StatusOK, "customer").lacks("data request")
		for _, role := range []access.Role{access.Viewer, access.Operator, access.Finance} {
			for _, path := range []string{at, at + "/" + openRequest, at + "/" + servedRequest + "/certificate"} {
				h.get(role, path).shows(http.StatusForbidden)
			}
			h.post(role, at+"/"+openRequest+"/look").shows(http.StatusForbidden)
			h.post(role, at+"/"+dataRequest+"/passphrase").shows(http.StatusForbidden).lacks("ABCD-")
		}
	})
	t.Run("one request says what happened, where something is left, and what to do", func(t *testing.T) {
		t.Parallel()
		h, _ := with(t)
		h.get(access.Admin, at+"/"+openRequest).shows(http.StatusOK, "Remove the text there", "shops: 1 rows", "TILLFLOW_PRIVACY_LOGS is not set", "The law’s last moment", "Look again now").
			lacks("Download the certificate", "passphrase")
		h.get(access.Admin, at+"/"+servedRequest).shows(http.StatusOK, "Download the certificate", "Amounts and books stayed").lacks("Look again now")
		h.get(access.Admin, at+"/"+dataRequest).shows(http.StatusOK, "Show the passphrase", "fetched 1 times").lacks("ABCD-")
		h.get(access.Admin, at+"/0198aaaa-0000-7000-8000-00000000000f").shows(http.StatusNotFound)
	})
	t.Run("a certificate is a file", func(t *testing.T) {
		t.Parallel()
		h, _ := with(t)
		require.JSONEq(t, `{"certificate":1}`, h.get(access.Admin, at+"/"+servedRequest+"/certificate").html)
		h.get(access.Admin, at+"/"+openRequest+"/certificate").shows(http.StatusNotFound)
	})
	t.Run("looking again wakes the run and stands in the audit", func(t *testing.T) {
		t.Parallel()
		h, e := with(t)
		h.post(access.Admin, at+"/"+openRequest+"/look")
		require.Equal(t, openRequest, (<-e.woken).ID)
		h.get(access.Admin, "/console/audit").shows(http.StatusOK, "privacy.look")
		h.post(access.Admin, at+"/"+servedRequest+"/look").shows(http.StatusConflict)
	})
	t.Run("the passphrase is shown to who asks for it by a form, and never by an address", func(t *testing.T) {
		t.Parallel()
		h, _ := with(t)
		h.post(access.Admin, at+"/"+dataRequest+"/passphrase").shows(http.StatusOK, "ABCD-EFGH-IJKL-MNOP")
		require.NotEqual(t, http.StatusOK, h.get(access.Admin, at+"/"+dataRequest+"/passphrase").status)
		h.post(access.Admin, at+"/"+servedRequest+"/passphrase").shows(http.StatusConflict, "The export is over")
	})
	t.Run("half of what they need is refused", func(t *testing.T) {
		t.Parallel()
		var o console.Options
		furnish(t, func(given *console.Options) {
			given.Erasures, given.ErasureRuns = erasures{}, erasures{}
			o = *given
		})
		o.ErasureRuns = nil
		_, err := console.New(o)
		require.ErrorContains(t, err, "missing")
	})
}
