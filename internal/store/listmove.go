package store

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
)

// maxMoves bounds the sessions that are listed of one payment.
const maxMoves = 5000

// moves reads the record of a payment and the sessions that name it, oldest
// first, then what nobody asked for: reversals, and money that moved elsewhere.
func (s *Store) moves(ctx context.Context, paymentID string) (*record, []*operationRow, error) {
	var asked []*operationRow
	r, err := s.read(ctx, byPayment, paymentID, func(b *pgx.Batch) {
		b.Queue(selectAsked+`WHERE m.payment_id = @id ORDER BY m.received_at, m.id LIMIT @limit`, pgx.NamedArgs{"id": paymentID, "limit": maxMoves}).
			Query(func(rows pgx.Rows) (err error) {
				asked, err = collectOperations(rows)
				return err
			})
	})
	if err != nil {
		return nil, nil, err
	}
	claimed := make(map[string]*operationRow, len(r.operations))
	for _, o := range r.operations {
		claimed[o.ID] = o
	}
	list := make([]*operationRow, 0, len(asked)+len(r.operations))
	for _, o := range asked {
		list = append(list, orElse(claimed[o.ID], o))
	}
	for _, o := range r.operations {
		if !o.Asked && o.Kind != payment.OpCharge {
			list = append(list, o)
		}
	}
	return r, list, nil
}

// ListMoves lists the captures, voids, refunds and reversals of a payment, and
// what its provider moved without us, in order of time.
func (s *Store) ListMoves(ctx context.Context, paymentID string) ([]payment.MoveSummary, error) {
	const action = "list moves"
	if err := known("payment", paymentID); err != nil {
		return nil, failure(action, err)
	}
	r, rows, err := s.moves(ctx, paymentID)
	if err != nil {
		return nil, failure(action, err)
	}
	list := make([]payment.MoveSummary, 0, len(rows))
	for _, o := range rows {
		list = append(list, r.moveSummary(o))
	}
	slices.SortStableFunc(list, func(a, b payment.MoveSummary) int { return a.Ref.At.Compare(b.Ref.At) })
	return list, nil
}

func (r *record) moveSummary(o *operationRow) payment.MoveSummary {
	return payment.MoveSummary{
		Ref: r.moveRef(o), Elsewhere: o.Origin == elsewhere, Final: o.Final, Refusal: o.Refusal,
		FinalAt: instant(o.FinalAt), ToldAt: instant(o.ToldAt), TellRefused: o.TellRefused,
		Claimed: o.State != operationUnclaimed, Done: o.State == operationDone,
		Refused:  o.State == operationRefused || o.Final == payment.Reject,
		ClosedAt: instant(o.ClosedAt), Operator: r.moveOperator(o),
	}
}

// MovesByRef lists what was asked of a payment of /api/v1, by the merchant's
// reference of the payment: all of it, or what was asked under one id.
func (s *Store) MovesByRef(ctx context.Context, shop, ref, id string) ([]payment.AcceptedMove, error) {
	const action = "list moves"
	found, err := s.PaymentByRef(ctx, shop, ref)
	if err != nil {
		return nil, err
	}
	r, rows, err := s.moves(ctx, found.Run.PaymentID)
	if err != nil {
		return nil, failure(action, err)
	}
	var list []payment.AcceptedMove
	for _, o := range rows {
		if o.Asked && (id == "" || o.AskedRef == id) {
			list = append(list, payment.AcceptedMove{Ref: r.moveRef(o), View: r.moveView(o)})
		}
	}
	return list, nil
}

// OpenMoves lists a payment's moves whose run has something left to do, the
// oldest first.
func (s *Store) OpenMoves(ctx context.Context, paymentID string) ([]payment.MoveRef, error) {
	const action = "list open moves"
	if err := known("payment", paymentID); err != nil {
		return nil, failure(action, err)
	}
	r, rows, err := s.moves(ctx, paymentID)
	if none(err) {
		return nil, nil
	}
	if err != nil {
		return nil, failure(action, err)
	}
	var list []payment.MoveRef
	for _, o := range rows {
		if o.Origin == ours && !o.closed() {
			list = append(list, r.moveRef(o))
		}
	}
	slices.SortStableFunc(list, func(a, b payment.MoveRef) int { return a.At.Compare(b.At) })
	return list, nil
}
