package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// askedRow is the session behind a capture, void or refund: who asked, and the
// answer they get. It is empty for operations that nobody asked for.
type askedRow struct {
	Asked         bool
	Source        string
	Shop          string
	AskedRef      string // its external id
	GID           string
	Locale        string
	AskedMinor    int64 // as asked
	AskedCurrency money.Currency
	ReceivedAt    *time.Time
	Final         payment.Final
	Refusal       payment.Refusal
	FinalAt       *time.Time
	ToldAt        *time.Time
	TellRefused   string
	RefusedAt     *time.Time
	AskedOperator payment.OperatorReason
	OperatorSince *time.Time
	ClosedAt      *time.Time
}

const askedColumns = `
	m.id IS NOT NULL AS asked, coalesce(m.source, '') AS source, coalesce(m.shop, '') AS shop,
	coalesce(m.external_id, '') AS asked_ref, coalesce(m.gid, '') AS gid, coalesce(m.locale, '') AS locale,
	coalesce(m.amount_minor, 0) AS asked_minor, coalesce(m.currency, '') AS asked_currency, m.received_at,
	coalesce(m.final, '') AS final, coalesce(m.final_reason, '') AS refusal, m.final_at, m.told_at,
	coalesce(m.tell_refused, '') AS tell_refused, m.refused_at, coalesce(m.operator, '') AS asked_operator,
	m.operator_since, m.closed_at`

// selectAsked reads sessions as operations that claim nothing.
const selectAsked = `
	SELECT m.id::text, m.kind, 'ours' AS origin, '' AS account_id, NULL::text AS parent_attempt,
	       m.amount_minor, m.currency, '' AS state, '' AS external_ref, '' AS operator, m.received_at AS created_at, ` + askedColumns + `
	FROM move_sessions m `

func collectOperations(rows pgx.Rows) ([]*operationRow, error) {
	list, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[operationRow])
	for _, o := range list {
		o.wasAsked = o.askedRow
	}
	return list, err
}

// lockMove reads a move with the record of its payment, locked like lock does,
// and then the session. A session that names no payment of ours has a record
// without one, and only the session is locked.
func (s *Store) lockMove(ctx context.Context, tx pgx.Tx, id string) (*record, *operationRow, error) {
	b := &pgx.Batch{}
	b.Queue(within(lockPayment, byMove), pgx.NamedArgs{"id": id})
	r, asked := s.queueMove(b, id, ` FOR NO KEY UPDATE`)
	return r.move(id, asked, send(ctx, tx, b))
}

// readMove does the same without locking, all at one moment.
func (s *Store) readMove(ctx context.Context, id string) (*record, *operationRow, error) {
	b := &pgx.Batch{}
	b.Queue(snapshot)
	r, asked := s.queueMove(b, id, "")
	b.Queue("commit")
	return r.move(id, asked, send(ctx, s.pool, b))
}

func (s *Store) queueMove(b *pgx.Batch, id, lock string) (*record, *[]*operationRow) {
	// Before the payment: where there is none, nothing after it is read.
	asked := new([]*operationRow)
	b.Queue(selectAsked+`WHERE m.id = @id`+lock, pgx.NamedArgs{"id": id}).Query(func(rows pgx.Rows) (err error) {
		*asked, err = collectOperations(rows)
		return err
	})
	return s.queueRead(b, byMove, id), asked
}

// move picks the move out of what was read: err is what the reading said.
func (r *record) move(id string, asked *[]*operationRow, err error) (*record, *operationRow, error) {
	if err != nil && (!none(err) || len(*asked) == 0) {
		return nil, nil, err
	}
	r.was = r.p
	for _, o := range r.operations {
		if o.ID == id {
			return r, o, nil
		}
	}
	if len(*asked) == 0 {
		return nil, nil, pgx.ErrNoRows
	}
	r.unclaimed = (*asked)[0]
	return r, r.unclaimed, nil
}

// changeMove locks a move and its payment, lets decide change the record, saves
// it and answers the view of what is then true.
func (s *Store) changeMove(
	ctx context.Context, id string, decide func(tx pgx.Tx, r *record, o *operationRow) error,
) (payment.MoveView, error) {
	if err := known("move", id); err != nil {
		return payment.MoveView{}, err
	}
	var view payment.MoveView
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		r, o, err := s.lockMove(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := decide(tx, r, o); err != nil {
			return err
		}
		if err := r.save(ctx, tx); err != nil {
			return err
		}
		view = r.moveView(o)
		return nil
	})
	return view, err
}

// LoadMove reads how a move stands: a session, claimed or not, or a reversal. It
// writes nothing.
func (s *Store) LoadMove(ctx context.Context, operationID string) (payment.MoveView, error) {
	const action = "load move"
	if err := known("move", operationID); err != nil {
		return payment.MoveView{}, failure(action, err)
	}
	r, o, err := s.readMove(ctx, operationID)
	if err != nil {
		return payment.MoveView{}, failure(action, err)
	}
	if o.Kind == payment.OpCharge {
		return payment.MoveView{}, failure(action, bug("no_move", "a charge is no move"))
	}
	return r.moveView(o), nil
}

