package stripe

import "strings"

// kind is the type of an API object, as in its member "object".
type kind string

const (
	kindCheckout kind = "checkout.session"
	kindIntent   kind = "payment_intent"
	kindCharge   kind = "charge"
	kindRefund   kind = "refund"
	kindDispute  kind = "dispute"
	kindTxn      kind = "balance_transaction"
	kindMethod   kind = "payment_method"
)

// expansion is the tree of members that a caller wants as objects instead of ids.
type expansion map[string]expansion

// maxExpandDepth is Stripe's limit for expand[].
const maxExpandDepth = 4

// expandable tells what a member refers to.
func expandable(k kind, member string) (kind, bool) {
	switch string(k) + " " + member {
	case "checkout.session payment_intent", "charge payment_intent", "refund payment_intent", "dispute payment_intent":
		return kindIntent, true
	case "payment_intent latest_charge", "refund charge", "dispute charge":
		return kindCharge, true
	case "payment_intent payment_method":
		return kindMethod, true
	case "charge balance_transaction", "refund balance_transaction":
		return kindTxn, true
	default:
		return "", false
	}
}

// parseExpand checks the paths; in a list they begin with "data.".
func parseExpand(paths []string, op operation) (expansion, *apiError) {
	tree := expansion{}
	for _, path := range paths {
		members := strings.Split(path, ".")
		if len(members) > maxExpandDepth {
			return nil, invalid("", "expand", "You cannot expand more than 4 levels of a property.")
		}
		if op.list {
			if members[0] != "data" {
				return nil, unexpandable(path)
			}
			members = members[1:]
		}
		at, k := tree, op.returns
		for _, member := range members {
			next, ok := expandable(k, member)
			if !ok {
				return nil, unexpandable(path)
			}
			if at[member] == nil {
				at[member] = expansion{}
			}
			at, k = at[member], next
		}
	}
	return tree, nil
}

func unexpandable(path string) *apiError {
	return invalid("", "expand", "This property cannot be expanded ("+path+").")
}

// refer returns null, the id, or the object if the caller asked for it.
func (x expansion) refer(member, id string, render func(id string, x expansion) object) any {
	if id == "" {
		return nil
	}
	if inner, ok := x[member]; ok {
		return render(id, inner)
	}
	return id
}

// orNull turns the empty string into JSON's null.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
