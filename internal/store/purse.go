package store

import (
	"slices"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// purse is what became of the money of one charge attempt, added up from the
// operations on it. What is claimed counts as gone before it is; what was
// refused does not count, unless it moved all the same.
type purse struct {
	root      *attemptRow
	amount    money.Amount // authorized, or taken at once
	taken     money.Amount // captured, here or elsewhere
	capturing money.Amount // captures, claimed or done
	gone      money.Amount // refunds, here or elsewhere, reversals, disputes that are open or lost: claimed or done
	returned  money.Amount // refunds that were accepted: no claims, no disputes
	void      *operationRow
	reversal  *operationRow
	captures  []*operationRow // open
}

// root is the charge attempt whose money an attempt is or acts on.
func (r *record) root(a *attemptRow) (*attemptRow, error) {
	for a.Operation != payment.OpCharge {
		if a.ParentAttempt == nil {
			return nil, bug("no_parent", "an attempt of a %s acts on no money", a.Operation)
		}
		parent, err := r.attempt(*a.ParentAttempt)
		if err != nil {
			return nil, err
		}
		a = parent
	}
	return a, nil
}

// rootOf is the charge attempt whose money an operation acts on.
func (r *record) rootOf(o *operationRow) (*attemptRow, error) {
	parent, err := r.parent(o)
	if err != nil {
		return nil, err
	}
	return r.root(parent)
}

// winner is the charge attempt whose money is the payment's, or nil.
func (r *record) winner() *attemptRow {
	for _, a := range r.attempts {
		if r.isWinner(a) {
			return a
		}
	}
	return nil
}

// purse adds up the operations on the money of a charge attempt. What is in
// another currency cannot be added; a person was called when it was booked.
func (r *record) purse(root *attemptRow) (purse, error) {
	currency := orElse(root.ActualCurrency, root.Currency)
	none := money.New(0, currency)
	p := purse{root: root, amount: none, taken: none, capturing: none, gone: none, returned: none}
	if root.State.Succeeded() {
		p.amount = root.actual()
	}
	for _, o := range r.operations {
		if o.Kind == payment.OpCharge {
			continue
		}
		of, err := r.rootOf(o)
		if err != nil {
			return p, err
		}
		if of != root || o.Currency != currency {
			continue
		}
		if err := r.put(&p, o); err != nil {
			return p, bug("amount", "the money of an attempt cannot be added up: %v", err)
		}
	}
	if root.State == payment.Done {
		p.taken = root.actual()
	}
	return p, nil
}

// put adds one operation.
func (r *record) put(p *purse, o *operationRow) (err error) {
	claimed, moved, accepted, err := r.claimOf(o)
	if err != nil {
		return err
	}
	standing := o.State != operationRefused
	switch o.Kind {
	case payment.OpCapture:
		if p.taken, err = p.taken.Add(moved); err != nil {
			return err
		}
		if o.State == operationOpen {
			p.captures = append(p.captures, o)
		}
		p.capturing, err = p.capturing.Add(claimed)
	case payment.OpVoid:
		if standing {
			p.void = o
		}
	case payment.OpReversal:
		if standing {
			p.reversal = o
		}
		p.gone, err = p.gone.Add(claimed)
	case payment.OpRefund:
		if p.returned, err = p.returned.Add(accepted); err != nil {
			return err
		}
		p.gone, err = p.gone.Add(claimed)
	case payment.OpDispute:
		p.gone, err = p.gone.Add(claimed)
	case payment.OpCharge:
	}
	return err
}

// claimOf says how much an operation claims, how much its attempts have really
// moved, and how much the provider has at least accepted.
func (r *record) claimOf(o *operationRow) (claimed, moved, accepted money.Amount, err error) {
	moved = money.New(0, o.Currency)
	working := false
	for _, a := range r.attempts {
		if a.OperationID != o.ID {
			continue
		}
		working = working || a.State == payment.Working
		if a.State == payment.Done && a.ActualCurrency == o.Currency {
			if moved, err = moved.Add(a.actual()); err != nil {
				return moved, moved, moved, err
			}
		}
	}
	claimed, accepted = moved, moved
	if o.State != operationRefused && o.AmountMinor > moved.Minor {
		claimed = o.amount()
	}
	if working {
		accepted = claimed
	}
	return claimed, moved, accepted, nil
}

// left is what can still be given back of money that was taken; negative when
// more is gone than came.
func (p purse) left() (money.Amount, error) { return p.taken.Sub(p.gone) }

// rest is what is held and claimed by no capture, or nothing.
func (p purse) rest() (money.Amount, error) {
	if !p.root.holds() {
		return money.New(0, p.amount.Currency), nil
	}
	return p.amount.Sub(p.capturing)
}

// overdrawn reports whether more money went back than was taken, counting what
// is under way.
func (p purse) overdrawn() bool {
	left, err := p.left()
	return err == nil && left.Minor < 0 && (p.root.State == payment.Done || p.reversal == nil)
}

// source is the attempt whose money a refund of the amount is taken from. What
// was taken at once is one such; a hold was taken by its captures, and each of
// them gives back at most its own.
func (r *record) source(p purse, amount money.Amount) (*attemptRow, error) {
	if p.root.State == payment.Done {
		return p.root, nil
	}
	best, most := p.root, int64(0)
	for _, a := range r.attempts {
		if a.Operation != payment.OpCapture || a.State != payment.Done || a.ParentAttempt == nil || *a.ParentAttempt != p.root.ID {
			continue
		}
		left, err := r.leftOf(a)
		if err != nil {
			return nil, err
		}
		if left.Minor >= amount.Minor {
			return a, nil
		}
		if left.Minor > most {
			best, most = a, left.Minor
		}
	}
	return best, nil
}

// leftOf is what the refunds of one capture leave of it.
func (r *record) leftOf(capture *attemptRow) (money.Amount, error) {
	left := capture.actual()
	for _, o := range r.operations {
		if o.ParentAttempt == nil || *o.ParentAttempt != capture.ID || o.Currency != left.Currency {
			continue
		}
		claimed, _, _, err := r.claimOf(o)
		if err == nil {
			left, err = left.Sub(claimed)
		}
		if err != nil {
			return left, bug("amount", "what is left of a capture cannot be reckoned")
		}
	}
	return left, nil
}

// begun reports whether an operation has an attempt that may be at the provider.
func (r *record) begun(o *operationRow) bool {
	return slices.ContainsFunc(r.attempts, func(a *attemptRow) bool { return a.OperationID == o.ID && !a.State.Decided() })
}
