package brand

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/draw"
	_ "image/jpeg" // what merchants have
	"image/png"
)

// Bounds of a logo. It is shown at most 48 CSS pixels high, so that MaxHeight is
// more than any screen needs.
const (
	MaxLogoBytes = 512 << 10
	MaxWidth     = 1600
	MaxHeight    = 800
	minSide      = 16
)

// Why a picture is not taken. The texts are for who chose it.
var (
	ErrLogoLarge  = fmt.Errorf("the picture is larger than %d KiB", MaxLogoBytes>>10)
	ErrLogoFormat = errors.New("the file is no PNG or JPEG picture, or it is damaged")
	ErrLogoSize   = fmt.Errorf("the picture must be from %d × %d to %d × %d pixels", minSide, minSide, MaxWidth, MaxHeight)
)

// Logo decodes a PNG or JPEG and encodes it as a PNG of our own. Metadata, further
// frames and whatever else a file may carry are left behind. The size is read
// before the pixels, so that a small file cannot ask for much memory.
func Logo(file []byte) ([]byte, string, error) {
	if len(file) > MaxLogoBytes {
		return nil, "", ErrLogoLarge
	}
	head, format, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil || format != "png" && format != "jpeg" {
		return nil, "", ErrLogoFormat
	}
	if head.Width < minSide || head.Height < minSide || head.Width > MaxWidth || head.Height > MaxHeight {
		return nil, "", ErrLogoSize
	}
	picture, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, "", ErrLogoFormat
	}
	// Eight bits a channel are enough and half of what sixteen take.
	flat := image.NewNRGBA(image.Rect(0, 0, picture.Bounds().Dx(), picture.Bounds().Dy()))
	draw.Draw(flat, flat.Bounds(), picture, picture.Bounds().Min, draw.Src)
	var out bytes.Buffer
	if err := png.Encode(&out, flat); err != nil {
		return nil, "", fmt.Errorf("encode logo: %w", err)
	}
	sum := sha256.Sum256(out.Bytes())
	return out.Bytes(), hex.EncodeToString(sum[:]), nil
}
