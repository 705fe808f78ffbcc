package chaoskill

import (
	"time"

	"tillflow/standin/shopify"
)

// moves draws what a shop does to the money of a sale later. A hold is captured in whole or in part, released, or left
// alone; taken money is refunded in parts, in too many parts, or not at all.
func (d dice) moves(s Sale) []Move {
	switch s.Habit {
	case DebitFails, Leaves, Abandons:
		if d.IntN(3) == 0 { // there will be no money: it must be refused
			return []Move{d.move(shopify.RefundSession, s.Minor)}
		}
		return nil
	case PaysAtOnce, PaysAfterDecline, PaysByDebit, TwoTabs:
	}
	if s.Kind == shopify.KindAuthorization {
		return d.holdMoves(s.Minor)
	}
	return d.refunds(s.Minor)
}

func (d dice) holdMoves(minor int64) []Move {
	part := minor/2 + d.Int64N(minor/4)
	switch d.IntN(7) {
	case 0, 6:
		return []Move{d.move(shopify.VoidSession, 0)}
	case 1: // whichever comes first: the other one is refused
		return []Move{d.move(shopify.VoidSession, 0), d.move(shopify.CaptureSession, minor)}
	case 2:
		return []Move{d.move(shopify.CaptureSession, minor), d.move(shopify.RefundSession, part)}
	case 3:
		return []Move{d.move(shopify.CaptureSession, part)}
	case 4:
		return []Move{d.move(shopify.CaptureSession, minor+1)}
	default:
		return []Move{d.move(shopify.CaptureSession, minor)}
	}
}

func (d dice) refunds(minor int64) []Move {
	part := minor/3 + d.Int64N(minor/8)
	refund := func(of int64) Move { return d.move(shopify.RefundSession, of) }
	switch d.IntN(6) {
	case 0:
		return nil
	case 1:
		return []Move{refund(minor)}
	case 2: // 60 and 60 on 100: one of them at most
		return []Move{refund(minor * 6 / 10), refund(minor * 6 / 10)}
	case 3: // two fit, the third and fourth do not
		return []Move{refund(part), refund(part), refund(part), refund(part)}
	case 4:
		return []Move{refund(part), refund(minor + 1)}
	default:
		return []Move{refund(part), refund(minor - part)}
	}
}

func (d dice) move(t shopify.SessionType, minor int64) Move {
	return Move{Type: t, Minor: minor, After: d.between(0, 4*time.Second), Early: d.IntN(5) == 0}
}
