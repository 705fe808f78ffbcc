package sandbox

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tillflow/internal/payment"
	"tillflow/internal/psp/sandbox/books"
)

//go:embed templates/*.html static/sandbox.css
var files embed.FS

// views renders the pages; each has one data struct.
type views struct {
	pages map[string]*template.Template
	style []byte
}

func parse() (*views, error) {
	v := &views{pages: map[string]*template.Template{}}
	for _, name := range []string{"pay", "authenticate", "message"} {
		t, err := template.ParseFS(files, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parse sandbox page %s: %w", name, err)
		}
		v.pages[name] = t
	}
	style, err := files.ReadFile("static/sandbox.css")
	v.style = style
	return v, err
}

func (v *views) css(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "public, max-age=300")
	return c.Blob(http.StatusOK, "text/css; charset=utf-8", v.style)
}

// policy allows our own style sheet and nothing else. There is no form-action,
// because browsers apply it to the redirect that follows a form, and that leads
// back to the shop.
const policy = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"

func (v *views) render(c echo.Context, status int, name string, data any) error {
	var b bytes.Buffer
	if err := v.pages[name].ExecuteTemplate(&b, "layout", data); err != nil {
		return fmt.Errorf("render sandbox page %s: %w", name, err)
	}
	c.Response().Header().Set("Content-Security-Policy", policy)
	return c.HTMLBlob(status, b.Bytes())
}

// frame is what every page shows around its content.
type frame struct {
	Title       string
	Amount      string
	Description string
}

func framed(title string, c books.Checkout) frame {
	return frame{Title: title, Amount: c.Amount.String(), Description: c.Description}
}

type payPage struct {
	frame
	ID       string
	Verb     string
	No       string // why the last try failed
	Delay    string
	Until    string
	Declines []choice
	Delayed  []choice
	Laters   []choice // where the card is kept
}

func (v *views) pay(c echo.Context, status int, checkout books.Checkout) error {
	data := payPage{
		frame: framed("How should this payment end?", checkout), ID: checkout.ID, Verb: "Pay",
		No: refusal(checkout.Verdict.Decline), Delay: checkout.Delay.String(),
		Until: checkout.ExpiresAt.UTC().Format("2 January 2006, 15:04 MST"), Declines: declines(), Delayed: delayed(),
	}
	if checkout.Remember {
		data.Laters = laters()
	}
	if checkout.Kind == payment.Authorization {
		data.Verb = "Authorize"
	}
	return v.render(c, status, "pay", data)
}

type authenticatePage struct {
	frame
	ID      string
	Choices []choice
}

func (v *views) authenticate(c echo.Context, checkout books.Checkout) error {
	return v.render(c, http.StatusOK, "authenticate", authenticatePage{
		frame: framed("Your bank asks: is it you?", checkout), ID: checkout.ID, Choices: checked(),
	})
}

type messagePage struct {
	frame
	Text     string
	Link     string
	LinkText string
}

// magic is the page of an amount that decides by itself.
func (v *views) magic(c echo.Context, checkout books.Checkout) error {
	return v.render(c, http.StatusOK, "message", messagePage{
		frame: framed("This amount decides by itself", checkout),
		Text: "It is one of the sandbox's magic amounts: " + foretell(checkout.Verdict, checkout.Delay) +
			" There is nothing to choose here.",
		Link: checkout.ReturnURL, LinkText: "Go on to the result",
	})
}

func foretell(verdict books.Verdict, delay time.Duration) string {
	after := "within " + delay.String()
	if verdict.Slow {
		after = "it is processing " + after + ", and " + delay.String() + " later"
	}
	switch verdict.Result {
	case books.Success:
		return after + " the payment succeeds."
	case books.Failure:
		return after + " the payment fails."
	case books.Never:
		return after + " the payment is processing, and stays so for ever."
	case books.Undecided:
	}
	return "its result is open."
}

// over is the page of a checkout at which nothing can be chosen any more.
func (v *views) over(c echo.Context, checkout books.Checkout, state books.State) error {
	data := messagePage{Link: checkout.ReturnURL, LinkText: "Go on to the result"}
	switch state {
	case books.Closed:
		data.frame = framed("This page is closed", checkout)
		data.Text = "The time to pay is over, or the shop has closed the page. Nothing was paid here."
		data.Link, data.LinkText = backTo(checkout), "Back to the shop"
	case books.Processing:
		data.frame = framed("This payment is being processed", checkout)
		data.Text = "The result comes later. There is nothing more to do here."
	case books.Declined:
		data.frame = framed("This payment has failed", checkout)
		data.Text = "Nothing was paid here."
	case books.Open, books.Held, books.Taken, books.Voided, books.Lapsed:
		data.frame = framed("This payment is complete", checkout)
		data.Text = "There is nothing more to do here."
	}
	return v.render(c, http.StatusGone, "message", data)
}

func (v *views) unknown(c echo.Context) error {
	return v.render(c, http.StatusNotFound, "message", messagePage{
		frame: frame{Title: "The sandbox does not know this page"},
		Text:  "Please check that the whole address was copied, or start again from the shop's checkout.",
	})
}

func (v *views) trouble(c echo.Context) error {
	return v.render(c, http.StatusServiceUnavailable, "message", messagePage{
		frame: frame{Title: "Please try again in a moment"},
		Text:  "The sandbox cannot answer just now. What you have chosen before is kept.",
		Link:  c.Request().URL.Path, LinkText: "Try again",
	})
}
