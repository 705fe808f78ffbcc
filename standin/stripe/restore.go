package stripe

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

type rowData struct {
	id    string
	value json.RawMessage
}

// restore fills an account and puts what is still to come on the agenda.
func (s *Server) restore(a *account, kinds map[rowKind][]rowData) error {
	err := errors.Join(
		restoreRows(s, kinds[rowCheckout], a.addCheckout),
		restoreRows(s, kinds[rowIntent], a.addIntent),
		restoreRows(s, kinds[rowCharge], a.addCharge),
		restoreRows(s, kinds[rowRefund], a.addRefund),
		restoreRows(s, kinds[rowTxn], a.txns.add),
		restoreRows(s, kinds[rowDispute], a.disputes.add),
		restoreRows(s, kinds[rowCustomer], a.customers.add),
		restoreRows(s, kinds[rowMethod], a.methods.add),
		restoreRows(s, kinds[rowEvent], func(ev *event) {
			ev.account = a
			a.events.add(ev)
		}),
		restoreRows(s, kinds[rowEndpoint], func(ep *endpoint) { a.endpoints = append(a.endpoints, ep) }),
	)
	for _, d := range kinds[rowKept] {
		kept := new(idempotent)
		err = errors.Join(err, json.Unmarshal(d.value, kept))
		a.keys[d.id] = kept
	}
	for _, d := range kinds[rowCounters] {
		err = errors.Join(err, json.Unmarshal(d.value, &a.counts))
	}
	if err != nil {
		return err
	}
	for _, cs := range a.checkouts.rows {
		if cs.Status == checkoutOpen {
			s.schedule(cs.ExpiresAt, dueExpiry, a, cs.ID)
		}
	}
	for _, pi := range a.intents.rows {
		if pi.Customer != "" {
			a.giveIntent(pi, pi.Customer)
		}
		switch {
		case pi.Status == processing && pi.SettleAt > 0:
			s.schedule(pi.SettleAt, dueSettlement, a, pi.ID)
		case pi.Status == needsCapture:
			s.schedule(pi.CaptureBefore, dueHold, a, pi.ID)
		}
	}
	for _, re := range a.refunds.rows {
		if re.SettleAt > 0 {
			s.schedule(re.SettleAt, dueRefund, a, re.ID)
		}
	}
	return nil
}

// restoreRows decodes rows of one kind and adds them in order of creation.
func restoreRows[T any, P interface {
	*T
	entity
}](s *Server, data []rowData, add func(P)) error {
	rows := make([]P, 0, len(data))
	for _, d := range data {
		v := P(new(T))
		if err := json.Unmarshal(d.value, v); err != nil {
			return fmt.Errorf("decode %s: %w", d.id, err)
		}
		s.serial = max(s.serial, v.head().Seq)
		rows = append(rows, v)
	}
	slices.SortFunc(rows, func(a, b P) int { return cmp.Compare(a.head().Seq, b.head().Seq) })
	for _, v := range rows {
		add(v)
	}
	return nil
}
