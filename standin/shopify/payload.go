package shopify

import "time"

// viewOf freezes a session as a payload shows it.
func (s *Server) viewOf(sh *shop, session *Session) view {
	v := view{
		GID: session.GID, Type: session.Type, State: session.State,
		Source: session.RejectSource, MerchantMessage: session.MerchantMessage,
		PendingExpiresAt: session.PendingExpiresAt, AuthorizationExpiresAt: session.AuthorizationExpiresAt,
	}
	switch session.State {
	case StatePending:
		v.Reason = session.PendingReason
		v.RedirectURL = s.thankYouURL(sh.Domain, session.Checkout)
	case StateResolved:
		v.RedirectURL = s.thankYouURL(sh.Domain, session.Checkout)
	case StateRejected:
		v.Reason = session.RejectCode
		v.RedirectURL = s.checkoutURL(sh.Domain, session.Checkout)
	case StateOpen:
	}
	return v
}

// payload renders a performed mutation as a value the selection walker reads: objects are maps that carry their
// concrete type in __typename, absent values are nil.
func (op operation) payload(v view) map[string]any {
	name := op.on.resource()
	session := map[string]any{
		"__typename": name,
		"id":         v.GID,
		"state":      stateValue(name, v),
	}
	if op.on == PaymentSession {
		session["pendingExpiresAt"] = timeValue(v.PendingExpiresAt)
		session["authorizationExpiresAt"] = timeValue(v.AuthorizationExpiresAt)
		session["nextAction"] = map[string]any{
			"__typename": "PaymentSessionNextAction",
			"action":     "REDIRECT",
			"context": map[string]any{
				"__typename":  "PaymentSessionActionsRedirect",
				"redirectUrl": v.RedirectURL,
			},
		}
	}
	return map[string]any{
		"__typename":      op.payloadType(),
		op.sessionField(): session,
		"userErrors":      []any{},
	}
}

// refusal renders user errors; the session is null beside them.
func (op operation) refusal(p problem) map[string]any {
	return map[string]any{
		"__typename":      op.payloadType(),
		op.sessionField(): nil,
		"userErrors": []any{map[string]any{
			"__typename": op.errorType(),
			"code":       textValue(p.code),
			"field":      listValue(p.field),
			"message":    p.message,
		}},
	}
}

// sessionField is the payload's field for the session: refundSession for a RefundSession.
func (op operation) sessionField() string { return string(op.on) + "Session" }

func (op operation) payloadType() string {
	switch op.moves {
	case StateResolved:
		return op.on.resource() + "ResolvePayload"
	case StateRejected:
		return op.on.resource() + "RejectPayload"
	case StatePending:
		return op.on.resource() + "PendingPayload"
	case StateOpen:
	}
	return ""
}

// errorType is plain UserError for payment resolve and reject: the two have no code.
func (op operation) errorType() string {
	switch op.moves {
	case StateResolved:
		if op.on != PaymentSession {
			return op.on.resource() + "ResolveUserError"
		}
	case StateRejected:
		if op.on != PaymentSession {
			return op.on.resource() + "RejectUserError"
		}
	case StatePending:
		return "PaymentSessionPendingUserError"
	case StateOpen:
	}
	return "UserError"
}

func stateValue(resource string, v view) map[string]any {
	value := map[string]any{"code": nil}
	switch v.State {
	case StateResolved:
		value["__typename"] = resource + "StateResolved"
		value["code"] = "RESOLVED"
	case StateRejected:
		value["__typename"] = resource + "StateRejected"
		value["code"] = "REJECTED"
		value["reason"] = v.Reason
		value["source"] = textValue(v.Source)
		value["merchantMessage"] = textValue(v.MerchantMessage)
	case StatePending:
		value["__typename"] = resource + "StatePending"
		value["code"] = "PENDING"
		value["reason"] = v.Reason
	case StateOpen:
	}
	return value
}

func timeValue(at *time.Time) any {
	if at == nil {
		return nil
	}
	return at.UTC().Format(time.RFC3339)
}

func textValue(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func listValue(items []string) any {
	if items == nil {
		return nil
	}
	list := make([]any, len(items))
	for i, item := range items {
		list[i] = item
	}
	return list
}

// configure records paymentsAppConfigure.
func (s *Server) configure(sh *shop, args map[string]any) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed()
	ready, _ := args["ready"].(bool) // Boolean!, checked before
	sh.Ready = &ready
	sh.Handle, _ = args["externalHandle"].(string)
	sh.Configured = append(sh.Configured, Configuration{At: s.opts.Now().UTC(), Ready: ready, Handle: sh.Handle})
	sh.Configured = sh.Configured[max(0, len(sh.Configured)-maxConfigured):]
	return map[string]any{
		"__typename": "PaymentsAppConfigurePayload",
		"paymentsAppConfiguration": map[string]any{
			"__typename":     "PaymentsAppConfiguration",
			"externalHandle": textValue(sh.Handle),
			"ready":          ready,
		},
		"userErrors": []any{},
	}
}

// refuseConfigure answers paymentsAppConfigure with a user error and changes nothing.
func refuseConfigure() map[string]any {
	return map[string]any{
		"__typename":               "PaymentsAppConfigurePayload",
		"paymentsAppConfiguration": nil,
		"userErrors": []any{map[string]any{
			"__typename": "UserError", "field": nil, "message": "The app cannot be configured (fault switch)",
		}},
	}
}
