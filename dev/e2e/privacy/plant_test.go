package privacy

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/dev/stack"
	"tillflow/standin/recharge"
	"tillflow/standin/shopify"
)

// planted counts what became of the fields into which the person was written.
type planted struct {
	kept    int // taken: sealed, or in a field that the erasure has to clear
	dropped int // taken, and nothing of it is stored
	refused int // the field takes no person
}

// story is what the person has with the shop.
type story struct {
	w       *world
	count   planted
	shopify shopify.SessionAnswer // paid by card
	api     string                // ref of a payment that is paid at the sandbox and partly refunded
	open    string                // ref of a payment that nobody has paid
}

const description = "Birthday present for Zebedeus Quillfeatherstone of Puddingthorpe"

// plant writes the person into every field of the service that takes words.
func plant(t *testing.T, w *world) *story {
	t.Helper()
	s := &story{w: w}
	s.checkout(t)
	s.merchantAPI(t)
	s.operators(t)
	s.webhooks(t)
	s.subscriber(t)
	s.publicForms(t)
	return s
}

// checkout: a buyer at Shopify who pays by card.
func (s *story) checkout(t *testing.T) {
	t.Helper()
	var err error
	s.shopify, err = s.w.Shopify.StartSession(t.Context(), shopify.SessionRequest{
		Shop: stack.Shop, Amount: "24.90", Currency: "EUR", Test: true, Customer: person(),
	})
	require.NoError(t, err)
	require.True(t, s.shopify.Accepted, "%d %s", s.shopify.Status, s.shopify.Body)
	s.count.kept += 12 // members of customer
	page, err := s.w.buyer.Choose(t.Context(), s.shopify.RedirectURL, "Card")
	require.NoError(t, err)
	_, err = s.w.buyer.PayStripe(t.Context(), page, "insufficient_funds")
	require.ErrorContains(t, err, "402")
	_, err = s.w.buyer.PayStripe(t.Context(), page, "success")
	require.NoError(t, err)
	_, err = s.w.buyer.Return(t.Context(), strings.Replace(s.shopify.RedirectURL, "/pay/", "/return/", 1))
	require.NoError(t, err)
}

// request is the body of POST /payment with the person in each text.
func request(ref string, minor int64) map[string]any {
	return map[string]any{
		"ref": ref, "amount": amount(minor), "currency": "EUR", "test": true, "description": description, "locale": "en-GB",
		"return_url": "https://shop.example/thanks?mail=" + mailOf, "cancel_url": "https://shop.example/cart/Quillfeatherstone",
		"customer": map[string]any{
			"email": mailOf, "phone_number": "+447700900123", "first_name": "Zebedeus", "last_name": "Quillfeatherstone",
			"remarks": []string{"rings twice, shouted-at-the-till"}, "home": map[string]any{"street": "17 Marmalade Crescent", "city": "Puddingthorpe"},
		},
	}
}

// merchantAPI: a merchant's program that knows the same person.
func (s *story) merchantAPI(t *testing.T) {
	t.Helper()
	s.api, s.open = "order-1001", "order-1002"
	made := s.w.api(t, "/payment", "key-of-"+mailOf, request(s.api, 1990))
	require.Equal(t, http.StatusCreated, made.status, made.body)
	s.count.kept += 10 // description, two addresses, the key, and members of customer
	made = s.w.api(t, "/payment", "key-of-Quillfeatherstone", request(s.open, 2990))
	require.Equal(t, http.StatusCreated, made.status, made.body)
	named := s.w.api(t, "/payment", "", request(mailOf, 100))
	require.Equal(t, http.StatusBadRequest, named.status, named.body)
	unknown := request("order-1003", 100)
	unknown["buyer_name"] = "Zebedeus Quillfeatherstone"
	require.Equal(t, http.StatusBadRequest, s.w.api(t, "/payment", "", unknown).status)
	foreign := request("order-1004", 100)
	foreign["currency"] = "Zebedeus"
	require.Equal(t, http.StatusBadRequest, s.w.api(t, "/payment", "", foreign).status)
	s.count.refused += 3
	s.payAtSandbox(t)
	moved := s.w.api(t, "/payment/refund", "refund-for-"+mailOf, map[string]any{"ref": s.api, "id": "refund-1", "amount": "5.00"})
	require.Less(t, moved.status, 300, moved.body)
	s.count.kept++
	require.Equal(t, http.StatusBadRequest, s.w.api(t, "/payment/refund", "", map[string]any{"ref": mailOf, "id": "refund-2", "amount": "1.00"}).status)
	s.count.refused++
	soon(t, "the refund is not over", func() bool {
		return s.w.is("SELECT closed_at IS NOT NULL FROM move_sessions WHERE external_id = 'refund-1'")
	})
}

