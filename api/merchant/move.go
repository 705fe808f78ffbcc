package merchant

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"tillflow/api"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// moveRequest is the body of POST /payment/capture and /payment/refund. A void
// has no amount.
type moveRequest struct {
	Ref    string `json:"ref"`    // of the payment
	ID     string `json:"id"`     // your own id of this request; unique among your requests of its kind
	Amount string `json:"amount"` // decimal, in the payment's currency; left out, the payment's whole amount
}

type voidRequest struct {
	Ref string `json:"ref"`
	ID  string `json:"id"`
}

// moveState is how a request stands, in the merchant's words.
type moveState string

const (
	moveAccepted   moveState = "accepted"   // nothing has been claimed yet
	moveWaiting    moveState = "waiting"    // whether the payment itself succeeded is not known yet
	moveProcessing moveState = "processing" // the amount is claimed, the provider is asked
	movePending    moveState = "pending"    // the provider has accepted it and works on it
	moveDone       moveState = "done"       // proven done and in the books
	moveRefused    moveState = "refused"    // not possible, reason says why; nothing moved
	moveFailed     moveState = "failed"     // the provider gave it up after it had accepted it
)

// moveAnswer is what every endpoint says about a capture, void or refund.
type moveAnswer struct {
	Ref       string            `json:"ref"`
	ID        string            `json:"id"`
	Kind      payment.Operation `json:"kind"`
	Operation string            `json:"operation_id"` // ours, for support
	State     moveState         `json:"state"`
	Final     payment.Final     `json:"final,omitempty"`
	Reason    payment.Refusal   `json:"reason,omitempty"`
	Amount    string            `json:"amount,omitempty"`
	Currency  money.Currency    `json:"currency,omitempty"`
	Created   time.Time         `json:"created_at"`
}

func (h *Handler) capture(c echo.Context) error { return h.moveAmount(c, payment.OpCapture) }

func (h *Handler) refund(c echo.Context) error { return h.moveAmount(c, payment.OpRefund) }

func (h *Handler) moveAmount(c echo.Context, kind payment.Operation) error {
	body, err := api.Body(c, maxBody)
	if err != nil {
		return err
	}
	var in moveRequest
	if err := strict(body, &in); err != nil {
		return err
	}
	return h.move(c, kind, in, body)
}

func (h *Handler) void(c echo.Context) error {
	body, err := api.Body(c, maxBody)
	if err != nil {
		return err
	}
	var in voidRequest
	if err := strict(body, &in); err != nil {
		return err
	}
	return h.move(c, payment.OpVoid, moveRequest{Ref: in.Ref, ID: in.ID}, body)
}

// move accepts a request of a known payment. The same id with the same content
// answers the same request; with other content it is refused and the first
// stays. Whether it is possible is decided by its workflow.
func (h *Handler) move(c echo.Context, kind payment.Operation, in moveRequest, body []byte) error {
	if err := in.check(); err != nil {
		return err
	}
	key := c.Request().Header.Get("Idempotency-Key")
	if err := plain("Idempotency-Key", key, maxKey); err != nil {
		return err
	}
	ctx := c.Request().Context()
	summary, err := h.Records.PaymentByRef(ctx, callerOf(c).Shop, in.Ref)
	if err != nil {
		return readable(err)
	}
	session, err := h.moveSession(kind, in, summary.Run)
	if err != nil {
		return err
	}
	session.IdempotencyKey, session.RequestHash, session.By = key, hashOf(kind, body), actorOf(callerOf(c))
	accepted, err := h.Records.AcceptMove(ctx, session)
	if err != nil {
		return readableMove(err)
	}
	status := http.StatusOK
	if accepted.New {
		status = http.StatusCreated
		h.Runs.StartMoveSoon(accepted.Ref)
	}
	return c.JSON(status, moveAnswerOf(in.Ref, accepted))
}

