package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/letter"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// Letters is the record of shops' own texts of the letters of subscriptions.
type Letters interface {
	ShopSettings(ctx context.Context, shop string) (payment.ShopSettings, error)
	OwnLetter(ctx context.Context, shop string, kind letter.Kind, language string) (letter.Template, error)
	OwnLetters(ctx context.Context, shop, language string) ([]letter.Kind, error)
	// SaveLetter refuses a text that could not be sent, with a *letter.Fault.
	SaveLetter(ctx context.Context, l letter.Own, by audit.Actor) error
	DropLetter(ctx context.Context, l letter.Own, by audit.Actor) error
}

func (h *Handler) letterRoutes(e *echo.Echo) {
	if h.o.Letters == nil {
		return
	}
	manage := h.o.Gate.Require(access.ManageAccounts)
	e.GET(base+"/letters", h.letters, manage)
	e.GET(base+"/letters/:kind", h.letter, manage)
	e.POST(base+"/letters/:kind", h.changeLetter, manage)
}

// lettersPage lists the letters of a shop in a language.
type lettersPage struct {
	frame
	Beside    []link
	Shops     []payment.ShopLine
	Shop      string
	Language  string
	Languages []letter.Language
	Groups    []letterGroup
}

type letterGroup struct {
	Reader string
	List   []letterLine
}

type letterLine struct {
	Kind    letter.Kind
	Subject string
	Own     bool
	Address string
}

// letters lists what is written to whom. Without a shop it takes the first.
func (h *Handler) letters(c echo.Context) error {
	ctx := c.Request().Context()
	page := lettersPage{frame: h.frame(c, "Subscriptions"), Shop: fitting(c.QueryParam("shop")), Language: c.QueryParam("language"), Languages: letter.Languages()}
	page.Title, page.Beside = "Mails", h.beside(page.frame, "Mails")
	facets, err := h.o.Payments.Facets(ctx)
	if err != nil {
		return h.answer(c, err)
	}
	page.Shops = facets.Shops
	if page.Shop == "" && len(page.Shops) > 0 {
		page.Shop = page.Shops[0].Shop
	}
	if page.Shop == "" {
		return h.views.render(c, http.StatusOK, "letters", page)
	}
	settings, err := h.o.Letters.ShopSettings(ctx, page.Shop)
	if err != nil {
		return h.answer(c, err)
	}
	if !h.o.Letterhead.Has(page.Language) {
		page.Language = h.o.Letterhead.Pick("", settings.Languages...)
	}
	own, err := h.o.Letters.OwnLetters(ctx, page.Shop, page.Language)
	if err != nil {
		return h.answer(c, err)
	}
	page.Groups = []letterGroup{{Reader: "To the customer"}, {Reader: "To the merchant"}}
	for _, kind := range letter.Kinds {
		ours, _ := h.o.Letterhead.Template(kind, page.Language)
		line := letterLine{Kind: kind, Subject: ours.Subject, Own: slices.Contains(own, kind), Address: letterAddress(page.Shop, kind, page.Language)}
		group := &page.Groups[0]
		if kind.ToMerchant() {
			group = &page.Groups[1]
		}
		group.List = append(group.List, line)
	}
	return h.views.render(c, http.StatusOK, "letters", page)
}

func letterAddress(shop string, kind letter.Kind, language string) string {
	return base + "/letters/" + string(kind) + "?" + url.Values{"shop": {shop}, "language": {language}}.Encode()
}

// letterPage is one letter to be changed.
type letterPage struct {
	frame
	Own          letter.Own // as it stands, or as it was typed
	Ours         letter.Template
	IsOwn        bool
	LanguageName string
	Placeholders []letter.Placeholder
	HasButton    bool
	Preview      *letter.Mail
	Fault        letter.Fault
	Saved        bool
	Back         string
	Limits       struct{ Subject, Button, Body int }
}

// letter shows a text: the shop's own, else ours.
func (h *Handler) letter(c echo.Context) error {
	own, err := h.letterOf(c, c.QueryParam("shop"), c.QueryParam("language"))
	if err != nil {
		return h.answer(c, err)
	}
	page := letterPage{Own: own, Saved: c.QueryParam("saved") != ""}
	page.Own.Template, err = h.o.Letters.OwnLetter(c.Request().Context(), own.Shop, own.Kind, own.Language)
	switch {
	case err == nil:
		page.IsOwn = true
	case payment.ClassOf(err, payment.Unavailable) != payment.NotFound:
		return h.answer(c, err)
	default:
		page.Own.Template, _ = h.o.Letterhead.Template(own.Kind, own.Language)
	}
	return h.showLetter(c, http.StatusOK, page)
}

