package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/access/audit"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// subscriptionRow is a subscription as it is kept.
type subscriptionRow struct {
	ID, Shop, Ref string

	Test          bool
	Revision      int64
	Value         []byte
	Providers     []string
	Locale        string
	ReturnURL     string
	CancelURL     string
	SubjectID     *string
	VaultID       *string
	MethodID      *string
	MethodAccount *string
	KeepPayment   *string
	NoticedPeriod int
	Task          subscription.Task
	DueAt         *time.Time
	Operator      payment.OperatorReason
	CreatedAt     time.Time
	ChangedAt     time.Time
	EndedAt       *time.Time
}

const subscriptionColumns = `
	SELECT s.id::text, s.shop, s.ref, s.test, s.revision, s.value, s.providers, s.locale, s.return_url, s.cancel_url,
	       s.subject_id::text, s.vault_id::text, s.method_id::text, s.method_account::text, s.keep_payment::text, s.noticed_period,
	       s.task, s.due_at, s.operator, s.created_at, s.changed_at, s.ended_at
	FROM subscriptions s `

// member is a subscription while its row is locked: what stands, what a decision
// makes of it, and what is to be written with that.
type member struct {
	s        *Store
	now      time.Time
	row      subscriptionRow
	asRead   subscriptionRow           // as it was read
	was      subscription.Subscription // as it was read
	is       subscription.Subscription // as it will be saved
	zone     *time.Location
	policy   subscription.Policy
	versions []subscription.Plan // of the plans concerned, in ascending order
	names    map[string]string   // plan → its newest name
	pay      *record             // the open charge's payment, locked; nil: there is none
	charge   chargeRow           // of that payment
	fresh    bool                // the row is being inserted
	first    *opening            // how a first payment begins; nil: by the kept method
	later    time.Time           // no task before this: something is in its way
	gaveUp   bool                // the final action of dunning

	// What became of a charge in this transaction; heard is nil when nothing did.
	heard   *subscription.Charge
	settled subscription.ChargeState
	reason  payment.DeclineReason

	stir  []payment.RunRef // payments whose run must look at the rows again
	task  subscription.Due
	lines []line
	batch *pgx.Batch
	noted []audit.Entry
}

// moment is now, where the subscription lives.
func (m *member) moment() subscription.Moment {
	return subscription.Moment{At: m.now, Zone: m.zone, Versions: m.versions}
}

// lockSubscription reads a subscription and keeps everybody else from changing
// it until the transaction ends. A subscription is always locked before a payment
// of it, see lockCharge.
func (s *Store) lockSubscription(ctx context.Context, tx pgx.Tx, id string) (*member, error) {
	if err := known("subscription", id); err != nil {
		return nil, err
	}
	args := pgx.NamedArgs{"id": id}
	rows, err := tx.Query(ctx, subscriptionColumns+`WHERE s.id = @id FOR NO KEY UPDATE`, args)
	if err != nil {
		return nil, err
	}
	m := &member{s: s, now: s.now(), batch: &pgx.Batch{}}
	if m.row, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[subscriptionRow]); err != nil {
		return nil, err
	}
	m.asRead = m.row
	return m, m.read(ctx, tx)
}

// read opens the domain's value and what its rules need beside it.
func (m *member) read(ctx context.Context, q queryer) error {
	if err := json.Unmarshal(m.row.Value, &m.was); err != nil {
		return bug("subscription", "a subscription that cannot be read")
	}
	m.is = m.was
	var err error
	if m.zone, err = zoned(m.was.Schedule.Zone); err != nil {
		return err
	}
	if m.policy, err = policyOf(ctx, q, m.row.Shop); err != nil {
		return err
	}
	m.names = map[string]string{}
	if err := m.addPlan(ctx, q, m.was.Terms.Plan.ID); err != nil {
		return err
	}
	if m.was.Next != nil {
		return m.addPlan(ctx, q, m.was.Next.Plan.ID)
	}
	return nil
}

// addPlan reads the versions of a plan, once.
func (m *member) addPlan(ctx context.Context, q queryer, id string) error {
	if _, read := m.names[id]; read {
		return nil
	}
	offers, err := planVersions(ctx, q, m.row.Shop, id)
	for _, o := range offers {
		m.versions, m.names[id] = append(m.versions, o.Plan), o.Name
	}
	return err
}

// changeSubscription locks a subscription, lets decide change it and saves it
// with everything that follows.
func (s *Store) changeSubscription(ctx context.Context, id string, decide func(tx pgx.Tx, m *member) error) (subscription.View, error) {
	var view subscription.View
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		m, err := s.lockSubscription(ctx, tx, id)
		if err != nil {
			return err
		}
		if m.was.Open != nil {
			if err := m.lockCharge(ctx, tx, m.was.Open.Key); err != nil {
				return err
			}
		}
		if err := decide(tx, m); err != nil {
			return err
		}
		if err := m.save(ctx, tx); err != nil {
			return err
		}
		for _, entry := range m.noted {
			if err := s.AppendAuditIn(ctx, tx, entry); err != nil {
				return err
			}
		}
		view = m.view()
		return nil
	})
	return view, err
}

// view is what the run must know after a step.
func (m *member) view() subscription.View {
	v := subscription.View{
		State: m.is.State, Period: m.is.Period.Number, Revision: m.row.Revision, Task: m.task.Task, Operator: m.row.Operator,
		Ended: m.row.EndedAt != nil, Keep: text(m.row.KeepPayment), Stir: m.stir, Amount: m.full(),
	}
	if m.task.Task != subscription.NoTask {
		v.DueAt, v.Wait = m.task.At, max(m.task.At.Sub(m.now), 0)
	}
	if m.pay != nil && m.is.Open != nil && m.pay.p.Source == payment.SourceRenewal {
		run := m.pay.p.run()
		v.Renewal = &run
	}
	return v
}

// full is the price of a full period, for people.
func (m *member) full() money.Amount {
	price, err := m.is.Terms.Price()
	if err != nil {
		return m.is.Terms.Plan.Price // the product was checked when the terms were agreed
	}
	return price
}
