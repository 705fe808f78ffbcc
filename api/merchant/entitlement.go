package merchant

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tillflow/internal/subscription"
)

// entitlementAnswer says whether a customer is paid up, for a portal.
type entitlementAnswer struct {
	Ref      string                `json:"ref"`
	PaidUp   bool                  `json:"paid_up"` // give access
	Standing subscription.Standing `json:"standing"`
	Until    *time.Time            `json:"until,omitempty"` // when the answer may change by itself
	Plan     string                `json:"plan"`
	Quantity int64                 `json:"quantity"`
}

// entitlement answers for this moment, from the record alone.
func (h *Handler) entitlement(c echo.Context) error {
	record, err := h.byRef(c, c.QueryParam("ref"))
	if err != nil {
		return err
	}
	policy, err := h.Subscriptions.DunningPolicy(c.Request().Context(), record.Shop)
	if err != nil {
		return err
	}
	zone, err := subscription.LoadZone(record.Schedule.Zone)
	if err != nil {
		return err
	}
	e := record.Entitlement(h.Now(), policy, zone)
	return c.JSON(http.StatusOK, entitlementAnswer{
		Ref: record.Ref, PaidUp: e.PaidUp, Standing: e.Standing, Until: someTime(e.Until),
		Plan: record.Terms.Plan.ID, Quantity: record.Terms.Quantity,
	})
}
