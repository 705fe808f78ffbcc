package merchant

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"tillflow/api"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// readBody reads a request of one JSON object.
func readBody(c echo.Context, into any) error {
	body, err := api.Body(c, maxBody)
	if err != nil {
		return err
	}
	return strict(body, into)
}

// Sizes of a page of a list.
const (
	defaultPage = 50
	maxPage     = 100
)

func limitOf(c echo.Context) (int, error) {
	text := c.QueryParam("limit")
	if text == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		return 0, bad("limit", "is not a number from 1 to "+strconv.Itoa(maxPage))
	}
	return n, nil
}

func flagOf(c echo.Context, name string) (bool, error) {
	switch c.QueryParam(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, bad(name, "is neither true nor false")
}

// codeOf is the code of an error of ours; empty for every other.
func codeOf(err error) string {
	if e, ok := errors.AsType[*payment.Error](err); ok {
		return e.Code
	}
	return ""
}

// refusedBy turns what the domain does not take into an answer: its reason is the
// code, and the field is named. The zero Refusal for every other error.
func refusedBy(err error) *api.Refusal {
	r, ok := errors.AsType[*subscription.Refusal](err)
	if !ok {
		return &api.Refusal{}
	}
	return refusal(*r)
}

func refusal(r subscription.Refusal) *api.Refusal {
	status := http.StatusBadRequest
	switch r.Reason {
	case subscription.StaleVersion, subscription.Retired, subscription.WrongState, subscription.WouldChargeTwice, subscription.Ending,
		subscription.NothingToDo, subscription.NotDue, subscription.TooMany, subscription.OtherCurrency:
		status = http.StatusConflict // well-formed, and against what stands
	case subscription.Missing, subscription.NotANumber, subscription.IsZero, subscription.IsNegative, subscription.TooPrecise,
		subscription.OutOfRange, subscription.NoCurrency, subscription.NoUnit, subscription.NoZone, subscription.NoRule, subscription.NoSuchDay:
	}
	return api.Refuse(status, string(r.Reason), r.Field, r.Message+"; nothing was changed")
}
