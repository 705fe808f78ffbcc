package stripe

import "net/http"

// operations is the API, in the order of its documentation.
func operations() []operation {
	expand := schema{"expand[#]": text(5000)}
	return []operation{
		{"checkout.sessions.create", "POST /v1/checkout/sessions", checkoutParams(), kindCheckout, false, createCheckout},
		{"checkout.sessions.list", "GET /v1/checkout/sessions", listParams().with(schema{
			"payment_intent": text(5000), "status": choice("complete", "expired", "open"),
		}), kindCheckout, true, listCheckouts},
		{"checkout.sessions.retrieve", "GET /v1/checkout/sessions/{id}", expand, kindCheckout, false, retrieveCheckout},
		{"checkout.sessions.expire", "POST /v1/checkout/sessions/{id}/expire", expand, kindCheckout, false, expireCheckout},
		{"customers.retrieve", "GET /v1/customers/{id}", expand, "", false, retrieveCustomer},
		{"customers.delete", "DELETE /v1/customers/{id}", schema{}, "", false, deleteCustomer},
		{"payment_methods.retrieve", "GET /v1/payment_methods/{id}", expand, "", false, retrieveMethod},
		{"payment_methods.detach", "POST /v1/payment_methods/{id}/detach", expand, "", false, detachMethod},
		{"payment_intents.create", "POST /v1/payment_intents", intentParams(), kindIntent, false, createIntent},
		{"payment_intents.list", "GET /v1/payment_intents", listParams().with(schema{"customer": text(5000)}), kindIntent, true, listIntents},
		{"payment_intents.search", "GET /v1/payment_intents/search", schema{
			"query": text(5000).needed(), "limit": integer(), "page": text(100), "expand[#]": text(5000),
		}, kindIntent, true, searchIntents},
		{"payment_intents.retrieve", "GET /v1/payment_intents/{id}", expand, kindIntent, false, retrieveIntent},
		{"payment_intents.capture", "POST /v1/payment_intents/{id}/capture", schema{
			"amount_to_capture": integer(), "final_capture": boolean(), "metadata[*]": text(500), "expand[#]": text(5000),
		}, kindIntent, false, captureIntent},
		{"payment_intents.cancel", "POST /v1/payment_intents/{id}/cancel", schema{
			"cancellation_reason": choice("abandoned", "duplicate", "fraudulent", "requested_by_customer"), "expand[#]": text(5000),
		}, kindIntent, false, cancelIntentCall},
		{"charges.list", "GET /v1/charges", listParams().with(schema{
			"payment_intent": text(5000), "transfer_group": text(5000),
		}), kindCharge, true, listCharges},
		{"charges.retrieve", "GET /v1/charges/{id}", expand, kindCharge, false, retrieveCharge},
		{"refunds.create", "POST /v1/refunds", refundParams(), kindRefund, false, createRefund},
		{"refunds.list", "GET /v1/refunds", listParams().with(schema{
			"payment_intent": text(5000), "charge": text(5000),
		}), kindRefund, true, listRefunds},
		{"refunds.retrieve", "GET /v1/refunds/{id}", expand, kindRefund, false, retrieveRefund},
		{"disputes.list", "GET /v1/disputes", listParams().with(schema{
			"payment_intent": text(5000), "charge": text(5000),
		}), kindDispute, true, listDisputes},
		{"disputes.retrieve", "GET /v1/disputes/{id}", expand, kindDispute, false, retrieveDispute},
		{"events.list", "GET /v1/events", listParams().with(schema{
			"type": text(5000), "types[#]": text(5000), "delivery_success": boolean(),
		}), "", true, listEvents},
		{"events.retrieve", "GET /v1/events/{id}", expand, "", false, retrieveEvent},
		{"account.retrieve", "GET /v1/account", expand, "", false, retrieveAccount},
		{"balance_transactions.list", "GET /v1/balance_transactions", listParams().with(schema{
			"source": text(5000), "currency": text(3), "type": text(100),
		}), kindTxn, true, listTxns},
		{"balance_transactions.retrieve", "GET /v1/balance_transactions/{id}", expand, kindTxn, false, retrieveTxn},
		{"webhook_endpoints.create", "POST /v1/webhook_endpoints", endpointParams(), "", false, createEndpoint},
		{"webhook_endpoints.list", "GET /v1/webhook_endpoints", listParams(), "", true, listEndpoints},
		{"webhook_endpoints.retrieve", "GET /v1/webhook_endpoints/{id}", expand, "", false, retrieveEndpoint},
		{"webhook_endpoints.delete", "DELETE /v1/webhook_endpoints/{id}", schema{}, "", false, deleteEndpoint},
	}
}

// routes registers every operation and page and returns the names that faults may be armed for.
func (s *Server) routes() []string {
	ops := operations()
	names := make([]string, 0, len(ops)+3)
	for _, op := range ops {
		s.mux.HandleFunc(op.pattern, s.serveAPI(op))
		names = append(names, op.name)
	}
	s.mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		e := &apiError{status: http.StatusNotFound, kind: requestFault, message: "Unrecognized request URL (" +
			r.Method + ": " + r.URL.Path + ")."}
		writeReply(w, jsonReply(e.status, e.body()))
	})
	return append(names, s.routePages()...)
}

// retrieveAccount answers GET /v1/account, which connectors use to check their credentials.
func retrieveAccount(c *call) (object, *apiError) {
	return object{
		"id": c.acct.id, "object": "account", "created": c.acct.created, "type": "standard", "country": "US",
		"default_currency": "usd", "charges_enabled": true, "payouts_enabled": true, "details_submitted": true,
		"email": nil, "metadata": object{},
	}, nil
}
