package merchant

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"tillflow/api"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// Subscriptions is the record of plans, and of who subscribed to them.
type Subscriptions interface {
	Plans
	// Subscribe commits a subscription with its first charge, or answers the one that stands.
	Subscribe(ctx context.Context, in subscription.Signup) (record subscription.Record, isNew bool, err error)
	// SubscriptionByRef is payment.NotFound for a ref that the shop does not have.
	SubscriptionByRef(ctx context.Context, shop, ref string) (subscription.Record, error)
	ListSubscriptions(ctx context.Context, f subscription.Filter) ([]subscription.Record, error)
	DunningPolicy(ctx context.Context, shop string) (subscription.Policy, error)
	// InsertCommand commits what is asked for, or answers the same request with what became of it.
	InsertCommand(ctx context.Context, r subscription.Request) (subscription.CommandLine, error)
}

// SubscriptionRuns are the workflows of subscriptions.
type SubscriptionRuns interface {
	// StartSubscriptionSoon makes sure that a run looks after a subscription.
	StartSubscriptionSoon(ref subscription.Ref)
	// AskSubscription has a command carried out that was committed, and answers what became of it.
	AskSubscription(ctx context.Context, ref subscription.Ref, commandID string) (subscription.Answer, error)
}

// subscribeRequest is the body of POST /subscription.
type subscribeRequest struct {
	Ref       string          `json:"ref"`
	Plan      string          `json:"plan"`
	Version   int             `json:"version"`  // the one that the customer saw
	Quantity  *int64          `json:"quantity"` // 1 if left out
	Zone      string          `json:"zone"`     // the customer's; the plan's if left out
	Test      bool            `json:"test"`
	ReturnURL string          `json:"return_url"`
	CancelURL string          `json:"cancel_url"`
	Locale    string          `json:"locale"`
	Customer  json.RawMessage `json:"customer"` // any object; kept in the vault. Its email gets the mails
}

type termsAnswer struct {
	Plan     string `json:"plan"`
	Version  int    `json:"version"`
	Quantity int64  `json:"quantity"`
	Price    string `json:"price"` // of one full period
}

type periodAnswer struct {
	Number int                     `json:"number"`
	Kind   subscription.PeriodKind `json:"kind"`
	Start  time.Time               `json:"start"`
	End    time.Time               `json:"end"`
}

type chargeAnswer struct {
	Key    string                  `json:"key"`
	Kind   subscription.ChargeKind `json:"kind"`
	Amount string                  `json:"amount"`
	Owed   bool                    `json:"owed"` // it was declined; nothing is under way
	Reason payment.DeclineReason   `json:"reason,omitempty"`
}

// subscriptionAnswer is what every endpoint says about a subscription.
type subscriptionAnswer struct {
	ID          string             `json:"id"`
	Ref         string             `json:"ref"`
	URL         string             `json:"url,omitempty"`  // where the customer pays what is open, or leaves the method that a trial waits for
	Page        string             `json:"page,omitempty"` // the customer's own: what is owed, and the payment method
	State       subscription.State `json:"state"`
	Test        bool               `json:"test"`
	Terms       termsAnswer        `json:"terms"`
	Next        *termsAnswer       `json:"next,omitempty"` // agreed for the next period
	Currency    money.Currency     `json:"currency"`
	Balance     string             `json:"balance"` // to the customer's credit; pays later charges
	Period      periodAnswer       `json:"period"`
	Charge      *chargeAnswer      `json:"charge,omitempty"` // the one that is not settled
	CancelAtEnd bool               `json:"cancel_at_end"`
	PauseAtEnd  bool               `json:"pause_at_end"`
	SkipNext    bool               `json:"skip_next"`
	Method      bool               `json:"has_method"` // one that renewals can be charged to
	Task        subscription.Task  `json:"next_step,omitempty"`
	Due         *time.Time         `json:"next_step_at,omitempty"`
	Created     time.Time          `json:"created_at"`
	Changed     time.Time          `json:"changed_at"`
	Ended       *time.Time         `json:"ended_at,omitempty"`
}

