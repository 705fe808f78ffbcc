package onboard

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"tillflow/internal/money"
	"tillflow/internal/onboard"
	"tillflow/internal/payment"
)

// place is one account in one market.
type place struct {
	Account payment.ProviderAccount
	Title   string // of the provider
	No      string // its place as it is typed; empty: not offered
}

// marketView is one form: who sees what.
type marketView struct {
	Key    string // unique on the page, for labels
	Live   bool
	Market payment.Market
	Name   string
	Places []place
	Faults onboard.Faults
}

// Offered counts the options that buyers of this market have.
func (m marketView) Offered() int {
	n := 0
	for _, p := range m.Places {
		if p.No != "" && p.Account.Enabled {
			n++
		}
	}
	return n
}

// modeView is live money or test payments.
type modeView struct {
	Live     bool
	Markets  []marketView
	Currency string // of the form for another market, as it was typed
	Country  string
	Faults   onboard.Faults
}

type optionsPage struct {
	frame
	Modes []modeView
}

func (h *Handler) options(c echo.Context) error {
	return h.showOptions(c, http.StatusOK, asked{})
}

// asked is a form that was refused.
type asked struct {
	about  payment.Market
	adding bool // it was to become another market
	faults onboard.Faults
}

// showOptions shows every market, and what was wrong at its place.
func (h *Handler) showOptions(c echo.Context, status int, a asked) error {
	ctx, s := c.Request().Context(), of(c)
	accounts, err := h.o.Records.ProviderAccounts(ctx, s.Shop)
	if err != nil {
		return h.fail(c, err)
	}
	markets, err := h.o.Records.Markets(ctx, s.Shop)
	if err != nil {
		return h.fail(c, err)
	}
	page := optionsPage{frame: h.frame(c, "Options")}
	page.Faults = a.faults
	titles := h.titles()
	for _, live := range []bool{true, false} {
		mode := modeView{Live: live}
		mine := slices.DeleteFunc(slices.Clone(accounts), func(a payment.ProviderAccount) bool { return a.Live != live })
		if len(mine) == 0 {
			continue
		}
		for _, m := range slices.Concat([]payment.Market{rest(live, mine)}, markets) {
			if m.Live != live {
				continue
			}
			view := viewOf(m, mine, titles)
			if same(m, a.about) && !a.adding {
				view.Faults = a.faults
			}
			mode.Markets = append(mode.Markets, view)
		}
		if a.adding && a.about.Live == live {
			mode.Faults, mode.Currency, mode.Country = a.faults, string(a.about.Currency), a.about.Country
		}
		page.Modes = append(page.Modes, mode)
	}
	return h.views.render(c, status, "options", page)
}

func same(a, b payment.Market) bool {
	return a.Live == b.Live && a.Currency == b.Currency && a.Country == b.Country
}

// rest is everybody else: the accounts that are switched on, in their order.
func rest(live bool, accounts []payment.ProviderAccount) payment.Market {
	m := payment.Market{Live: live}
	for _, a := range accounts {
		if a.Enabled {
			m.Accounts = append(m.Accounts, a.ID)
		}
	}
	return m
}

func viewOf(m payment.Market, accounts []payment.ProviderAccount, titles map[string]string) marketView {
	view := marketView{Live: m.Live, Market: m, Name: marketName(m), Key: strconv.FormatBool(m.Live) + "-" + string(m.Currency) + "-" + m.Country}
	for _, a := range accounts {
		p := place{Account: a, Title: titles[a.Provider]}
		if i := slices.Index(m.Accounts, a.ID); i >= 0 {
			p.No = strconv.Itoa(i + 1)
		}
		view.Places = append(view.Places, p)
	}
	slices.SortStableFunc(view.Places, func(a, b place) int { return cmp.Compare(number(a.No), number(b.No)) })
	return view
}

// number reads a place; what has none comes last.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 1 << 20
	}
	return n
}

func marketName(m payment.Market) string {
	switch {
	case m.Rest():
		return "All other buyers"
	case m.Country == "":
		return "Buyers who pay in " + string(m.Currency)
	case m.Currency == "":
		return "Buyers from " + m.Country
	}
	return "Buyers from " + m.Country + " who pay in " + string(m.Currency)
}

// market reads which one a form is about.
func market(c echo.Context) payment.Market {
	value := func(name string) string { return strings.ToUpper(strings.TrimSpace(c.Request().PostFormValue(name))) }
	return payment.Market{Live: value("mode") == "LIVE", Currency: money.Currency(value("currency")), Country: value("country")}
}

// setOptions sets one market. A new one begins with the options of everybody else.
func (h *Handler) setOptions(c echo.Context) error {
	ctx, s := c.Request().Context(), of(c)
	m := market(c)
	accounts, err := h.o.Records.ProviderAccounts(ctx, s.Shop)
	if err != nil {
		return h.fail(c, err)
	}
	faults, adding := onboard.Faults{}, c.Request().PostFormValue("new") != ""
	if adding {
		if m.Rest() {
			faults[onboard.FieldCurrency] = "Name a currency, a country, or both."
		}
		mine := slices.DeleteFunc(slices.Clone(accounts), func(a payment.ProviderAccount) bool { return a.Live != m.Live })
		m.Accounts = rest(m.Live, mine).Accounts
	} else {
		m.Accounts = placed(c, faults, accounts)
	}
	if len(faults) > 0 {
		return h.showOptions(c, http.StatusUnprocessableEntity, asked{m, adding, faults})
	}
	err = h.o.Desk.SetMarket(ctx, s.Shop, m, s.By())
	if faults, ok := errors.AsType[onboard.Faults](err); ok {
		return h.showOptions(c, http.StatusUnprocessableEntity, asked{m, adding, faults})
	}
	if err != nil {
		return h.fail(c, err)
	}
	return h.on(c, "/options", "options")
}

// maxPlace is the highest place that can be typed.
const maxPlace = 99

// placed reads the order that was typed: the account with the lowest number comes
// first, and one without is not offered. Of equal numbers the order stays.
func placed(c echo.Context, faults onboard.Faults, accounts []payment.ProviderAccount) []string {
	type typed struct {
		id string
		no int
	}
	var list []typed
	for _, a := range accounts {
		text := strings.TrimSpace(c.Request().PostFormValue("place_" + a.ID))
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPlace {
			faults["place_"+a.ID] = "A place is a number from 1 to 99. Leave it empty for an account that is not offered."
			continue
		}
		list = append(list, typed{a.ID, n})
	}
	slices.SortStableFunc(list, func(a, b typed) int { return cmp.Compare(a.no, b.no) })
	ids := make([]string, len(list))
	for i, one := range list {
		ids[i] = one.id
	}
	return ids
}

func (h *Handler) dropOptions(c echo.Context) error {
	if err := h.o.Desk.DropMarket(c.Request().Context(), of(c).Shop, market(c), of(c).By()); err != nil {
		return h.fail(c, err)
	}
	return h.on(c, "/options", "dropped")
}