// moveView condenses what the record says of a move.
func (r *record) moveView(o *operationRow) payment.MoveView {
	v := payment.MoveView{
		OperationID: o.ID, PaymentID: r.p.ID, Shop: orElse(o.Shop, r.p.Shop), Kind: o.Kind,
		Session: o.Asked, Claimed: o.State != operationUnclaimed, Waits: r.waits(o),
		Final: o.Final, Refusal: o.Refusal, Told: o.ToldAt != nil, TellRefused: o.TellRefused != "",
		Done: o.State == operationDone, Refused: o.State == operationRefused || o.Final == payment.Reject,
		Closed: o.closed(), Operator: r.moveOperator(o), Amount: o.amount(), Provider: r.moveProvider(o),
	}
	for _, a := range r.attempts {
		switch {
		case a.OperationID != o.ID:
		case a.State.Decided():
			v.LastDecided = a.ID
		default:
			v.Unfinished = append(v.Unfinished, a.brief())
		}
	}
	return v
}

// closed reports whether the run of a move has nothing left to do.
func (o *operationRow) closed() bool {
	if o.Asked {
		return o.ClosedAt != nil
	}
	return o.State != operationOpen
}

// moveProvider is who holds the money: of a move that claims nothing the winner's.
func (r *record) moveProvider(o *operationRow) string {
	for _, a := range r.attempts {
		if o.ParentAttempt != nil && a.ID == *o.ParentAttempt || o.ParentAttempt == nil && r.isWinner(a) {
			return a.Provider
		}
	}
	return r.p.ChoiceProvider
}

// moveOperator is why a move needs a person. A session has a reason of its own;
// a reversal has its own, else the payment's as far as it is about a provider
// and not about the shop's answer.
func (r *record) moveOperator(o *operationRow) payment.OperatorReason {
	if o.Asked {
		return o.AskedOperator
	}
	if o.Operator != payment.NobodyNeeded || o.State != operationOpen {
		return o.Operator
	}
	switch r.p.Operator {
	case payment.InDoubt, payment.AccountBlocked, payment.RoutingFault, payment.ReversalStuck, payment.WrongAmount:
		return r.p.Operator
	case payment.NobodyNeeded, payment.ResolveRefused, payment.RejectRefused, payment.TellOverdue,
		payment.RefundFailed, payment.RefundElsewhere, payment.Disputed, payment.DisputeLost, payment.Overdrawn:
	}
	return payment.NobodyNeeded
}

// moveRef names the run of a move.
func (r *record) moveRef(o *operationRow) payment.MoveRef {
	ref := payment.MoveRef{
		OperationID: o.ID, PaymentID: r.p.ID, Kind: o.Kind, Source: r.p.Source, Shop: r.p.Shop,
		ExternalRef: o.ExternalRef, Provider: r.moveProvider(o), Amount: o.amount(), At: o.CreatedAt,
	}
	if o.Asked {
		ref.Source, ref.Shop, ref.ExternalRef, ref.At = o.Source, o.Shop, o.AskedRef, instant(o.ReceivedAt)
	}
	return ref
}

const updateAsked = `
	UPDATE move_sessions SET final = @final, final_reason = @refusal, final_at = @final_at, told_at = @told_at,
	       tell_refused = @tell_refused, refused_at = @refused_at, operator = @operator, operator_since = @operator_since,
	       closed_at = @closed_at
	WHERE id = @id AND final = @was_final AND closed_at IS NOT DISTINCT FROM @was_closed`

// saveAsked queues the sessions that changed, closed where nothing is left.
func (r *record) saveAsked() {
	list := r.operations
	if r.unclaimed != nil {
		list = append(list[:len(list):len(list)], r.unclaimed)
	}
	for _, o := range list {
		o.closeIfOver(r.now)
		if o.askedRow == o.wasAsked {
			continue
		}
		r.batch.Queue(updateAsked, pgx.NamedArgs{
			"id": o.ID, "final": o.Final, "refusal": o.Refusal, "final_at": o.FinalAt, "told_at": o.ToldAt,
			"tell_refused": o.TellRefused, "refused_at": o.RefusedAt, "operator": o.AskedOperator,
			"operator_since": o.OperatorSince, "closed_at": o.ClosedAt, "was_final": o.wasAsked.Final, "was_closed": o.wasAsked.ClosedAt,
		}).Exec(oneRow("move session"))
		o.wasAsked = o.askedRow
	}
}

// closeIfOver marks a session as over: the shop knows its answer, or refused to
// hear a no, and nothing of it is under way at the provider. A yes that the shop
// refuses stays open for a person.
func (o *operationRow) closeIfOver(now time.Time) {
	if !o.Asked || o.ClosedAt != nil || o.Final == payment.Undecided || o.State == operationOpen {
		return
	}
	if o.ToldAt != nil || o.TellRefused != "" && o.Final == payment.Reject {
		o.ClosedAt = &now
	}
}
