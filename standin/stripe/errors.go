package stripe

import (
	"encoding/json"
	"net/http"

	"tillflow/standin/faults"
)

// errorType is the type member of Stripe's error body.
type errorType string

const (
	apiFault         errorType = "api_error"
	cardFault        errorType = "card_error"
	idempotencyFault errorType = "idempotency_error"
	requestFault     errorType = "invalid_request_error"
)

// apiError is a refusal as Stripe words it.
type apiError struct {
	status  int
	kind    errorType
	code    string
	param   string
	message string
	// card details, for card errors
	declineCode, adviceCode, charge string
	// intent is the PaymentIntent the error is about.
	intent object
	// unstored marks a refusal found before the work began: it is not kept under the idempotency key.
	unstored bool
}

// invalid is a refusal of the parameters.
func invalid(code, param, message string) *apiError {
	return &apiError{
		status: http.StatusBadRequest, kind: requestFault, code: code, param: param, message: message, unstored: true,
	}
}

// refused is a refusal by the state of things, found while working.
func refused(code, message string) *apiError {
	return &apiError{status: http.StatusBadRequest, kind: requestFault, code: code, message: message}
}

// missing is the refusal for an id nobody has.
func missing(what, id, param string) *apiError {
	return &apiError{
		status: http.StatusNotFound, kind: requestFault, code: "resource_missing", param: param,
		message: "No such " + what + ": '" + id + "'", unstored: true,
	}
}

func (e *apiError) body() []byte {
	fields := object{"type": e.kind, "message": e.message}
	optional := map[string]string{
		"code": e.code, "param": e.param, "decline_code": e.declineCode, "advice_code": e.adviceCode, "charge": e.charge,
	}
	for k, v := range optional {
		if v != "" {
			fields[k] = v
		}
	}
	if e.code != "" {
		fields["doc_url"] = "https://stripe.com/docs/error-codes/" + e.code
	}
	if e.intent != nil {
		fields["payment_intent"] = e.intent
	}
	return encode(object{"error": fields})
}

// encode renders what only holds strings, numbers and booleans, which cannot fail.
func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("stripe stand-in: render JSON: " + err.Error())
	}
	return raw
}

// faultBody is the body of the answers that faults invent.
func faultBody(status int) (string, []byte) {
	e := &apiError{kind: apiFault, message: "An unknown error occurred"}
	if status == http.StatusTooManyRequests {
		e = &apiError{kind: requestFault, code: "rate_limit", message: "Request rate limit exceeded."}
	}
	return "application/json", e.body()
}

// jsonReply is an answer with a JSON body.
func jsonReply(status int, body []byte) faults.Reply {
	return faults.Reply{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}

// writeReply answers outside the faults.
func writeReply(w http.ResponseWriter, reply faults.Reply) {
	for k, v := range reply.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(reply.Status)
	// A failed write is the caller's lost connection: nothing a stand-in could act on.
	_, _ = w.Write(reply.Body)
}
