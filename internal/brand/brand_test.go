package brand_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/brand"
)

func parse(t *testing.T, text string) brand.Colour {
	t.Helper()
	c, err := brand.ParseColour(text)
	require.NoError(t, err)
	return c
}

func TestColour(t *testing.T) {
	t.Parallel()
	t.Run("the contrast is WCAG's", func(t *testing.T) {
		t.Parallel()
		require.InDelta(t, 21, brand.Contrast(parse(t, "#000000"), parse(t, "ffffff")), 0.001)
		require.InDelta(t, 1, brand.Contrast(parse(t, "1f5fbf"), parse(t, "1F5FBF")), 0.001)
		// Known pairs: the darkest grey that fails on white and the lightest that passes.
		require.Less(t, brand.Contrast(parse(t, "777777"), parse(t, "ffffff")), brand.Enough)
		require.GreaterOrEqual(t, brand.Contrast(parse(t, "767676"), parse(t, "ffffff")), brand.Enough)
	})
	t.Run("what is no colour is refused", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{"", "#", "red", "#fff", "12345", "1234567", "12345g", "#1f5fbf;}", "##1f5fbf"} {
			_, err := brand.ParseColour(text)
			require.ErrorIs(t, err, brand.ErrColour, text)
		}
	})
	t.Run("every colour gives palettes that can be read", func(t *testing.T) {
		t.Parallel()
		light := []brand.Colour{parse(t, "ffffff"), parse(t, "f3f5f8")}
		dark := []brand.Colour{parse(t, "1b212b"), parse(t, "12161d")}
		for r := 0; r < 256; r += 15 {
			for g := 0; g < 256; g += 15 {
				for b := 0; b < 256; b += 15 {
					c := brand.Colour{R: uint8(r), G: uint8(g), B: uint8(b)}
					require.True(t, c.Nearest().Readable(), c)
					for _, ground := range light {
						require.GreaterOrEqual(t, brand.Contrast(c.Light().Act, ground), brand.Enough, c)
					}
					for _, ground := range dark {
						require.GreaterOrEqual(t, brand.Contrast(c.Dark().Act, ground), brand.Enough, c)
					}
					require.GreaterOrEqual(t, brand.Contrast(c.Light().Act, c.Light().OnAct), brand.Enough, c)
					require.GreaterOrEqual(t, brand.Contrast(c.Dark().Act, c.Dark().OnAct), brand.Enough, c)
					if c.Readable() {
						require.Equal(t, c, c.Light().Act, "a readable colour is left as it is")
					}
				}
			}
		}
	})
}

func picture(width, height int) *image.NRGBA {
	p := image.NewNRGBA(image.Rect(0, 0, width, height))
	for x := range width {
		p.SetNRGBA(x, x%height, color.NRGBA{R: uint8(x), G: 90, B: 200, A: uint8(255 - x%128)})
	}
	return p
}

func encoded(t *testing.T, p image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, p))
	return b.Bytes()
}

// chunk is a part of a PNG.
func chunk(kind, data string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(b, kind+data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE([]byte(kind+data)))
}

func TestLogo(t *testing.T) {
	t.Parallel()
	t.Run("pixels stay, whatever else the file carries goes", func(t *testing.T) {
		t.Parallel()
		const canary = "canary-ada@example.com"
		original := picture(40, 20)
		plain := encoded(t, original)
		cut := 8 + 25 // signature and header
		laden := append(bytes.Clone(plain[:cut]), chunk("tEXt", "Author\x00"+canary)...)
		laden = append(laden, plain[cut:]...)
		laden = append(laden, "<script>"+canary+"</script>"...)
		out, sum, err := brand.Logo(laden)
		require.NoError(t, err)
		require.NotContains(t, string(out), canary)
		require.Len(t, sum, 64)
		back, err := png.Decode(bytes.NewReader(out))
		require.NoError(t, err)
		require.Equal(t, original.Bounds(), back.Bounds())
		for x := range 40 {
			for y := range 20 {
				require.Equal(t, original.At(x, y), color.NRGBAModel.Convert(back.At(x, y)))
			}
		}
		_, again, err := brand.Logo(plain)
		require.NoError(t, err)
		require.Equal(t, sum, again, "the name is that of the pixels")
	})
	t.Run("a JPEG becomes a PNG", func(t *testing.T) {
		t.Parallel()
		var b bytes.Buffer
		require.NoError(t, jpeg.Encode(&b, picture(64, 64), nil))
		out, _, err := brand.Logo(b.Bytes())
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(out, []byte("\x89PNG\r\n\x1a\n")))
	})
	t.Run("what is no picture, too large or damaged is refused", func(t *testing.T) {
		t.Parallel()
		bomb := bytes.Clone(encoded(t, picture(40, 20)))
		header := chunk("IHDR", "\x00\x00\xff\xff\x00\x00\xff\xff\x08\x06\x00\x00\x00")
		copy(bomb[8:], header)
		for name, try := range map[string]struct {
			file []byte
			want error
		}{
			"empty":      {nil, brand.ErrLogoFormat},
			"an SVG":     {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), brand.ErrLogoFormat},
			"a GIF":      {[]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"), brand.ErrLogoFormat},
			"cut off":    {encoded(t, picture(40, 20))[:60], brand.ErrLogoFormat},
			"a dot":      {encoded(t, picture(15, 40)), brand.ErrLogoSize},
			"too wide":   {encoded(t, picture(brand.MaxWidth+1, 40)), brand.ErrLogoSize},
			"a bomb":     {bomb, brand.ErrLogoSize},
			"many bytes": {make([]byte, brand.MaxLogoBytes+1), brand.ErrLogoLarge},
		} {
			_, _, err := brand.Logo(try.file)
			require.ErrorIs(t, err, try.want, name)
		}
	})
}