func termsAnswerOf(t subscription.Terms) (termsAnswer, error) {
	price, err := t.Price()
	return termsAnswer{Plan: t.Plan.ID, Version: t.Plan.Version, Quantity: t.Quantity, Price: price.Decimal()}, err
}

func (h *Handler) subscriptionAnswer(r subscription.Record) (subscriptionAnswer, error) {
	terms, err := termsAnswerOf(r.Terms)
	if err != nil {
		return subscriptionAnswer{}, err
	}
	out := subscriptionAnswer{
		ID: r.ID, Ref: r.Ref, State: r.State, Test: r.Test, Terms: terms, Currency: r.Balance.Currency, Balance: r.Balance.Decimal(),
		Period:      periodAnswer{Number: r.Period.Number, Kind: r.Period.Kind, Start: r.Period.Start, End: r.Period.End},
		CancelAtEnd: r.CancelAtEnd, PauseAtEnd: r.PauseAtEnd, SkipNext: r.SkipNext, Method: r.Method != "",
		Task: r.Task, Due: someTime(r.DueAt), Created: r.CreatedAt, Changed: r.ChangedAt, Ended: someTime(r.EndedAt),
	}
	if !r.State.Over() {
		if out.Page, err = h.Page(r.ID); err != nil {
			return out, err
		}
	}
	switch {
	case r.Pay != "":
		out.URL = h.Link(r.Pay)
	case r.State == subscription.Pending:
		out.URL = out.Page
	}
	if r.Next != nil {
		next, err := termsAnswerOf(*r.Next)
		if err != nil {
			return out, err
		}
		out.Next = &next
	}
	if r.Open != nil {
		out.Charge = &chargeAnswer{Key: r.Open.Key, Kind: r.Open.Kind, Amount: r.Open.Amount.Decimal(), Owed: r.Open.Owed}
		if n := len(r.Failures); n > 0 {
			out.Charge.Reason = r.Failures[n-1].Reason
		}
	}
	return out, nil
}

// subscribe accepts a subscription. Its url is where the customer pays the first
// charge and leaves the method for the later ones.
func (h *Handler) subscribe(c echo.Context) error {
	body, err := api.Body(c, maxBody)
	if err != nil {
		return err
	}
	signup, err := h.signup(c, body)
	if err != nil {
		return err
	}
	record, isNew, err := h.Subscriptions.Subscribe(c.Request().Context(), signup)
	if err != nil {
		return h.subscribeRefused(c, signup, err)
	}
	status := http.StatusOK
	if isNew {
		status = http.StatusCreated
		h.SubscriptionRuns.StartSubscriptionSoon(subscription.Ref{ID: record.ID, Shop: record.Shop})
	}
	answer, err := h.subscriptionAnswer(record)
	if err != nil {
		return err
	}
	return c.JSON(status, answer)
}

func (h *Handler) signup(c echo.Context, body []byte) (subscription.Signup, error) {
	var none subscription.Signup
	var in subscribeRequest
	if err := strict(body, &in); err != nil {
		return none, err
	}
	if err := in.check(); err != nil {
		return none, err
	}
	buyer, contact, err := customerOf(in.Customer)
	if err != nil {
		return none, err
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return none, err
	}
	quantity := int64(1)
	if in.Quantity != nil {
		quantity = *in.Quantity
	}
	sum := sha256.Sum256(body)
	return subscription.Signup{
		Shop: callerOf(c).Shop, Ref: in.Ref, Test: in.Test, Plan: in.Plan, Expected: in.Version, Quantity: quantity, Zone: in.Zone,
		Locale: in.Locale, ReturnURL: in.ReturnURL, CancelURL: in.CancelURL, Token: rand.Text(), Providers: h.Keepers(),
		Buyer: buyer, BuyerKey: contact, IdempotencyKey: key, RequestHash: sum[:], Resolution: h.Resolution, By: actorOf(callerOf(c)),
	}, nil
}

func (in *subscribeRequest) check() error {
	if err := checkRef(in.Ref); err != nil {
		return err
	}
	if in.Plan == "" {
		return bad("plan", "is missing: the id of a plan of yours")
	}
	if in.Version < 1 {
		return bad("version", "is missing: the version of the plan that the customer saw")
	}
	if err := plain("locale", in.Locale, maxLocale); err != nil {
		return err
	}
	if err := webAddress("return_url", in.ReturnURL); err != nil {
		return err
	}
	return webAddress("cancel_url", in.CancelURL)
}

