package pay

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"tillflow/internal/payment"
)

//go:embed templates/*.html static/pay.css
var files embed.FS

// views renders the pages; each has one data struct.
type views struct {
	pages map[string]*template.Template
	style []byte
	words words
}

func parse() (*views, error) {
	all, err := readWords()
	if err != nil {
		return nil, err
	}
	v := &views{pages: map[string]*template.Template{}, words: all}
	for _, name := range []string{"choose", "wait", "message", "subscription"} {
		t, err := template.New(name).Funcs(template.FuncMap{"t": all.say}).ParseFS(files, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", name, err)
		}
		v.pages[name] = t
	}
	style, err := files.ReadFile("static/pay.css")
	v.style = style
	return v, err
}

func (v *views) css(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "public, max-age=300")
	return c.Blob(http.StatusOK, "text/css; charset=utf-8", v.style)
}

// policy allows our own style sheets, the shop's logo, which is served by us, and
// nothing else. form-action is left open
// to https because browsers apply it to the redirect that follows a form, which
// leads to the provider's page.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"

// spoken is a page's data, which has to say in which language it is.
type spoken interface {
	look() *frame
}

func (v *views) render(c echo.Context, status int, name string, data spoken) error {
	f := data.look()
	f.Language = v.words.language(c.Request(), f.Brand, f.locale)
	c.Response().Header().Set("Content-Language", f.Language)
	c.Response().Header().Set("Vary", "Accept-Language")
	var b bytes.Buffer
	if err := v.pages[name].ExecuteTemplate(&b, "layout", data); err != nil {
		return fmt.Errorf("render page %s: %w", name, err)
	}
	c.Response().Header().Set("Content-Security-Policy", policy)
	return c.HTMLBlob(status, b.Bytes())
}

// frame is what every page shows around its content.
type frame struct {
	Title   string
	Shop    string
	Amount  string
	Test    bool
	Refresh string // where the page goes by itself after two seconds
	Brand   payment.Brand
	// Language of the page, set when it is rendered.
	Language string
	locale   string // of the order
}

func (f *frame) look() *frame { return f }

func framed(title string, p payment.Page) frame {
	return frame{Title: title, Shop: p.Label, Amount: readable(p.Payment.Amount.String()), Test: p.Payment.Test, Brand: p.Brand, locale: p.Locale}
}

// readable groups the digits of a long amount in threes, with the narrow space
// that ISO 80000-1 asks for: neither comma nor point, which mean the opposite
// elsewhere.
func readable(amount string) string {
	whole := strings.IndexFunc(amount, func(r rune) bool { return r < '0' || r > '9' })
	if whole < 5 {
		return amount
	}
	digits, rest := amount[:whole], amount[whole:]
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return digits + rest
}

type choosePage struct {
	frame
	Token   string
	No      string // why the last try failed
	Keeps   string // what becomes of the method that is paid with; empty: nothing
	Options []option
	CanBack bool
}

type option struct {
	ID, Label string
	Open      bool
}

func (v *views) choose(c echo.Context, p payment.Page) error {
	if p.Shut != "" {
		return v.render(c, http.StatusGone, "message", &messagePage{
			frame: framed("This payment cannot be continued", p), Text: sentence(p.Shut), Alert: true, Link: p.CancelURL, LinkText: "Back to the shop",
		})
	}
	data := choosePage{frame: framed("Choose how to pay", p), Token: c.Param("token"), No: sentence(p.LastNo), CanBack: p.CancelURL != ""}
	if p.Payment.Source == payment.SourceSubscription || p.Payment.Source == payment.SourceRenewal {
		data.Keeps = "What you pay with is kept for later payments. They are charged by themselves until you cancel."
	}
	for _, o := range p.Options {
		open := p.Unfinished != nil && p.Unfinished.AccountID == o.AccountID
		data.Options = append(data.Options, option{ID: o.AccountID, Label: o.Label, Open: open})
	}
	return v.render(c, http.StatusOK, "choose", &data)
}

// waiting is a page that goes on by itself.
type waiting struct {
	Title, Text, Next string
	Escape            bool // offer another way to pay meanwhile
}

type waitPage struct {
	frame
	Text   string
	Escape bool
	Token  string
}

func (v *views) wait(c echo.Context, p payment.Page, w waiting) error {
	data := waitPage{frame: framed(w.Title, p), Text: w.Text, Escape: w.Escape, Token: c.Param("token")}
	data.Refresh = fmt.Sprintf("%s?n=%d", w.Next, turns(c)+1)
	return v.render(c, http.StatusOK, "wait", &data)
}

