package login

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// square is a QR code as the path of an SVG picture, a unit for each module.
type square struct {
	Path string
	Side int // with the quiet zone
}

// quiet is how many modules stay empty around a code (ISO/IEC 18004, section 6.3.8).
const quiet = 4

// newSquare draws a text. It fails for one that is too long for any QR code.
func newSquare(text string) (square, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return square{}, fmt.Errorf("draw QR code: %w", err)
	}
	var b strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			run := 0
			for x+run < code.Size && code.Black(x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run, run)
				x += run
			}
		}
	}
	return square{Path: b.String(), Side: code.Size + 2*quiet}, nil
}
