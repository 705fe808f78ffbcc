package brand

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Colour is an sRGB colour.
type Colour struct{ R, G, B uint8 }

// ErrColour reports a text that is no colour.
var ErrColour = errors.New("a colour is six hex digits, such as #1f5fbf")

// ParseColour reads six hex digits, with or without # before them.
func ParseColour(text string) (Colour, error) {
	raw, err := hex.DecodeString(strings.TrimPrefix(text, "#"))
	if err != nil || len(raw) != 3 {
		return Colour{}, ErrColour
	}
	return Colour{raw[0], raw[1], raw[2]}, nil
}

// Hex is the colour as six hex digits in lower case.
func (c Colour) Hex() string { return fmt.Sprintf("%02x%02x%02x", c.R, c.G, c.B) }

// String is the colour as style sheets write it.
func (c Colour) String() string { return "#" + c.Hex() }

// luminance is WCAG's relative luminance, 0 to 1.
func (c Colour) luminance() float64 {
	channel := func(v uint8) float64 {
		part := float64(v) / 255
		if part <= 0.04045 {
			return part / 12.92
		}
		return math.Pow((part+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(c.R) + 0.7152*channel(c.G) + 0.0722*channel(c.B)
}

// Contrast is WCAG's ratio of two colours, 1 to 21.
func Contrast(a, b Colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Enough is the contrast that text has to have.
const Enough = 4.5

// The grounds of the pay page, on which links and buttons stand. They are those
// of its style sheet.
var (
	lightGrounds = [...]Colour{{0xff, 0xff, 0xff}, {0xf3, 0xf5, 0xf8}}
	darkGrounds  = [...]Colour{{0x1b, 0x21, 0x2b}, {0x12, 0x16, 0x1d}}
	white        = Colour{0xff, 0xff, 0xff}
	ink          = Colour{0x10, 0x15, 0x1d}
)

func readable(c Colour, grounds [2]Colour) bool {
	return Contrast(c, grounds[0]) >= Enough && Contrast(c, grounds[1]) >= Enough
}

// Readable reports whether the colour can be read as text on the light pay page.
func (c Colour) Readable() bool { return readable(c, lightGrounds) }

// Nearest is the colour itself if it is readable, else the lightest shade of it
// that is.
func (c Colour) Nearest() Colour { return towards(c, Colour{}, lightGrounds) }

// Palette is what the pay page needs of a colour: what is pressed, and the text on it.
type Palette struct{ Act, OnAct Colour }

// Light is the palette of the light page, for a readable colour.
func (c Colour) Light() Palette { return palette(c.Nearest()) }

// Dark is the palette of the dark page: a tint that is readable there.
func (c Colour) Dark() Palette { return palette(towards(c, white, darkGrounds)) }

// towards mixes the colour with another in steps until it is readable. It ends:
// black is readable on the light grounds, white on the dark ones.
func towards(c, other Colour, grounds [2]Colour) Colour {
	const steps = 64
	mixed := c
	for i := 1; i <= steps && !readable(mixed, grounds); i++ {
		mix := func(a, b uint8) uint8 { return uint8((int(a)*(steps-i) + int(b)*i) / steps) } //nolint:gosec // G115: between two bytes
		mixed = Colour{mix(c.R, other.R), mix(c.G, other.G), mix(c.B, other.B)}
	}
	return mixed
}

func palette(act Colour) Palette {
	on := white
	if Contrast(act, ink) > Contrast(act, white) {
		on = ink
	}
	return Palette{Act: act, OnAct: on}
}

// Style is the style sheet that puts the colour on the pay page.
func (c Colour) Style() string {
	light, dark := c.Light(), c.Dark()
	return fmt.Sprintf(":root { --act: %s; --on-act: %s; }\n@media (prefers-color-scheme: dark) { :root { --act: %s; --on-act: %s; } }\n",
		light.Act, light.OnAct, dark.Act, dark.OnAct)
}