// letterOf finds out which letter an address or a form means; payment.NotFound
// for one that does not exist.
func (h *Handler) letterOf(c echo.Context, shop, language string) (letter.Own, error) {
	own := letter.Own{Shop: fitting(shop), Kind: letter.Kind(c.Param("kind")), Language: language}
	if _, known := h.o.Letterhead.Template(own.Kind, own.Language); !known || own.Shop == "" {
		return own, payment.Errorf(payment.NotFound, "there is no such letter")
	}
	return own, nil
}

func (h *Handler) showLetter(c echo.Context, status int, page letterPage) error {
	page.frame = h.frame(c, "Subscriptions")
	page.Title = "Mail"
	page.Ours, _ = h.o.Letterhead.Template(page.Own.Kind, page.Own.Language)
	page.Placeholders, page.HasButton = page.Own.Kind.Placeholders(), page.Own.Kind.HasButton()
	page.Back = base + "/letters?" + url.Values{"shop": {page.Own.Shop}, "language": {page.Own.Language}}.Encode()
	page.Limits = struct{ Subject, Button, Body int }{letter.MaxSubject, letter.MaxButton, letter.MaxBody}
	for _, l := range letter.Languages() {
		if l.Code == page.Own.Language {
			page.LanguageName = l.Name
		}
	}
	if page.Fault == (letter.Fault{}) {
		preview, err := h.preview(c.Request().Context(), page.Own)
		if err != nil {
			return h.answer(c, err)
		}
		page.Preview = &preview
	}
	return h.views.render(c, status, "letter", page)
}

// preview writes the letter as somebody would get it, with made up facts.
func (h *Handler) preview(ctx context.Context, own letter.Own) (letter.Mail, error) {
	settings, err := h.o.Letters.ShopSettings(ctx, own.Shop)
	if err != nil {
		return letter.Mail{}, err
	}
	name, now := settings.Label, h.o.Now()
	if name == "" {
		name = own.Shop
	}
	mail, err := h.o.Letterhead.Write(letter.Letter{
		Kind: own.Kind, Language: own.Language, Own: &own.Template, Look: letter.Look{Colour: settings.Colour},
		Facts: letter.Facts{
			Shop: name, Plan: "Club", Reference: "sub-1001", Amount: money.New(123456, "EUR"), PeriodStart: now, PeriodEnd: now.AddDate(0, 1, 0),
			At: now.AddDate(0, 0, 3), Zone: time.UTC, Method: "visa 4242", Reason: payment.ExpiredCard, Outcome: subscription.FinalUnpaid,
			Link: "https://example.com/",
		},
	})
	if err != nil {
		return letter.Mail{}, payment.Errorf(payment.Bug, "%w", err)
	}
	return mail, nil
}

// What a form about a letter wants.
const (
	doSave    = "save"
	doPreview = "preview"
	doMail    = "mail" // the same, as a mail program shows it
	doDrop    = "drop"
)

// changeLetter saves, shows or drops what was typed. Nothing is saved that could
// not be sent.
func (h *Handler) changeLetter(c echo.Context) error {
	ctx, by := c.Request().Context(), h.o.Viewer(c).Actor()
	own, err := h.letterOf(c, c.FormValue("shop"), c.FormValue("language"))
	if err != nil {
		return h.answer(c, err)
	}
	// Browsers send lines with CR LF.
	body := strings.ReplaceAll(c.FormValue("body"), "\r\n", "\n")
	own.Template = letter.Template{
		Subject: strings.TrimSpace(c.FormValue("subject")), Button: strings.TrimSpace(c.FormValue("button")), Body: strings.TrimSpace(body),
	}
	do := c.FormValue("do")
	if do == doDrop {
		err = h.o.Letters.DropLetter(ctx, own, by)
	} else {
		err = own.Check()
	}
	if fault, ok := errors.AsType[*letter.Fault](err); ok {
		return h.showLetter(c, http.StatusUnprocessableEntity, letterPage{Own: own, Fault: *fault})
	}
	if err != nil {
		return h.answer(c, err)
	}
	switch do {
	case doPreview:
		return h.showLetter(c, http.StatusOK, letterPage{Own: own})
	case doMail:
		return h.showMail(c, own)
	case doSave:
		if err := h.o.Letters.SaveLetter(ctx, own, by); err != nil {
			return h.answer(c, err)
		}
	case doDrop:
	default:
		return h.answer(c, payment.Errorf(payment.Invalid, "the form is not complete"))
	}
	return c.Redirect(http.StatusSeeOther, letterAddress(own.Shop, own.Kind, own.Language)+"&saved=1")
}

// showMail shows the preview as a mail program does: by itself, and able to do nothing.
func (h *Handler) showMail(c echo.Context, own letter.Own) error {
	mail, err := h.preview(c.Request().Context(), own)
	if err != nil {
		return h.answer(c, err)
	}
	c.Response().Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox; base-uri 'none'; frame-ancestors 'none'")
	return c.HTML(http.StatusOK, mail.HTML)
}
