package shopify

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed pages/style.css
var styleSheet []byte

// maxForm bounds a posted form.
const maxForm = 32 << 10

func parsePages() (*template.Template, error) {
	pages, err := template.ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse pages: %w", err)
	}
	return pages, nil
}

// frame is what every page has.
type frame struct {
	Title string
	// Shop is empty on the index.
	Shop string
	// Refresh reloads the page after that many seconds; zero never does.
	Refresh int
}

// view of an error page.
type errorPage struct {
	Frame   frame
	Heading string
	Text    string
	// Back and BackText lead on.
	Back     string
	BackText string
}

// page finds the shop of a request. Pages are never cached: they show the books.
func (s *Server) page(serve func(http.ResponseWriter, *http.Request, *shop)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sh := s.shops[r.PathValue("shop")]
		if sh == nil {
			s.render(w, http.StatusNotFound, "error", errorPage{
				Frame: frame{Title: "No such shop"}, Heading: "No such shop",
				Text: "There is no shop under this address.", Back: "/", BackText: "All shops",
			})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		serve(w, r, sh)
	}
}

// render writes a page, or a plain 500 if its template fails: half a page is never sent.
func (s *Server) render(w http.ResponseWriter, status int, name string, data any) {
	var page bytes.Buffer
	if err := s.pages.ExecuteTemplate(&page, name, data); err != nil {
		s.opts.Log.Error().Err(err).Str("page", name).Msg("page not rendered")
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	// No form-action: a browser would hold the redirect to the app's payment page against it.
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Length", strconv.Itoa(page.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // the reader is gone when this fails
}

func (s *Server) serveStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = w.Write(styleSheet) // the reader is gone when this fails
}

func (s *Server) serveIndex(w http.ResponseWriter, _ *http.Request) {
	s.render(w, http.StatusOK, "index", struct {
		Frame frame
		Shops []string
	}{frame{Title: "Shops"}, slices.Sorted(maps.Keys(s.shops))})
}

// noCheckout answers an unknown checkout.
func (s *Server) noCheckout(w http.ResponseWriter, sh *shop) {
	s.render(w, http.StatusNotFound, "error", errorPage{
		Frame: frame{Title: "No such checkout", Shop: sh.Domain}, Heading: "No such checkout",
		Text: "This checkout does not exist.", Back: "/shops/" + sh.Domain, BackText: "Back to the shop",
	})
}

// orderName is how shop and Admin call an order, or the checkout before it is one.
func orderName(c *checkout) string {
	if c.Number == 0 {
		return "Checkout " + c.ID[:min(6, len(c.ID))]
	}
	return "#" + strconv.Itoa(c.Number)
}

// label turns a constant into words: PARTIALLY_PAID into "Partially paid".
func label(constant string) string {
	words := strings.ToLower(strings.ReplaceAll(constant, "_", " "))
	if words == "" {
		return ""
	}
	return strings.ToUpper(words[:1]) + words[1:]
}

// declineText is what the buyer reads for a reject code; the merchant's message is not for him.
func declineText(code string) string {
	switch code {
	case "INSUFFICIENT_FUNDS":
		return "There is not enough money in the account."
	case "EXPIRED_CARD", "INVALID_EXPIRY_DATE":
		return "The card has expired. Please use another one."
	case "INCORRECT_NUMBER", "INVALID_NUMBER", "INCORRECT_CVC", "INVALID_CVC", "INCORRECT_PIN", "INCORRECT_ZIP",
		"INCORRECT_ADDRESS":
		return "Something in the payment details is wrong. Please check them."
	case "AUTHENTICATION_FAILED", "AUTHENTICATION_REQUIRED":
		return "The payment could not be confirmed with your bank."
	case "CANCELLED_PAYMENT":
		return "The payment was cancelled."
	case "AMOUNT_TOO_LARGE", "AMOUNT_TOO_SMALL", "INVALID_AMOUNT", "TRANSACTION_LIMIT_EXCEEDED":
		return "This payment method cannot be used for this amount."
	case "PAYMENT_METHOD_UNSUPPORTED", "INVALID_PAYMENT_METHOD", "INVALID_CURRENCY", "INVALID_PURCHASE_TYPE":
		return "This payment method cannot be used here. Please choose another one."
	case "CALL_ISSUER", "PICK_UP_CARD", "DO_NOT_HONOR", "CARD_DECLINED", "INSTRUMENT_DECLINED", "RETRY_DECLINED":
		return "Your bank declined the payment. Please use another payment method or ask your bank."
	case "CARD_TESTING", "FRAUD_SUSPECTED", "HIGH_RISK_FRAUD_SUSPECTED", "RISKY", "MERCHANT_RULE":
		return "The payment could not be accepted. Please use another payment method."
	default:
		return "There was a problem with the payment provider. Nothing was charged; please try again."
	}
}