func idempotencyKey(c echo.Context) (string, error) {
	key := c.Request().Header.Get("Idempotency-Key")
	return key, plain("Idempotency-Key", key, maxKey)
}

func (h *Handler) subscribeRefused(c echo.Context, in subscription.Signup, err error) error {
	e := refusedBy(err)
	switch {
	case e.Code == string(subscription.StaleVersion):
		return h.withCurrent(c, in.Plan, e)
	case e.Code != "":
		return e
	}
	switch codeOf(err) {
	case "unknown_plan":
		return api.Refuse(http.StatusNotFound, "unknown_plan", "plan", "no plan of yours has this id")
	case "different_subscription":
		return api.Refuse(http.StatusConflict, "different_subscription", "ref", "this ref stands for another subscription; nothing was done")
	case "no_account":
		return api.Refuse(http.StatusConflict, "no_account", "", "no account of your shop can keep a payment method in this mode; connect one that can")
	}
	return readable(err)
}

// subscription answers how one stands.
func (h *Handler) subscription(c echo.Context) error {
	record, err := h.byRef(c, c.QueryParam("ref"))
	if err != nil {
		return err
	}
	answer, err := h.subscriptionAnswer(record)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, answer)
}

// byRef reads a subscription of the caller's shop.
func (h *Handler) byRef(c echo.Context, ref string) (subscription.Record, error) {
	if err := checkRef(ref); err != nil {
		return subscription.Record{}, err
	}
	record, err := h.Subscriptions.SubscriptionByRef(c.Request().Context(), callerOf(c).Shop, ref)
	if err != nil && payment.ClassOf(err, payment.Unavailable) == payment.NotFound {
		return record, api.Refuse(http.StatusNotFound, "unknown_ref", "ref", "no subscription of yours has this ref")
	}
	return record, err
}

type subscriptionsAnswer struct {
	Subscriptions []subscriptionAnswer `json:"subscriptions"`
	Next          string               `json:"next,omitempty"` // the cursor of the next page; none: this is the last one
}

// subscriptions lists them, newest first.
func (h *Handler) subscriptions(c echo.Context) error {
	limit, err := limitOf(c)
	if err != nil {
		return err
	}
	f := subscription.Filter{Shop: callerOf(c).Shop, State: subscription.State(c.QueryParam("state")), Plan: c.QueryParam("plan"), Limit: limit + 1}
	if f.State != "" && !knownState(f.State) {
		return bad("state", "is no state of a subscription")
	}
	if f.Before, f.BeforeID, err = readCursor(c.QueryParam("cursor")); err != nil {
		return err
	}
	list, err := h.Subscriptions.ListSubscriptions(c.Request().Context(), f)
	if err != nil {
		return err
	}
	out := subscriptionsAnswer{Subscriptions: []subscriptionAnswer{}}
	for i, r := range list {
		if i == limit {
			out.Next = writeCursor(list[limit-1])
			break
		}
		one, err := h.subscriptionAnswer(r)
		if err != nil {
			return err
		}
		out.Subscriptions = append(out.Subscriptions, one)
	}
	return c.JSON(http.StatusOK, out)
}

func knownState(s subscription.State) bool {
	for _, one := range subscription.States {
		if one == s {
			return true
		}
	}
	return false
}

// A cursor is the place of the last one of a page: when it was made, and its id.
func writeCursor(r subscription.Record) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(r.CreatedAt.UnixMicro(), 10) + " " + r.ID))
}

func readCursor(text string) (time.Time, string, error) {
	if text == "" {
		return time.Time{}, "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	micros, id, found := strings.Cut(string(raw), " ")
	n, numberErr := strconv.ParseInt(micros, 10, 64)
	if err != nil || !found || numberErr != nil || uuid.Validate(id) != nil {
		return time.Time{}, "", bad("cursor", "is none that we gave out")
	}
	return time.UnixMicro(n).UTC(), id, nil
}