func (s *story) payAtSandbox(t *testing.T) {
	t.Helper()
	token := one[string](t, s.w, "SELECT token FROM payments WHERE external_id = $1", s.api)
	page, err := s.w.buyer.Choose(t.Context(), s.w.PayURL+"/pay/"+token, "Sandbox")
	require.NoError(t, err)
	// The hosted page's field takes none of this.
	s.w.post(t, page, url.Values{"choice": {"Zebedeus Quillfeatherstone"}})
	s.count.refused++
	require.Equal(t, http.StatusSeeOther, s.w.post(t, page, url.Values{"choice": {"success"}}).status)
	soon(t, "the payment at the sandbox is not over", func() bool {
		return s.w.is("SELECT closed_at IS NOT NULL AND state = 'captured' FROM payments WHERE external_id = $1", s.api)
	})
}

// operators: people who type about the person, on the command line and in the console.
func (s *story) operators(t *testing.T) {
	t.Helper()
	s.w.runs(t, "payment", "note", "-actor", "tester", "-reason", "Zebedeus Quillfeatherstone shouted-at-the-till again", s.shopify.ID)
	id := one[string](t, s.w, "SELECT id::text FROM payments WHERE external_id = $1", s.api)
	d := s.w.desk(t, "operator") // the login was given the person's name and address
	page := "/console/payments/" + id + "/act?do=note"
	note := d.post(t, page, "/console/payments/"+id+"/act", url.Values{
		"do": {"note"}, "choice": {""}, "reason": {"spoke to Zebedeus of 17 Marmalade Crescent"}, "id": {fieldOf(d.get(t, page).body, "id")},
	})
	require.Equal(t, http.StatusOK, note.status, note.body)
	soon(t, "the note is not written", func() bool {
		return s.w.is("SELECT count(*) = 1 FROM actions WHERE payment_id = $1 AND action = 'note'", id)
	})
	d.post(t, "/console/payments", "/console/payments", url.Values{"q": {"Quillfeatherstone"}})
	d.post(t, "/console/payments", "/console/payments", url.Values{"q": {mailOf}})
	saved := d.post(t, "/console/payments?shop="+stack.Shop, "/console/payments/filters", url.Values{"name": {"Quillfeatherstone, Puddingthorpe"}, "query": {"shop=" + stack.Shop}})
	require.Equal(t, http.StatusOK, saved.status)
	require.True(t, s.w.is("SELECT count(*) = 1 FROM console_filters"), "the search was not kept")
	f := s.w.desk(t, "finance")
	f.post(t, "/console/audit", "/console/audit", url.Values{"actor": {"Zebedeus"}, "subject": {"Quillfeatherstone"}})
	s.count.kept, s.count.dropped = s.count.kept+3, s.count.dropped+6
}

