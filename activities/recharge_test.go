package activities_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/activities"
	"tillflow/internal/payment"
	"tillflow/internal/recharge"
	"tillflow/internal/shopify/app"
)

// ledgerOfVisits is a record that remembers what it was told.
type ledgerOfVisits struct {
	activities.RechargeRecords

	at         recharge.Position
	known      map[int64]recharge.Charge
	exhausted  map[int64]bool
	arrived    []recharge.Arrived
	ended      map[string]string
	stale      []int64
	lost       []int64
	visited    []recharge.Visited
	reports    []recharge.Report
	sent       []string
	due        []int64
	begun      map[int64]*recharge.Processing
	put        []recharge.Processing
	rest       time.Time
	warnings   map[string]app.Warning
	endWarning int
}

func newVisits() *ledgerOfVisits {
	return &ledgerOfVisits{
		known: map[int64]recharge.Charge{}, exhausted: map[int64]bool{}, ended: map[string]string{}, begun: map[int64]*recharge.Processing{},
		warnings: map[string]app.Warning{},
	}
}

func (l *ledgerOfVisits) PutRechargeVisit(_ context.Context, v recharge.Visited) error {
	l.visited = append(l.visited, v)
	return nil
}
func (l *ledgerOfVisits) RechargeJournal(string) recharge.Journal { return l }
func (l *ledgerOfVisits) Position(context.Context) (recharge.Position, error) {
	return l.at, nil
}

func (l *ledgerOfVisits) Keep(_ context.Context, found recharge.Findings, behind func([]int64) recharge.Position) error {
	var fresh []int64
	for _, c := range found.Charges {
		if _, known := l.known[c.ID]; !known {
			fresh = append(fresh, c.ID)
		}
		l.known[c.ID] = c
	}
	l.at = behind(fresh)
	return nil
}

func (l *ledgerOfVisits) KeepCharge(_ context.Context, _ string, c recharge.Charge, exhausted bool) error {
	l.known[c.ID], l.exhausted[c.ID] = c, exhausted
	return nil
}

func (l *ledgerOfVisits) StaleCharges(context.Context, string, time.Time, int) ([]int64, error) {
	return l.stale, nil
}

func (l *ledgerOfVisits) LoseCharge(_ context.Context, _ string, id int64) error {
	l.lost = append(l.lost, id)
	return nil
}

func (l *ledgerOfVisits) DueRechargeDeliveries(context.Context, string, int) ([]recharge.Arrived, error) {
	return slices.DeleteFunc(slices.Clone(l.arrived), func(a recharge.Arrived) bool { _, done := l.ended[a.Key]; return done }), nil
}

func (l *ledgerOfVisits) EndRechargeDelivery(_ context.Context, _, key, note string) error {
	l.ended[key] = note
	return nil
}

func (l *ledgerOfVisits) ReportCharges(context.Context, string) (int, error) {
	return len(l.reports), nil
}

func (l *ledgerOfVisits) DueReports(context.Context, string, int) ([]recharge.Report, error) {
	return l.reports, nil
}

func (l *ledgerOfVisits) ReportSent(_ context.Context, id string) error {
	l.sent = append(l.sent, id)
	return nil
}

func (l *ledgerOfVisits) DueProcessings(context.Context, string, int) ([]int64, error) {
	return l.due, nil
}

func (l *ledgerOfVisits) BeginProcessing(_ context.Context, shop string, id int64) (recharge.Processing, bool, error) {
	if p := l.begun[id]; p != nil {
		again := *p
		again.Again = true
		return again, true, nil
	}
	p := recharge.Processing{Shop: shop, ChargeID: id, Mark: recharge.Mark{ChargeID: id, Attempts: 1}, Outcome: recharge.OutcomeSent, Tries: 1}
	l.begun[id] = &p
	return p, true, nil
}

func (l *ledgerOfVisits) PutProcessing(_ context.Context, p recharge.Processing) error {
	l.put = append(l.put, p)
	return nil
}

func (l *ledgerOfVisits) RestProcessing(_ context.Context, _ string, until time.Time) error {
	l.rest = until
	return nil
}

func (l *ledgerOfVisits) RaiseWarning(_ context.Context, w app.Warning) (bool, error) {
	l.warnings[w.Key] = w
	return true, nil
}

func (l *ledgerOfVisits) EndWarning(context.Context, string) error {
	l.endWarning++
	return nil
}

// aStore is a store at Recharge with one page of charges.
type aStore struct {
	pages     [][]recharge.Charge
	charges   map[int64]recharge.Charge
	listErr   error
	processed recharge.Processed
	moneyErr  error
	hooks     string
	hookErr   error
	sends     int
	looks     int
}

func (s *aStore) Charges(ctx context.Context, q recharge.ListQuery) (recharge.Page, error) {
	if err := ctx.Err(); err != nil {
		return recharge.Page{}, payment.Errorf(payment.Unavailable, "no time: %w", err)
	}
	if s.listErr != nil {
		return recharge.Page{}, s.listErr
	}
	return recharge.Page{Charges: s.pages[0]}, nil
}

