package recharge

import "net/http"

// operations is the API.
func operations() []operation {
	list := []string{"cursor", "limit"}
	with := func(names ...string) []string { return append(names, list...) }
	times := []string{"created_at_min", "created_at_max", "updated_at_min", "updated_at_max"}
	return []operation{
		{name: "root", pattern: "GET /{$}", run: root},
		{name: "token_information", pattern: "GET /token_information", run: tokenInformation},
		{
			name: "charges.list", pattern: "GET /charges", scope: "read_orders", include: []string{"customer"}, run: listCharges,
			params: with(append(times, "status", "customer_id", "ids", "external_order_id", "scheduled_at_min", "scheduled_at_max",
				"processed_at_min", "processed_at_max", "sort_by")...),
		},
		{
			name: "charges.retrieve", pattern: "GET /charges/{id}", scope: "read_orders", include: []string{"customer"},
			run: retrieveCharge,
		},
		{name: "charges.process", pattern: "POST /charges/{id}/process", scope: "write_payments", run: processCharge},
		{
			name: "customers.list", pattern: "GET /customers", scope: "read_customers write_customers", run: listCustomers,
			include: []string{"payment_methods"}, params: with("external_customer_id", "email", "ids"),
		},
		{
			name: "customers.retrieve", pattern: "GET /customers/{id}", scope: "read_customers write_customers",
			include: []string{"payment_methods"}, run: retrieveCustomer,
		},
		{name: "orders.list", pattern: "GET /orders", scope: "read_orders", run: listOrders, params: with("charge_id", "customer_id", "ids")},
		{name: "orders.retrieve", pattern: "GET /orders/{id}", scope: "read_orders", run: retrieveOrder},
		{name: "webhooks.list", pattern: "GET /webhooks", run: listHooks, params: list},
		{name: "webhooks.create", pattern: "POST /webhooks", run: createHook},
		{name: "webhooks.retrieve", pattern: "GET /webhooks/{id}", run: retrieveHook},
		{name: "webhooks.delete", pattern: "DELETE /webhooks/{id}", run: deleteHook},
	}
}

// routes registers every operation and switch and returns the names that faults may be armed for.
func (s *Server) routes() []string {
	var names []string
	for _, op := range operations() {
		s.mux.HandleFunc(op.pattern, s.serveAPI(op))
		names = append(names, op.name)
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeReply(w, (&apiError{status: http.StatusNotFound, text: "Not Found"}).reply())
	})
	s.routeSwitches()
	s.routePages()
	return names
}

func root(*call) (object, *apiError) { return object{"message": "Welcome to the Recharge API"}, nil }

func tokenInformation(c *call) (object, *apiError) {
	return object{"token_information": object{"name": c.st.conf.Name, "scopes": c.st.conf.Scopes}}, nil
}