func (in *moveRequest) check() error {
	if err := checkRef(in.Ref); err != nil {
		return err
	}
	if in.ID == "" {
		return bad("id", "is missing: your own id of this request")
	}
	return checkID("id", in.ID)
}

// moveSession completes a request by what the payment says: currency, mode and,
// unless the request names it, the amount. All of them never change, so a
// repeat has equal content.
func (h *Handler) moveSession(kind payment.Operation, in moveRequest, of payment.RunRef) (payment.MoveSession, error) {
	amount := of.Amount
	switch {
	case kind == payment.OpVoid:
		amount = money.Amount{}
	case in.Amount != "":
		var err error
		if amount, err = positive(in.Amount, of.Amount.Currency); err != nil {
			return payment.MoveSession{}, err
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return payment.MoveSession{}, payment.Errorf(payment.Unavailable, "no random id: %w", err)
	}
	return payment.MoveSession{
		ID: id.String(), Source: payment.SourceAPI, Shop: of.Shop, Kind: kind, ExternalID: in.ID, PaymentRef: of.ExternalID,
		Amount: amount, Test: of.Test, ReceivedAt: h.Now(),
	}, nil
}

// hashOf tells requests under one Idempotency-Key apart: the same body asks for
// something else at another endpoint.
func hashOf(kind payment.Operation, body []byte) []byte {
	h := sha256.New()
	h.Write([]byte(kind))
	h.Write([]byte{'\n'})
	h.Write(body)
	return h.Sum(nil)
}

// movesAnswer lists requests in order of receipt.
type movesAnswer struct {
	Ref   string       `json:"ref"`
	Moves []moveAnswer `json:"moves"`
}

// moves answers how the captures, voids and refunds of a payment stand: all of
// them, or those under one id.
func (h *Handler) moves(c echo.Context) error {
	ref, id := c.QueryParam("ref"), c.QueryParam("id")
	if err := checkRef(ref); err != nil {
		return err
	}
	if err := plain("id", id, maxRef); err != nil {
		return err
	}
	ctx, who := c.Request().Context(), callerOf(c)
	if _, err := h.Records.PaymentByRef(ctx, who.Shop, ref); err != nil {
		return readable(err)
	}
	list, err := h.Records.MovesByRef(ctx, who.Shop, ref, id)
	if err != nil {
		return err
	}
	answer := movesAnswer{Ref: ref, Moves: make([]moveAnswer, 0, len(list))}
	for _, m := range list {
		answer.Moves = append(answer.Moves, moveAnswerOf(ref, m))
	}
	return c.JSON(http.StatusOK, answer)
}

func moveAnswerOf(ref string, m payment.AcceptedMove) moveAnswer {
	out := moveAnswer{
		Ref: ref, ID: m.Ref.ExternalRef, Kind: m.Ref.Kind, Operation: m.Ref.OperationID,
		State: moveStateOf(m.View), Final: m.View.Final, Reason: m.View.Refusal, Created: m.Ref.At,
	}
	if m.Ref.Kind != payment.OpVoid {
		out.Amount, out.Currency = m.Ref.Amount.Decimal(), m.Ref.Amount.Currency
	}
	return out
}

func moveStateOf(v payment.MoveView) moveState {
	switch {
	case v.Final == payment.Reject:
		return moveRefused
	case v.Refused:
		return moveFailed
	case v.Done:
		return moveDone
	case v.Final == payment.Resolve:
		return movePending
	case v.Claimed:
		return moveProcessing
	case v.Waits:
		return moveWaiting
	}
	return moveAccepted
}

// readableMove names the field that a refused request should change.
func readableMove(err error) error {
	e, ok := errors.AsType[*payment.Error](err)
	if ok && e.Class == payment.Conflict && e.Code != "idempotency_key_reused" {
		return api.Refuse(http.StatusConflict, e.Code, "id", "this id stands for another request: "+e.Message)
	}
	return readable(err)
}
