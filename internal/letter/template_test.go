package letter_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/letter"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	good := letter.Template{Subject: "About {plan}", Button: "Go", Body: "We take {amount} on {retry_date}.\n\n{shop}"}
	require.NoError(t, letter.PaymentRetry.Check(good))
	for name, c := range map[string]struct {
		change func(*letter.Template)
		field  string
		says   string
	}{
		"an unknown placeholder": {func(m *letter.Template) { m.Body = "{name}" }, letter.FieldBody, "no placeholder {name} here. There are: {shop}, {plan}, "},
		"one of another kind":    {func(m *letter.Template) { m.Subject = "{reason}" }, letter.FieldSubject, "no placeholder {reason}"},
		"one with a space":       {func(m *letter.Template) { m.Body = "{ amount }" }, letter.FieldBody, "no placeholder { amount }"},
		"a brace that opens":     {func(m *letter.Template) { m.Body = "a {amount" }, letter.FieldBody, "“amount” belongs to no placeholder"},
		"a brace that closes":    {func(m *letter.Template) { m.Body = "a} b" }, letter.FieldBody, "belongs to no placeholder"},
		"a template of Go":       {func(m *letter.Template) { m.Body = "{{.Link}}" }, letter.FieldBody, "belongs to no placeholder"},
		"no subject":             {func(m *letter.Template) { m.Subject = " " }, letter.FieldSubject, "Write something"},
		"no button":              {func(m *letter.Template) { m.Button = "" }, letter.FieldButton, "Write something"},
		"a line in the subject":  {func(m *letter.Template) { m.Subject = "a\nBcc: x@example.test" }, letter.FieldSubject, "cannot be shown"},
		"text that turns around": {func(m *letter.Template) { m.Body = "a\u202eb" }, letter.FieldBody, "cannot be shown"},
		"no text":                {func(m *letter.Template) { m.Body = "a\xff" }, letter.FieldBody, "cannot be shown"},
		"too long":               {func(m *letter.Template) { m.Body = strings.Repeat("ä", letter.MaxBody+1) }, letter.FieldBody, "longer than 4000"},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			t.Parallel()
			bad := good
			c.change(&bad)
			var fault *letter.Fault
			require.ErrorAs(t, letter.PaymentRetry.Check(bad), &fault)
			require.Equal(t, c.field, fault.Field)
			require.Contains(t, fault.Message, c.says)
		})
	}
	t.Run("a letter without a link has no button", func(t *testing.T) {
		t.Parallel()
		var fault *letter.Fault
		require.ErrorAs(t, letter.Cancelled.Check(letter.Template{Subject: "a", Button: "b", Body: "c"}), &fault)
		require.Equal(t, letter.FieldButton, fault.Field)
		require.NoError(t, letter.Cancelled.Check(letter.Template{Subject: "a", Body: "c"}))
	})
	t.Run("Hindi may join its letters", func(t *testing.T) {
		t.Parallel()
		require.NoError(t, letter.Cancelled.Check(letter.Template{Subject: "क्\u200dष", Body: "क"}))
	})
	t.Run("an unknown kind has no template", func(t *testing.T) {
		t.Parallel()
		require.Error(t, letter.Kind("x").Check(good))
	})
}

func TestAShopsOwnText(t *testing.T) {
	t.Parallel()
	t.Run("stands in place of ours, and the facts stay below it", func(t *testing.T) {
		t.Parallel()
		l := some(t, letter.PaymentRetry, "de")
		l.Own = &letter.Template{Subject: "Hoppla, {plan}", Button: "Los", Body: "Erste Zeile\nzweite Zeile\n\n\n\nnoch ein Absatz"}
		l.Look = letter.Look{Colour: "8b1a1a", Logo: "https://pay.example.test/brand/ab.png"}
		m := write(t, l)
		require.Equal(t, "Hoppla, Club & more", m.Subject)
		require.Contains(t, m.HTML, "Erste Zeile<br>zweite Zeile</p>")
		require.Contains(t, m.HTML, "<p style=\"margin:0 0 16px;\">noch ein Absatz</p>")
		require.Contains(t, m.HTML, "background:#8b1a1a;color:#ffffff")
		require.Contains(t, m.HTML, `src="https://pay.example.test/brand/ab.png" alt="Café Acme"`)
		require.Contains(t, m.Text, "Betrag: 1.234,56\u00a0€\nNächster Versuch: 4.\u00a0März 2027\n")
	})
	t.Run("a value is never read as a template, and never as a page", func(t *testing.T) {
		t.Parallel()
		l := some(t, letter.PaymentRetry, "en")
		l.Facts.Plan = "{amount}<script>alert(1)</script>\r\nBcc: x"
		m := write(t, l)
		require.Contains(t, m.Subject, "{amount}<script>")
		require.NotContains(t, m.Subject, "\n")
		require.NotContains(t, m.HTML, "<script>")
		require.Contains(t, m.HTML, "{amount}&lt;script&gt;")
	})
	t.Run("a method that is not known is said in words and not listed", func(t *testing.T) {
		t.Parallel()
		l := some(t, letter.PaymentRetry, "en")
		l.Facts.Method = ""
		m := write(t, l)
		require.Contains(t, m.Text, "with your payment method: the payment was declined")
		require.NotContains(t, m.Text, "Payment method:")
	})
	t.Run("a colour that nobody could read is darkened", func(t *testing.T) {
		t.Parallel()
		l := some(t, letter.PaymentRetry, "en")
		l.Look.Colour = "ffff00"
		require.NotContains(t, write(t, l).HTML, "#ffff00")
	})
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"{plan}", "{", "}", "{{plan}}", "{plan", "a{amount}b{", "\x00"} {
		f.Add(seed)
	}
	w, err := letter.NewWriter()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, body string) {
		own := letter.Template{Subject: "s", Button: "b", Body: body}
		l := some(t, letter.PaymentRetry, "en")
		l.Own = &own
		_, err := w.Write(l)
		require.Equal(t, letter.PaymentRetry.Check(own) == nil, err == nil, "what is saved can be written, and nothing else")
	})
}