func (s *aStore) Charge(_ context.Context, id int64) (recharge.Charge, error) {
	c, found := s.charges[id]
	if !found {
		return c, payment.Errorf(payment.NotFound, "none")
	}
	return c, nil
}

func (s *aStore) EnsureWebhooks(_ context.Context, address string) ([]recharge.Topic, error) {
	s.hooks = address
	return nil, s.hookErr
}

func (s *aStore) ProcessCharge(context.Context, recharge.Mark) (recharge.Processed, error) {
	s.sends++
	return s.processed, s.moneyErr
}

func (s *aStore) InquireCharge(context.Context, recharge.Mark) (recharge.Processed, error) {
	s.looks++
	return s.processed, s.moneyErr
}

func (s *aStore) Open(context.Context, string) (activities.RechargeStore, string, error) {
	return s, "https://pay.example/webhook/recharge/1", nil
}

type postman struct{ err error }

func (p postman) SendReport(context.Context, recharge.Report) error { return p.err }

var visitTime = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func visitor(l *ledgerOfVisits, s *aStore) *activities.Recharge {
	return &activities.Recharge{
		Records: l, Stores: s, Mail: postman{}, Now: func() time.Time { return visitTime }, Log: zerolog.Nop(), Every: 15 * time.Minute,
	}
}

func failedCharge(id int64) recharge.Charge {
	return recharge.Charge{ID: id, Status: recharge.StatusError, ErrorType: "CARD_EXPIRED", UpdatedAt: visitTime.Add(-time.Hour)}
}

func TestVisitStore(t *testing.T) {
	t.Parallel()
	visit := recharge.Visit{Shop: "a.myshopify.com", Tries: 1, Hooks: true}
	t.Run("webhooks are made sure of, messages read, the list walked to its end, and the next visit named", func(t *testing.T) {
		t.Parallel()
		l, s := newVisits(), &aStore{pages: [][]recharge.Charge{{failedCharge(1), failedCharge(2)}}, charges: map[int64]recharge.Charge{3: failedCharge(3), 5: failedCharge(5)}}
		l.arrived = []recharge.Arrived{
			{Key: "a", Topic: recharge.TopicChargeFailed, Object: "charge", ObjectID: 3},
			{Key: "b", Topic: recharge.TopicMaxRetries, Object: "charge", ObjectID: 3},
			{Key: "c", Topic: recharge.TopicChargeFailed, Object: "charge", ObjectID: 4},
			{Key: "d", Topic: recharge.TopicMethodUpdated, Object: "customer", ObjectID: 9},
		}
		l.stale = []int64{5}
		done, err := visitor(l, s).VisitStore(t.Context(), visit)
		require.NoError(t, err)
		require.Equal(t, activities.VisitStoreResult{Fresh: 2, Pages: 2, Read: 3, Settled: true}, done)
		require.Equal(t, "https://pay.example/webhook/recharge/1", s.hooks)
		require.Equal(t, map[string]string{"a": "read", "b": "read", "c": "gone", "d": "not about a charge"}, l.ended)
		require.True(t, l.exhausted[3], "a webhook said that it is given up")
		require.Equal(t, []int64{4}, l.lost)
		require.Equal(t, []recharge.Visited{{Shop: visit.Shop, NextAt: visitTime.Add(15 * time.Minute), Hooked: true}}, l.visited)
		require.Equal(t, 1, l.endWarning)
	})
	t.Run("trouble is noted and comes again later each time; after four times a person is told", func(t *testing.T) {
		t.Parallel()
		for tries, pause := range map[int]time.Duration{1: time.Minute, 3: 4 * time.Minute, 9: 15 * time.Minute} {
			l := newVisits()
			s := &aStore{listErr: &payment.Error{Class: payment.Unauthorized, Code: "http_401", Message: "refused"}}
			done, err := visitor(l, s).VisitStore(t.Context(), recharge.Visit{Shop: "a", Tries: tries})
			require.NoError(t, err)
			require.Equal(t, "Unauthorized http_401", done.Trouble)
			require.Equal(t, visitTime.Add(pause), l.visited[0].NextAt)
			require.Equal(t, tries >= 4, len(l.warnings) == 1, tries)
		}
	})
	t.Run("webhooks that cannot be made are trouble, and the list is walked all the same", func(t *testing.T) {
		t.Parallel()
		l := newVisits()
		s := &aStore{pages: [][]recharge.Charge{{failedCharge(1)}}, hookErr: &payment.Error{Class: payment.Unauthorized, Code: recharge.CodeScope}}
		done, err := visitor(l, s).VisitStore(t.Context(), visit)
		require.NoError(t, err)
		require.True(t, done.Settled)
		require.Equal(t, "Unauthorized http_403", done.Trouble)
		require.False(t, l.visited[0].Hooked)
	})
	t.Run("a long pause that Recharge asks for is no trouble, and no waiting", func(t *testing.T) {
		t.Parallel()
		l, s := newVisits(), &aStore{listErr: &payment.Error{Class: payment.RateLimited, RetryAfter: 10 * time.Minute}}
		done, err := visitor(l, s).VisitStore(t.Context(), visit)
		require.NoError(t, err)
		require.Empty(t, done.Trouble)
		require.Equal(t, visitTime.Add(10*time.Minute), l.visited[0].NextAt)
	})
	t.Run("a visit whose turn is over goes on behind the others", func(t *testing.T) {
		t.Parallel()
		l, s := newVisits(), &aStore{pages: [][]recharge.Charge{{}}}
		v := visitor(l, s)
		v.Turn = time.Nanosecond
		done, err := v.VisitStore(t.Context(), recharge.Visit{Shop: "a", Tries: 1})
		require.NoError(t, err)
		require.True(t, done.More)
		require.Empty(t, done.Trouble)
		require.Equal(t, visitTime, l.visited[0].NextAt)
	})
	t.Run("a worker that stops notes nothing: the claim comes up again", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		l := newVisits()
		_, err := visitor(l, &aStore{pages: [][]recharge.Charge{{}}}).VisitStore(ctx, visit)
		require.Error(t, err)
		require.Empty(t, l.visited)
	})
}

