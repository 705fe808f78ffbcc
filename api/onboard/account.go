package onboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"tillflow/internal/onboard"
	"tillflow/internal/payment"
)

type providersPage struct {
	frame
	Forms []onboard.Form
}

type connectPage struct {
	frame
	Form    onboard.Form
	ID      string // of the account that is to be
	Webhook string
	Label   string
	Live    bool
	// Given are the values that are no secrets, as they were typed.
	Given map[string]string
}

// newAccount shows the providers, or the form of one. The id of the account is
// made with the form, because the provider has to be told the account's webhook
// address before it says the secret that signs what it sends there.
func (h *Handler) newAccount(c echo.Context) error {
	name := c.QueryParam("provider")
	if name == "" {
		return h.views.render(c, http.StatusOK, "providers", providersPage{frame: h.frame(c, "Connect a payment provider"), Forms: h.o.Desk.Forms()})
	}
	form, err := h.o.Desk.Form(name)
	if err != nil {
		return h.views.message(c, http.StatusNotFound, h.note(c, "There is no such provider", "Choose one of the list."))
	}
	id, err := uuid.NewV7()
	if err != nil {
		return h.fail(c, err)
	}
	label := form.Title
	if form.Live {
		label = "Card"
	}
	return h.views.render(c, http.StatusOK, "connect", h.connectPage(c, form, payment.AccountChange{ID: id.String(), Label: label, Live: form.Live}))
}

func (h *Handler) connectPage(c echo.Context, form onboard.Form, a payment.AccountChange) connectPage {
	page := connectPage{
		frame: h.frame(c, "Connect "+form.Title), Form: form, ID: a.ID, Label: a.Label, Live: a.Live, Given: map[string]string{},
		Webhook: h.webhook(form, a.ID),
	}
	for _, f := range form.Fields {
		if !f.Secret {
			page.Given[f.Name] = a.Credentials[f.Name]
		}
	}
	return page
}

// webhook is the address that a provider sends an account's messages to; empty
// for one that sends none.
func (h *Handler) webhook(form onboard.Form, id string) string {
	if len(form.Events) == 0 {
		return ""
	}
	return h.o.PublicURL + "/webhook/" + url.PathEscape(form.Provider) + "/" + id
}

// connect stores an account whose credentials the provider accepts.
func (h *Handler) connect(c echo.Context) error {
	form, err := h.o.Desk.Form(c.Request().PostFormValue("provider"))
	if err != nil {
		return h.views.message(c, http.StatusUnprocessableEntity, h.note(c, "There is no such provider", "Nothing was changed. Choose one of the list."))
	}
	a := payment.AccountChange{
		ID: c.Request().PostFormValue("id"), Shop: of(c).Shop, Provider: form.Provider, Live: c.Request().PostFormValue("mode") == "live",
		Label: c.Request().PostFormValue("label"), Enabled: true, Credentials: given(c, form),
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), budget)
	defer cancel()
	if err := h.o.Desk.Connect(ctx, a, of(c).By()); err != nil {
		page := h.connectPage(c, form, a)
		status, faults, ours := faulty(err, form)
		if ours {
			return h.fail(c, err)
		}
		page.Faults = faults
		return h.views.render(c, status, "connect", page)
	}
	return h.on(c, "", "connected")
}

// given are the credentials of a form: all of its fields, so that a form without
// any says so too.
func given(c echo.Context, form onboard.Form) map[string]string {
	out := map[string]string{}
	for _, f := range form.Fields {
		out[f.Name] = c.Request().PostFormValue("c_" + f.Name)
	}
	return out
}

// faulty says how a page answers what the desk refused; ours: the page cannot.
func faulty(err error, form onboard.Form) (status int, faults onboard.Faults, ours bool) {
	if faults, ok := errors.AsType[onboard.Faults](err); ok {
		return http.StatusUnprocessableEntity, faults, false
	}
	switch payment.ClassOf(err, payment.Unavailable) {
	case payment.Unavailable, payment.RateLimited, payment.Unknown, payment.StillPending:
		return http.StatusServiceUnavailable, onboard.Faults{"": form.Title + " or our own database could not be asked just now. Nothing was stored. Try again in a minute."}, false
	case payment.NotFound, payment.Conflict, payment.Invalid, payment.Unauthorized, payment.Unsupported, payment.Bug:
	}
	return 0, nil, true
}