type messagePage struct {
	frame
	Text     string
	Alert    bool // the text is bad news
	Link     string
	LinkText string
}

// Codes of the record's refusals that no page shows by itself.
const (
	codeLate           = "late"
	codeTooManyChoices = "too_many_choices"
)

// noChoice says why nothing can be chosen although the payment is not over.
func (v *views) noChoice(c echo.Context, p payment.Page, code string) error {
	data := messagePage{frame: framed("This payment cannot be continued", p), Alert: true, Link: p.CancelURL, LinkText: "Back to the shop"}
	switch code {
	case codeLate:
		data.Text = sentence(payment.TimedOut) + " To try again, please start from the shop's checkout."
	case codeTooManyChoices:
		data.Text = "The way to pay was changed too often. Please start again from the shop's checkout."
	}
	return v.render(c, http.StatusConflict, "message", &data)
}

// over is the page of a payment whose answer is decided.
func (v *views) over(c echo.Context, p payment.Page) error {
	data := messagePage{Link: p.NextURL, LinkText: "Back to the shop"}
	switch {
	case p.Final == payment.Resolve:
		data.frame, data.Text = framed("This payment is complete", p), "Your payment has been received. There is nothing more to do here."
	case p.Final == payment.Reject:
		data.frame, data.Text = framed("This payment has ended", p), "No money was taken. To try again, please start from the shop's checkout."
		if p.Shut != "" {
			data.Text = "No money was taken. " + sentence(p.Shut)
		}
	default:
		data.frame, data.Text = framed("This payment has ended", p), "This link is not in use any more."
	}
	if data.Link == "" {
		data.Link = p.CancelURL
	}
	return v.render(c, http.StatusGone, "message", &data)
}

func (v *views) unknown(c echo.Context) error {
	return v.render(c, http.StatusNotFound, "message", &messagePage{
		frame: frame{Title: "We do not know this payment link"},
		Text:  "Please check that the whole link was copied, or start again from the shop's checkout.",
	})
}

func (v *views) stuck(c echo.Context, p payment.Page) error {
	return v.render(c, http.StatusServiceUnavailable, "message", &messagePage{
		frame: framed("No way to pay is available right now", p), Link: p.CancelURL, LinkText: "Back to the shop",
		Text: "The shop has no payment method in use for this order at the moment. Nothing has been charged. Please tell the shop.",
	})
}

func (v *views) trouble(c echo.Context, err error) error {
	status := http.StatusServiceUnavailable
	if payment.ClassOf(err, payment.Unavailable) == payment.Bug {
		status = http.StatusInternalServerError
	}
	here := c.Request().URL.Path
	if c.Request().Method != http.MethodGet {
		here = "/pay/" + url.PathEscape(c.Param("token")) // what was pressed is not pressed again by itself
	}
	return v.render(c, status, "message", &messagePage{
		frame: frame{Title: "Please try again in a moment", Refresh: here},
		Text:  "We could not load this payment just now. What you have already done is safe, and nothing is charged twice. This page tries again by itself.",
		Link:  here, LinkText: "Try again now",
	})
}

// sentence tells the buyer why a try failed, without telling a fraudster more
// than a bank would.
func sentence(r payment.DeclineReason) string {
	switch r {
	case "":
		return ""
	case payment.InsufficientFunds:
		return "Your bank declined the payment because the account does not have enough funds."
	case payment.ExpiredCard:
		return "The card has expired."
	case payment.IncorrectCVC:
		return "The card's security code was not correct."
	case payment.IncorrectNumber:
		return "The card number was not correct."
	case payment.AuthenticationFailed:
		return "Your bank could not confirm that it was you."
	case payment.AmountTooSmall, payment.AmountTooLarge:
		return "This way to pay does not take this amount."
	case payment.NotSupported:
		return "This way to pay cannot be used for this order."
	case payment.Cancelled:
		return "The payment was cancelled."
	case payment.TimedOut:
		return "The time to pay is over."
	case payment.TooManyAttempts:
		return "There were too many attempts to pay for this order. Please start again from the shop's checkout."
	case payment.Duplicate:
		return "This order has already been paid in another window."
	case payment.ProcessingError:
		return "The payment provider could not process the payment."
	case payment.DeclinedOther, payment.Fraud, payment.LostOrStolen:
		return "The payment was declined by your bank or card issuer."
	}
	return "The payment was declined (" + strings.ReplaceAll(string(r), "_", " ") + ")."
}
