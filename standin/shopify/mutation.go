package shopify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Operation names, as they stand in documents and in the fault switchboard.
const (
	opPaymentResolve = "paymentSessionResolve"
	opPaymentReject  = "paymentSessionReject"
	opPaymentPending = "paymentSessionPending"
	opRefundResolve  = "refundSessionResolve"
	opRefundReject   = "refundSessionReject"
	opCaptureResolve = "captureSessionResolve"
	opCaptureReject  = "captureSessionReject"
	opVoidResolve    = "voidSessionResolve"
	opVoidReject     = "voidSessionReject"
	opConfigure      = "paymentsAppConfigure"
	opVersions       = "publicApiVersions"
	opTokenRefresh   = "tokenRefresh"
	opTokenCode      = "tokenCode"
	opTokenConvert   = "tokenConvert"
)

// pendingLimit is how far ahead pendingExpiresAt may lie here. Shopify has a limit and does not publish it; it
// recommends three days.
const pendingLimit = 72 * time.Hour

// authorizationLimit is the longest hold the stand-in believes.
const authorizationLimit = 366 * 24 * time.Hour

// operation describes one session mutation.
type operation struct {
	name   string
	on     SessionType
	moves  State  // the state it leads to
	absent string // error code for an unknown id; "" where the error type has no code
	late   string // error code for a session that is decided otherwise
}

// operationNamed returns the session mutation of that name.
func operationNamed(name string) (operation, bool) {
	op := operation{name: name}
	switch name {
	case opPaymentResolve, opPaymentReject, opPaymentPending:
		op.on = PaymentSession
	case opRefundResolve, opRefundReject:
		op.on, op.absent, op.late = RefundSession, "REFUND_SESSION_NOT_FOUND", "REFUND_SESSION_INVALID_STATE"
	case opCaptureResolve, opCaptureReject:
		op.on, op.absent, op.late = CaptureSession, "CAPTURE_SESSION_NOT_FOUND", "CAPTURE_SESSION_INVALID_STATE"
	case opVoidResolve, opVoidReject:
		op.on, op.absent, op.late = VoidSession, "VOID_SESSION_NOT_FOUND", "VOID_SESSION_INVALID_STATE"
	default:
		return operation{}, false
	}
	switch {
	case strings.HasSuffix(name, "Resolve"):
		op.moves = StateResolved
	case strings.HasSuffix(name, "Reject"):
		op.moves = StateRejected
	default:
		op.moves, op.absent, op.late = StatePending, "NOT_FOUND", "PENDING_INVALID_STATE"
	}
	return op, true
}

// problem is a user error. A nil problem means the mutation may be performed.
type problem struct {
	code    string
	message string
	field   []string
}

func (p *problem) String() string {
	if p.code != "" {
		return p.code
	}
	return p.message
}

// perform executes one session mutation and returns its payload. The rules: idempotent per id and per operation
// name, whatever the later arguments; the first final mutation wins; one resolve per group.
func (s *Server) perform(out *outbox, sh *shop, op operation, args map[string]any) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed()
	now := s.opts.Now()
	id, _ := args["id"].(string) // coerced to a string before
	rec := sh.Sessions[id]
	if rec == nil || rec.Session.Type != op.on {
		sh.Counts.Strays++
		s.opts.Log.Warn().Str("shop", sh.Domain).Str("op", op.name).Msg("mutation for an unknown session")
		return op.refusal(problem{op.absent, op.on.resource() + " not found", []string{"id"}})
	}
	mutation := Mutation{Op: op.name, ArgsHash: hashArgs(args), At: now}
	if done, ok := rec.Done[op.name]; ok {
		mutation.Result = ResultRepeat
		rec.Session.note(mutation)
		sh.Counts.Repeats++
		return op.payload(done)
	}
	if p := sh.objection(op, &rec.Session, args, now); p != nil {
		mutation.Result, mutation.Problem = ResultRefused, p.String()
		rec.Session.note(mutation)
		sh.Counts.Refused++
		return op.refusal(*p)
	}
	mutation.Result = ResultEffective
	rec.Session.note(mutation)
	before := sh.statusOf(&rec.Session, now)
	s.apply(sh, op, rec, args)
	if rec.Session.State != StatePending {
		rec.Session.Final = &Final{Op: op.name, ArgsHash: mutation.ArgsHash, At: now}
	}
	if rec.Done == nil {
		rec.Done = make(map[string]view, 1)
	}
	done := s.viewOf(sh, &rec.Session)
	rec.Done[op.name] = done
	s.announce(out, sh, &rec.Session, before)
	return op.payload(done)
}

// refuse answers a mutation with a user error although nothing is wrong with it, and changes nothing.
func (s *Server) refuse(sh *shop, op operation, args map[string]any) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := problem{op.late, op.on.resource() + " cannot be changed (fault switch)", []string{"id"}}
	id, _ := args["id"].(string) // coerced to a string before
	if rec := sh.Sessions[id]; rec != nil {
		s.changed()
		rec.Session.note(Mutation{
			Op: op.name, ArgsHash: hashArgs(args), At: s.opts.Now(), Result: ResultRefused, Problem: p.String(),
		})
		sh.Counts.Refused++
	}
	return op.refusal(p)
}