func TestReportStore(t *testing.T) {
	t.Parallel()
	l := newVisits()
	l.reports = []recharge.Report{{ID: "1"}, {ID: "2"}}
	v := visitor(l, &aStore{})
	done, err := v.ReportStore(t.Context(), activities.StoreInput{Shop: "a"})
	require.NoError(t, err)
	require.Equal(t, activities.ReportStoreResult{Made: 2, Sent: 2}, done)
	v.Mail = postman{errors.New("no server")}
	l.sent = nil
	done, err = v.ReportStore(t.Context(), activities.StoreInput{Shop: "a"})
	require.NoError(t, err)
	require.Equal(t, activities.ReportStoreResult{Made: 2, Failed: 2}, done)
	require.Empty(t, l.sent, "what was not sent stays due")
}

func TestProcessStore(t *testing.T) {
	t.Parallel()
	process := func(t *testing.T, l *ledgerOfVisits, s *aStore) (activities.ProcessStoreResult, recharge.Processing) {
		t.Helper()
		l.due = []int64{1}
		done, err := visitor(l, s).ProcessStore(t.Context(), activities.StoreInput{Shop: "a"})
		require.NoError(t, err)
		require.NotEmpty(t, l.put)
		return done, l.put[len(l.put)-1]
	}
	for name, c := range map[string]struct {
		got  recharge.Processed
		err  error
		want recharge.Outcome
		rest bool
	}{
		"paid":                               {recharge.Processed{Verdict: recharge.Paid, Sent: true, Charge: recharge.Charge{ID: 1}}, nil, "paid", false},
		"declined":                           {recharge.Processed{Verdict: recharge.Refused, Sent: true, Charge: recharge.Charge{ID: 1}}, nil, "declined", false},
		"a lost answer is in doubt":          {recharge.Processed{}, payment.Errorf(payment.Unknown, "no answer"), recharge.OutcomeInDoubt, false},
		"an unclassified failure is too":     {recharge.Processed{}, errors.New("?"), recharge.OutcomeInDoubt, false},
		"a rate limit sent nothing":          {recharge.Processed{}, &payment.Error{Class: payment.RateLimited, RetryAfter: time.Minute}, recharge.OutcomeNotSent, false},
		"a plan without it rests":            {recharge.Processed{}, &payment.Error{Class: payment.Unauthorized, Code: recharge.CodeScope}, recharge.OutcomeNotSent, true},
		"a refusal ends it":                  {recharge.Processed{}, payment.Errorf(payment.Invalid, "no"), recharge.OutcomeRefused, false},
		"what is pending is looked at again": {recharge.Processed{Verdict: recharge.Pending, Sent: true, Charge: recharge.Charge{ID: 1}}, nil, "pending", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, s := newVisits(), &aStore{processed: c.got, moneyErr: c.err}
			_, p := process(t, l, s)
			require.Equal(t, c.want, p.Outcome)
			require.Equal(t, 1, s.sends)
			require.Equal(t, c.rest, !l.rest.IsZero())
		})
	}
	t.Run("what stood before is looked at and never sent again", func(t *testing.T) {
		t.Parallel()
		l, s := newVisits(), &aStore{moneyErr: payment.Errorf(payment.Unknown, "shows nothing new")}
		l.begun[1] = &recharge.Processing{ChargeID: 1, Outcome: recharge.OutcomeSent, Tries: 3}
		_, p := process(t, l, s)
		require.Equal(t, recharge.OutcomeInDoubt, p.Outcome)
		require.Equal(t, visitTime.Add(4*time.Minute), p.NextAt)
		require.Zero(t, s.sends)
		require.Equal(t, 1, s.looks)
		s.moneyErr, s.processed = nil, recharge.Processed{Verdict: recharge.Paid, Charge: recharge.Charge{ID: 1, Status: recharge.StatusSuccess}}
		done, p := process(t, l, s)
		require.Equal(t, activities.ProcessStoreResult{Paid: 1}, done)
		require.Equal(t, recharge.Outcome(recharge.Paid), p.Outcome)
		require.Equal(t, recharge.StatusSuccess, l.known[1].Status)
		require.Zero(t, s.sends)
	})
}