// fieldOf reads a hidden field of a page; empty when there is none.
func fieldOf(page, name string) string {
	_, rest, found := strings.Cut(page, `name="`+name+`" value="`)
	if !found {
		return ""
	}
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// webhooks: messages that are full of the person, of which codes alone are kept.
func (s *story) webhooks(t *testing.T) {
	t.Helper()
	order, err := json.Marshal(map[string]any{
		"id": 820982911946154508, "admin_graphql_api_id": "gid://shopify/Order/820982911946154508", "email": mailOf, "phone": "+447700900123",
		"financial_status": "paid", "currency": "EUR", "note": "for Zebedeus Quillfeatherstone", "contact_email": mailOf,
		"customer":         map[string]any{"first_name": "Zebedeus", "last_name": "Quillfeatherstone"},
		"shipping_address": map[string]any{"address1": "17 Marmalade Crescent", "city": "Puddingthorpe", "zip": "QZ7 9XY"},
	})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, s.w.deliver(t, "orders/updated", order))
	s.count.dropped += 9
	// Of a provider: bodies are not kept, and a signature that does not fit is refused.
	account := one[string](t, s.w, "SELECT id::text FROM accounts WHERE provider = 'stripe' AND NOT live LIMIT 1")
	hooked := s.w.post(t, s.w.PayURL+"/webhook/stripe/"+account, url.Values{"billing_details": {"Zebedeus Quillfeatherstone"}})
	require.GreaterOrEqual(t, hooked.status, 400)
	s.count.refused++
}

// subscriber: the person has a subscription at Recharge whose charge failed. The list and a webhook are full of them.
func (s *story) subscriber(t *testing.T) {
	t.Helper()
	_, err := s.w.Recharge.AddCharges(stack.Shop, 1, recharge.ChargeSpec{
		Note: "leave it with Zebedeus Quillfeatherstone, 17 Marmalade Crescent", Error: "declined for Zebedeus Quillfeatherstone",
		Title: "Box for Quillfeatherstone", AgeSeconds: 60, Announce: true,
		Override: map[string]any{"customer": map[string]any{"id": 77, "email": mailOf, "external_customer_id": map[string]any{"ecommerce": "4242"}}},
	})
	require.NoError(t, err)
	soon(t, "the failed charge is not kept and told", func() bool {
		return s.w.is("SELECT count(*) = 1 FROM recharge_charges c JOIN recharge_reports r ON r.id = c.report_id WHERE c.vault_id IS NOT NULL AND r.sent_at IS NOT NULL")
	})
	f := s.w.desk(t, "finance")
	found := f.post(t, "/console/recharge", "/console/recharge", url.Values{"text": {"quillfeatherstone"}})
	require.Contains(t, found.body, "CARD_DECLINED", "the note is found")
	require.Contains(t, f.post(t, "/console/recharge", "/console/recharge/csv", url.Values{}).body, "Quillfeatherstone", "the file has the note")
	s.count.kept, s.count.dropped = s.count.kept+3, s.count.dropped+2
}

// publicForms: whoever finds an address of ours may type anything.
func (s *story) publicForms(t *testing.T) {
	t.Helper()
	s.w.post(t, s.shopify.RedirectURL, url.Values{"option": {"Zebedeus Quillfeatherstone"}})
	s.w.post(t, s.w.PayURL+"/privacy/no-such-link", url.Values{"passphrase": {"Zebedeus Quillfeatherstone"}})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		s.w.PayURL+"/shopify/install?shop="+stack.Shop+"&state="+url.QueryEscape(mailOf)+"&hmac=Quillfeatherstone&timestamp=Zebedeus", nil)
	require.NoError(t, err)
	require.GreaterOrEqual(t, s.w.send(t, req).status, 400)
	s.count.dropped += 5
}

// bystander is another buyer, who stays.
func bystander(t *testing.T, w *world) string {
	t.Helper()
	s, err := w.Shopify.StartSession(t.Context(), shopify.SessionRequest{
		Shop: stack.Shop, Amount: "9.90", Currency: "EUR", Test: true,
		Customer: &shopify.Customer{Email: "neighbour@buyer.example", PhoneNumber: "+447700900999", Locale: "en"},
	})
	require.NoError(t, err)
	require.True(t, s.Accepted)
	soon(t, "the bystander's payment cannot be ended", func() bool {
		code, _ := w.command(t, "payment", "expire", "-actor", "tester", "-reason", "gone", s.ID)
		return code == 0
	})
	soon(t, "the bystander's payment is not over", func() bool {
		return w.is("SELECT closed_at IS NOT NULL FROM payments WHERE external_id = $1", s.ID)
	})
	return s.ID
}

// aMoment is how long a thing must not happen for the test to believe that it is waiting.
const aMoment = 3 * time.Second