// objection applies the rules that do not depend on repeats.
func (sh *shop) objection(op operation, session *Session, args map[string]any, now time.Time) *problem {
	switch session.State {
	case StateResolved, StateRejected:
		message := fmt.Sprintf("%s is already %s", op.on.resource(), session.State)
		return &problem{op.late, message, []string{"id"}}
	case StateOpen, StatePending:
	}
	if op.on != PaymentSession {
		return sh.moveObjection(op, session)
	}
	if op.moves != StateRejected {
		if other := sh.groupWinner(session); other != nil {
			return &problem{op.late, "Another PaymentSession of this group is already resolved", []string{"id"}}
		}
	}
	if args["authentication"] != nil {
		// Offsite payments authenticate outside Shopify; the argument belongs to cards after a redirect mutation.
		return &problem{"", "Authentication is not allowed for this payment method", []string{"authentication"}}
	}
	switch op.moves {
	case StatePending:
		return checkPendingExpiry(args, now)
	case StateResolved:
		return checkAuthorizationExpiry(session, args, now)
	case StateRejected:
		if reasonField(args, "code") == "CONFIRMATION_REJECTED" {
			// Only after a negative confirm callback, which this app does not use.
			return &problem{"", "CONFIRMATION_REJECTED requires a confirmation", []string{"reason", "code"}}
		}
	case StateOpen:
	}
	return nil
}

// groupWinner is the other payment session of the same group that was resolved, if any.
func (sh *shop) groupWinner(session *Session) *Session {
	c := sh.Checkouts[session.Checkout]
	if c == nil {
		return nil
	}
	for _, gid := range c.Sessions {
		other := sh.Sessions[gid]
		if gid != session.GID && other.Session.Type == PaymentSession && other.Session.State == StateResolved {
			return &other.Session
		}
	}
	return nil
}

func checkPendingExpiry(args map[string]any, now time.Time) *problem {
	field := []string{"pendingExpiresAt"}
	end := timeArg(args, "pendingExpiresAt")
	switch {
	case end == nil || !end.After(now):
		return &problem{"EXPIRED_PENDING_EXPIRES_AT", "Pending expires at must be in the future", field}
	case end.After(now.Add(pendingLimit)):
		return &problem{"OUT_OF_RANGE_PENDING_EXPIRES_AT", "Pending expires at is too far in the future", field}
	default:
		return nil
	}
}

func checkAuthorizationExpiry(session *Session, args map[string]any, now time.Time) *problem {
	field := []string{"authorizationExpiresAt"}
	end := timeArg(args, "authorizationExpiresAt")
	switch {
	case end == nil:
		return nil
	case session.Kind != KindAuthorization:
		return &problem{"", "Authorization expires at is only valid for an authorization", field}
	case !end.After(now):
		return &problem{"", "Authorization expires at must be in the future", field}
	case end.After(now.Add(authorizationLimit)):
		return &problem{"", "Authorization expires at is too far in the future", field}
	default:
		return nil
	}
}

// apply moves a session that no rule objects to.
func (s *Server) apply(sh *shop, op operation, rec *record, args map[string]any) {
	session := &rec.Session
	if session.State == StatePending {
		sh.Counts.Pending--
	}
	session.State = op.moves
	switch op.moves {
	case StatePending:
		session.PendingReason, _ = args["reason"].(string) // an enum, checked before
		session.PendingExpiresAt = timeArg(args, "pendingExpiresAt")
		sh.Counts.Pending++
	case StateResolved:
		session.AuthorizationExpiresAt = timeArg(args, "authorizationExpiresAt")
		sh.Counts.Resolved++
	case StateRejected:
		session.RejectCode = reasonField(args, "code")
		session.RejectSource = reasonField(args, "source")
		session.MerchantMessage = reasonField(args, "merchantMessage")
		sh.Counts.Rejected++
	case StateOpen:
	}
	if op.moves != StatePending {
		sh.Counts.EffectiveFinals++
		sh.Counts.OpenOrPending--
	}
	if c := sh.Checkouts[session.Checkout]; c != nil && op.on == PaymentSession && op.moves != StateRejected {
		sh.placeOrder(c)
	}
}

// hashArgs names a set of coerced arguments.
func hashArgs(args map[string]any) string {
	encoded, err := json.Marshal(args) // sorts keys
	if err != nil {
		return "unhashable"
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:8])
}

func reasonField(args map[string]any, name string) string {
	reason, _ := args["reason"].(map[string]any)
	text, _ := reason[name].(string)
	return text
}

// timeArg reads a DateTime that validation has accepted; nil when it was not given.
func timeArg(args map[string]any, name string) *time.Time {
	text, _ := args[name].(string)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil
	}
	at = at.UTC()
	return &at
}
