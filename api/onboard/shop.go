package onboard

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"tillflow/internal/brand"
	"tillflow/internal/onboard"
	"tillflow/internal/payment"
)

type shopPage struct {
	frame
	Settings  payment.ShopSettings
	Colour    string // as the field shows it, with #
	Languages []languageChoice
	First     string
	MaxKiB    int
}

type languageChoice struct {
	onboard.Language
	Chosen bool
}

func (h *Handler) shop(c echo.Context) error {
	settings, err := h.o.Records.ShopSettings(c.Request().Context(), of(c).Shop)
	if err != nil {
		return h.fail(c, err)
	}
	return h.showShop(c, http.StatusOK, settings, nil)
}

func (h *Handler) showShop(c echo.Context, status int, settings payment.ShopSettings, faults onboard.Faults) error {
	page := shopPage{frame: h.frame(c, "Name and look"), Settings: settings, MaxKiB: brand.MaxLogoBytes >> 10}
	page.Faults = faults
	if settings.Colour != "" {
		page.Colour = "#" + strings.TrimPrefix(settings.Colour, "#")
	}
	if len(settings.Languages) > 0 {
		page.First = settings.Languages[0]
	}
	for _, l := range onboard.Languages() {
		chosen := len(settings.Languages) == 0 || slices.Contains(settings.Languages, l.Code)
		page.Languages = append(page.Languages, languageChoice{l, chosen})
	}
	return h.views.render(c, status, "shop", page)
}

// setShop stores name, mail address and look, all or nothing.
func (h *Handler) setShop(c echo.Context) error {
	r, s := c.Request(), of(c)
	in := onboard.Shop{DropLogo: r.PostFormValue("drop_logo") != "", ShopSettings: payment.ShopSettings{
		Shop: s.Shop, Label: r.PostFormValue("label"), Mail: r.PostFormValue("mail"), Colour: r.PostFormValue("colour"),
		Languages: firstOf(r.PostFormValue("first"), r.PostForm["language"]),
	}}
	var err error
	if in.LogoFile, err = upload(c, "logo"); err != nil {
		return h.refuseForm(c, errMangled)
	}
	err = h.o.Desk.SaveShop(r.Context(), in, s.By())
	if faults, ok := errors.AsType[onboard.Faults](err); ok {
		stands, err := h.o.Records.ShopSettings(r.Context(), s.Shop)
		if err != nil {
			return h.fail(c, err)
		}
		in.Logo = stands.Logo
		return h.showShop(c, http.StatusUnprocessableEntity, in.ShopSettings, faults)
	}
	if err != nil {
		return h.fail(c, err)
	}
	return h.on(c, "/shop", "shop")
}

// firstOf puts the language for everybody else before the others, chosen or not.
func firstOf(first string, chosen []string) []string {
	if first == "" {
		return chosen
	}
	return append([]string{first}, slices.DeleteFunc(slices.Clone(chosen), func(code string) bool { return code == first })...)
}

// upload reads a file of the form; nil when none was chosen.
func upload(c echo.Context, field string) ([]byte, error) {
	if c.Request().MultipartForm == nil {
		return nil, nil
	}
	list := c.Request().MultipartForm.File[field]
	if len(list) == 0 || list[0].Size == 0 {
		return nil, nil
	}
	file, err := list[0].Open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, brand.MaxLogoBytes+1))
}
