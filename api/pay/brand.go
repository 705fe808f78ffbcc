package pay

import (
	"context"
	"net/http"
	"regexp"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"tillflow/internal/brand"
	"tillflow/internal/payment"
)

// Logos finds pictures by their sums.
type Logos interface {
	// Logo answers a PNG that we encoded; payment.NotFound when no shop has it any more.
	Logo(ctx context.Context, sum string) ([]byte, error)
}

// Brands serves what makes a pay page look like its shop. The names say the
// content, so that it never changes under a name and no shop is named: a colour's
// style sheet is made of the colour alone, a logo is found by its sum.
type Brands struct {
	Logos Logos
	Log   zerolog.Logger
}

// Routes mounts both sorts of file.
func (b *Brands) Routes(e *echo.Echo) { e.GET("/brand/:name", b.file) }

// What a name may be.
var (
	colourFile = regexp.MustCompile(`^[0-9a-f]{6}\.css$`)
	logoFile   = regexp.MustCompile(`^[0-9a-f]{64}\.png$`)
)

const forEver = "public, max-age=31536000, immutable"

func (b *Brands) file(c echo.Context) error {
	name := c.Param("name")
	if !colourFile.MatchString(name) && !logoFile.MatchString(name) {
		return echo.ErrNotFound
	}
	stem := name[:strings.IndexByte(name, '.')]
	if colourFile.MatchString(name) {
		colour, err := brand.ParseColour(stem)
		if err != nil {
			return err
		}
		c.Response().Header().Set("Cache-Control", forEver)
		return c.Blob(http.StatusOK, "text/css; charset=utf-8", []byte(colour.Style()))
	}
	picture, err := b.Logos.Logo(c.Request().Context(), stem)
	if payment.ClassOf(err, payment.Unavailable) == payment.NotFound && err != nil {
		return echo.ErrNotFound
	}
	if err != nil {
		b.Log.Error().Err(err).Msg("logo could not be read")
		return err
	}
	h := c.Response().Header()
	h.Set("Cache-Control", forEver)
	// Should a browser ever be led to take it for a page: it may do nothing.
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	return c.Blob(http.StatusOK, "image/png", picture)
}
