package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"tillflow/activities"
	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
)

const guarded = "a.myshopify.com"

// watchman is a record, a shop, a list of versions and a mailer in one.
type watchman struct {
	shops    []app.Guarded
	turn     bool
	returned time.Duration
	known    map[string]bool // resources that a webhook has told
	until    time.Time
	checked  []app.Checkup
	warnings map[string]app.Warning
	sent     []string

	made       []app.Topic
	restoreErr error
	pages      [][]app.Delivery
	walkErr    error
	since      time.Time
	warning    string
	versionErr error
	mailErr    error
	mails      int
	recordErr  error
}

func (w *watchman) DueGuards(context.Context, int) ([]app.Guarded, error) {
	return w.shops, w.recordErr
}

func (w *watchman) PutCheckup(_ context.Context, c app.Checkup) error {
	w.checked = append(w.checked, c)
	return w.recordErr
}

func (w *watchman) PutGuardUntil(_ context.Context, _ string, until time.Time) error {
	w.until = until
	return nil
}

func (w *watchman) BackfillDelivery(_ context.Context, d app.Delivery) (bool, error) {
	if w.known[d.Resource] {
		return false, nil
	}
	w.known[d.Resource] = true
	return true, nil
}

func (w *watchman) TakeTurn(context.Context, string, time.Duration) (bool, error) { return w.turn, nil }

func (w *watchman) ReturnTurn(_ context.Context, _ string, pause time.Duration) error {
	w.returned = pause
	return nil
}

func (w *watchman) RaiseWarning(_ context.Context, warning app.Warning) (bool, error) {
	_, known := w.warnings[warning.Key]
	w.warnings[warning.Key] = warning
	return !known, nil
}

func (w *watchman) EndWarning(_ context.Context, key string) error {
	delete(w.warnings, key)
	return nil
}

func (w *watchman) DueWarnings(context.Context, int) ([]app.Warning, error) {
	var list []app.Warning
	for _, warning := range w.warnings {
		list = append(list, warning)
	}
	return list, nil
}

func (w *watchman) WarningSent(_ context.Context, key string) error {
	w.sent = append(w.sent, key)
	return nil
}

func (w *watchman) Restore(context.Context, string) (made, refused []app.Topic, err error) {
	return w.made, nil, w.restoreErr
}

func (w *watchman) Changes(_ context.Context, _ string, since, _ time.Time, take func([]app.Delivery) error) error {
	w.since = since
	for _, page := range w.pages {
		if err := take(page); err != nil {
			return err
		}
	}
	return w.walkErr
}

func (w *watchman) Warning(context.Context) (string, error) { return w.warning, w.versionErr }

func (w *watchman) SendWarnings(context.Context, app.WarningKind, []app.Warning) error {
	w.mails++
	return w.mailErr
}

var guardNow = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func watch(change ...func(*watchman)) (*watchman, *activities.Guard) {
	w := &watchman{known: map[string]bool{}, warnings: map[string]app.Warning{}}
	for _, c := range change {
		c(w)
	}
	return w, &activities.Guard{
		Records: w, Deliveries: w, Versions: map[string]activities.Versions{"Admin": w}, Mail: w,
		Now: func() time.Time { return guardNow }, Log: zerolog.Nop(), Every: time.Hour, Grace: activities.DefaultGrace,
	}
}

// look runs GuardShop as a worker does.
func look(t *testing.T, g *activities.Guard, in app.Guarded) (app.Checkup, error) {
	t.Helper()
	in.Shop = guarded
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(g)
	value, err := env.ExecuteActivity(g.GuardShop, in)
	if err != nil {
		return app.Checkup{}, err
	}
	var done app.Checkup
	require.NoError(t, value.Get(&done))
	return done, nil
}

func changed(id string, at time.Time) app.Delivery {
	return app.Delivery{Resource: "gid://shopify/Order/" + id, TriggeredAt: at}
}