// on goes to a page that says what was done.
func (h *Handler) on(c echo.Context, path, what string) error {
	return c.Redirect(http.StatusSeeOther, Base+path+"?done="+what)
}

type accountPage struct {
	frame
	Account payment.ProviderAccount
	Form    onboard.Form
	Webhook string
	Needed  int
}

// found reads the account that the address names; payment.NotFound for one that
// is not the shop's.
func (h *Handler) found(c echo.Context) (payment.ProviderAccount, onboard.Form, error) {
	list, err := h.o.Records.ProviderAccounts(c.Request().Context(), of(c).Shop)
	if err != nil {
		return payment.ProviderAccount{}, onboard.Form{}, err
	}
	i := slices.IndexFunc(list, func(a payment.ProviderAccount) bool { return a.ID == c.Param("id") })
	if i < 0 {
		return payment.ProviderAccount{}, onboard.Form{}, payment.Errorf(payment.NotFound, "no such account")
	}
	form, err := h.o.Desk.Form(list[i].Provider)
	return list[i], form, err
}

func (h *Handler) account(c echo.Context) error { return h.showAccount(c, http.StatusOK, nil) }

func (h *Handler) showAccount(c echo.Context, status int, faults onboard.Faults) error {
	a, form, err := h.found(c)
	if err != nil {
		return h.fail(c, err)
	}
	page := accountPage{frame: h.frame(c, a.Label), Account: a, Form: form, Webhook: h.webhook(form, a.ID)}
	page.Faults = faults
	if page.Needed, err = h.o.Records.AccountNeeded(c.Request().Context(), a.Shop, a.ID); err != nil {
		return h.fail(c, err)
	}
	return h.views.render(c, status, "account", page)
}

// change renames an account and switches it on or off, or replaces credentials.
func (h *Handler) change(c echo.Context) error {
	a, form, err := h.found(c)
	if err != nil {
		return h.fail(c, err)
	}
	wanted := payment.AccountChange{
		ID: a.ID, Shop: a.Shop, Provider: a.Provider, Live: a.Live, Label: a.Label, Enabled: a.Enabled,
	}
	what := "changed"
	switch c.Request().PostFormValue("part") {
	case "credentials":
		wanted.Credentials, what = given(c, form), "verified"
	default:
		wanted.Label, wanted.Enabled = c.Request().PostFormValue("label"), c.Request().PostFormValue("enabled") != ""
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), budget)
	defer cancel()
	if err := h.o.Desk.Connect(ctx, wanted, of(c).By()); err != nil {
		status, faults, ours := faulty(err, form)
		if ours {
			return h.fail(c, err)
		}
		return h.showAccount(c, status, faults)
	}
	return h.on(c, "/accounts/"+a.ID, what)
}

// askRemove says what removing an account means.
func (h *Handler) askRemove(c echo.Context) error { return h.showRemove(c, http.StatusOK, nil) }

func (h *Handler) showRemove(c echo.Context, status int, faults onboard.Faults) error {
	a, form, err := h.found(c)
	if err != nil {
		return h.fail(c, err)
	}
	page := accountPage{frame: h.frame(c, "Remove "+a.Label), Account: a, Form: form}
	page.Faults = faults
	if page.Needed, err = h.o.Records.AccountNeeded(c.Request().Context(), a.Shop, a.ID); err != nil {
		return h.fail(c, err)
	}
	return h.views.render(c, status, "remove", page)
}

func (h *Handler) remove(c echo.Context) error {
	err := h.o.Desk.Remove(c.Request().Context(), of(c).Shop, c.Param("id"), of(c).By())
	if faults, ok := errors.AsType[onboard.Faults](err); ok {
		return h.showRemove(c, http.StatusConflict, faults)
	}
	if err != nil {
		return h.fail(c, err)
	}
	return h.on(c, "", "removed")
}
