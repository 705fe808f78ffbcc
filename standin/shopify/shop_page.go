package shopify

import (
	"context"
	"math/big"
	"net/http"
	"net/mail"
	"slices"
	"strings"
)

// product is something the stand-in sells. Price is for currencies with two decimals.
type product struct {
	ID    string
	Name  string
	Blurb string
	Price string
}

func products() []product {
	return []product{
		{"mug", "Stoneware mug", "Hand glazed, 350 ml", "24.90"},
		{"notebook", "Linen notebook", "A5, dotted, 192 pages", "12.30"},
		{"lamp", "Desk lamp", "Warm light, walnut foot", "119.00"},
		{"tote", "Canvas tote", "Organic cotton, long handles", "18.00"},
	}
}

// price is the product's price in a currency: a hundred times the number in one without decimals.
func (p product) price(currency string) (string, error) {
	amount, err := parseAmount(p.Price)
	if err != nil {
		return "", err
	}
	if fractionDigits(currency) == 0 {
		amount.Mul(amount, big.NewRat(100, 1))
	}
	return formatAmount(amount, currency), nil
}

func currencies() []string { return []string{"EUR", "USD", "GBP", "CHF", "JPY", "KWD"} }

// shopForm is what the buyer chose and typed.
type shopForm struct {
	Product, Amount, Currency        string
	Kind                             PaymentKind
	Test                             bool
	Email, Phone                     string
	GivenName, FamilyName            string
	Line1, PostalCode, City, Country string
}

type shopPage struct {
	Frame      frame
	Products   []product
	Currencies []string
	Form       shopForm
	// Gateway is the payments app that checkout offers, empty if it offers none.
	Gateway string
	// Problem says what is wrong with the form.
	Problem string
}

func (s *Server) serveShop(w http.ResponseWriter, _ *http.Request, sh *shop) {
	s.renderShop(w, http.StatusOK, sh, shopPage{Form: shopForm{
		Product: "mug", Currency: "EUR", Kind: KindSale, Test: true,
		Email: "ada.lovelace@example.com", GivenName: "Ada", FamilyName: "Lovelace",
		Line1: "Invalidenstraße 117", PostalCode: "10115", City: "Berlin", Country: "DE",
	}})
}

func (s *Server) renderShop(w http.ResponseWriter, status int, sh *shop, page shopPage) {
	page.Frame = frame{Title: "Shop", Shop: sh.Domain}
	page.Products, page.Currencies = products(), currencies()
	if s.pays(sh) {
		page.Gateway = s.gateway()
	}
	s.render(w, status, "shop", page)
}

func (s *Server) startCheckout(w http.ResponseWriter, r *http.Request, sh *shop) {
	if err := r.ParseForm(); err != nil {
		s.renderShop(w, http.StatusBadRequest, sh, shopPage{Problem: "The form could not be read."})
		return
	}
	form := readShopForm(r)
	item, amount, problem := form.order()
	if problem != "" {
		s.renderShop(w, http.StatusUnprocessableEntity, sh, shopPage{Form: form, Problem: problem})
		return
	}
	s.attempt(w, r, sh, SessionRequest{
		Shop: sh.Domain, Amount: amount, Currency: form.Currency, Kind: form.Kind, Test: form.Test,
		Customer: form.customer(), item: item,
	})
}

// attempt sends a payment session and takes the buyer to the app's page, or shows honestly that it did not work.
func (s *Server) attempt(w http.ResponseWriter, r *http.Request, sh *shop, req SessionRequest) {
	if !s.pays(sh) {
		s.noPayments(w, sh)
		return
	}
	req.Tries = s.tries()
	// A buyer who closes the tab does not stop Shopify's request.
	answer, err := s.StartSession(context.WithoutCancel(r.Context()), req)
	if err != nil {
		s.render(w, http.StatusUnprocessableEntity, "error", errorPage{
			Frame: frame{Title: "Checkout failed", Shop: sh.Domain}, Heading: "The checkout could not be started",
			Text: err.Error(), Back: "/shops/" + sh.Domain, BackText: "Back to the shop",
		})
		return
	}
	if !answer.Accepted {
		s.renderCheckout(w, http.StatusBadGateway, sh, answer.Checkout, false)
		return
	}
	http.Redirect(w, r, answer.RedirectURL, http.StatusSeeOther)
}

func readShopForm(r *http.Request) shopForm {
	field := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	return shopForm{
		Product: field("product"), Amount: field("amount"), Currency: field("currency"),
		Kind: PaymentKind(field("kind")), Test: field("test") != "",
		Email: field("email"), Phone: field("phone"), GivenName: field("given_name"), FamilyName: field("family_name"),
		Line1: field("line1"), PostalCode: field("postal_code"), City: field("city"), Country: field("country"),
	}
}

// order checks the form and returns what is bought; problem is a sentence for the buyer.
func (f shopForm) order() (item, amount, problem string) {
	if !slices.Contains(currencies(), f.Currency) {
		return "", "", "Please choose a currency."
	}
	if f.Kind != KindSale && f.Kind != KindAuthorization {
		return "", "", "Please choose sale or authorization."
	}
	if _, err := mail.ParseAddress(f.Email); err != nil {
		return "", "", "Please enter an email address."
	}
	if f.Amount != "" {
		typed, err := payable(f.Amount, f.Currency)
		if err != nil {
			return "", "", "The own amount must be a positive number with the decimals of " + f.Currency + ", such as 12.30."
		}
		return "Gift card", formatAmount(typed, f.Currency), ""
	}
	for _, p := range products() {
		if p.ID != f.Product {
			continue
		}
		price, err := p.price(f.Currency)
		if err != nil {
			return "", "", "This product has no price."
		}
		return p.Name, price, ""
	}
	return "", "", "Please choose a product."
}

func (f shopForm) customer() *Customer {
	address := Address{
		GivenName: f.GivenName, FamilyName: f.FamilyName, Line1: f.Line1, City: f.City, PostalCode: f.PostalCode,
		CountryCode: f.Country, PhoneNumber: f.Phone,
	}
	shipping := address
	return &Customer{
		Email: f.Email, PhoneNumber: f.Phone, Locale: "en", BillingAddress: &address, ShippingAddress: &shipping,
	}
}