func TestGuardShop(t *testing.T) {
	t.Parallel()
	first := guardNow.Add(-time.Hour)
	missed := func(w *watchman) {
		w.made = []app.Topic{app.OrdersPaid}
		w.pages = [][]app.Delivery{{changed("1", first), changed("2", first.Add(time.Minute))}, {changed("3", first.Add(2*time.Minute))}}
		w.known["gid://shopify/Order/2"] = true
	}
	t.Run("a lost subscription is made again, missed orders are filled in once, and a person is told once", func(t *testing.T) {
		t.Parallel()
		w, g := watch(missed)
		done, err := look(t, g, app.Guarded{Since: first, Before: true, Tries: 1})
		require.NoError(t, err)
		require.Equal(t, 3, done.Seen)
		require.Equal(t, 2, done.Filled)
		require.Equal(t, guardNow.Add(-activities.DefaultGrace), done.Until)
		require.Equal(t, guardNow.Add(time.Hour), done.NextAt)
		require.Equal(t, first.Add(-activities.DefaultGrace), w.since, "a stretch that is known is read again")
		require.Equal(t, []app.Checkup{done}, w.checked)
		require.Len(t, w.warnings, 1)
		w.made = nil
		done, err = look(t, g, app.Guarded{Since: done.Until, Before: true, Tries: 1})
		require.NoError(t, err)
		require.Zero(t, done.Filled)
		require.Len(t, w.warnings, 1)
	})
	t.Run("the first look sets up and warns of nothing", func(t *testing.T) {
		t.Parallel()
		w, g := watch(missed)
		done, err := look(t, g, app.Guarded{Since: first, Tries: 1})
		require.NoError(t, err)
		require.Equal(t, 2, done.Filled)
		require.Empty(t, w.warnings)
	})
	t.Run("what a look has read before trouble is not read again, and trouble is no error", func(t *testing.T) {
		t.Parallel()
		w, g := watch(missed, func(w *watchman) {
			w.walkErr = &payment.Error{Class: payment.Unavailable, Code: "http_500", Message: "canary"}
		})
		done, err := look(t, g, app.Guarded{Since: first, Before: true, Tries: 2})
		require.NoError(t, err)
		require.Equal(t, string(payment.Unavailable)+" http_500", done.Trouble, "class and code, never a foreign text")
		require.Equal(t, guardNow.Add(2*time.Minute), done.NextAt, "the pause doubles")
		require.Zero(t, done.Until)
		require.Equal(t, first.Add(2*time.Minute), w.until)
	})
	t.Run("trouble that lasts is told once, and forgotten when it is over", func(t *testing.T) {
		t.Parallel()
		w, g := watch(func(w *watchman) {
			w.restoreErr = &payment.Error{Class: payment.Unauthorized, Code: "no_token"}
		})
		for tries := 1; tries <= 6; tries++ {
			done, err := look(t, g, app.Guarded{Since: first, Tries: tries})
			require.NoError(t, err)
			require.NotEmpty(t, done.Trouble)
			require.Len(t, w.warnings, min(1, tries/4))
			require.LessOrEqual(t, done.NextAt.Sub(guardNow), time.Hour)
		}
		w.restoreErr = nil
		_, err := look(t, g, app.Guarded{Since: first, Tries: 7})
		require.NoError(t, err)
		require.Empty(t, w.warnings)
	})
	t.Run("a record that cannot be reached is an error: the claim comes up again", func(t *testing.T) {
		t.Parallel()
		_, g := watch(func(w *watchman) { w.recordErr = errors.New("gone") })
		_, err := look(t, g, app.Guarded{Since: first, Tries: 1})
		hasClass(t, payment.Unavailable, err)
	})
}

func TestGuardDue(t *testing.T) {
	t.Parallel()
	w, g := watch(func(w *watchman) { w.shops, w.turn = []app.Guarded{{Shop: guarded}}, true })
	due, err := g.GuardDue(t.Context())
	require.NoError(t, err)
	require.Equal(t, activities.GuardDueResult{Shops: w.shops, Versions: true}, due)
	g.Deliveries = nil
	due, err = g.GuardDue(t.Context())
	require.NoError(t, err)
	require.Empty(t, due.Shops, "without the second app there is nothing to guard")
	require.True(t, due.Versions)
}

func TestCheckVersions(t *testing.T) {
	t.Parallel()
	t.Run("an ageing version is said once", func(t *testing.T) {
		t.Parallel()
		w, g := watch(func(w *watchman) { w.warning = "it ends" })
		for range 2 {
			done, err := g.CheckVersions(t.Context())
			require.NoError(t, err)
			require.Equal(t, activities.VersionsResult{Checked: 1, Warned: 1}, done)
			require.Len(t, w.warnings, 1)
		}
		w.warning = "it has ended"
		_, err := g.CheckVersions(t.Context())
		require.NoError(t, err)
		require.Len(t, w.warnings, 2, "a change for the worse is news")
	})
	t.Run("while all is well nothing is said", func(t *testing.T) {
		t.Parallel()
		w, g := watch()
		_, err := g.CheckVersions(t.Context())
		require.NoError(t, err)
		require.Empty(t, w.warnings)
		require.Zero(t, w.returned)
	})
	t.Run("a check that fails is due again in an hour", func(t *testing.T) {
		t.Parallel()
		w, g := watch(func(w *watchman) { w.versionErr = errors.New("gone") })
		_, err := g.CheckVersions(t.Context())
		require.NoError(t, err)
		require.Equal(t, time.Hour, w.returned)
	})
}

func TestSendWarnings(t *testing.T) {
	t.Parallel()
	w, g := watch(func(w *watchman) {
		for key, kind := range map[string]app.WarningKind{"a": app.WarnLost, "b": app.WarnLost, "c": app.WarnVersion} {
			w.warnings[key] = app.Warning{Key: key, Kind: kind}
		}
	})
	done, err := g.SendWarnings(t.Context())
	require.NoError(t, err)
	require.Equal(t, activities.SendWarningsResult{Sent: 3}, done)
	require.ElementsMatch(t, []string{"a", "b", "c"}, w.sent)
	require.Equal(t, 2, w.mails, "one of a kind")
	w.mailErr = errors.New("gone")
	done, err = g.SendWarnings(t.Context())
	require.NoError(t, err)
	require.Equal(t, activities.SendWarningsResult{Failed: 3}, done)
	require.Len(t, w.sent, 3, "one that was not taken stays due")
}
