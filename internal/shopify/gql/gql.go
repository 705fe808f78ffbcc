// Package gql holds the GraphQL operations tillflow sends to Shopify's Payments Apps API and the code generated from them.
//
// operations.graphql and schema.graphql are ours and written by hand; generated.go comes from them by genqlient. The schema
// declares only what the operations use and is compared with Shopify's published one by "make shopify-schema".
// Callers use package shopify, which adds transport, tokens and error classes.
package gql

//go:generate ../../../script/tool genqlient genqlient.yaml

// Session is a payment, refund, capture or void session in an answer.
type Session struct {
	ID string `json:"id"`
	// NextAction says what to do with the buyer's browser. Payment sessions only, and there it may be null.
	NextAction *NextAction `json:"nextAction"`
	State      State       `json:"state"`
}

// State is the state of a session of any kind.
type State struct {
	// Typename is the union member, the state's own type.
	Typename string `json:"__typename"`
	// Code is "RESOLVED", "REJECTED", …: an open set. Empty for a member without the state interface.
	Code string `json:"code"`
}

// NextAction is what the app must do after a mutation. Action is "REDIRECT", the only one there is in 2026-10: an open set.
type NextAction struct {
	Action  string            `json:"action"`
	Context NextActionContext `json:"context"`
}

// NextActionContext says how to carry out the action. RedirectURL is set for redirects.
type NextActionContext struct {
	Typename    string `json:"__typename"`
	RedirectURL string `json:"redirectUrl"`
}

// UserError is a business refusal. Code is empty for the mutations whose errors have none, and an open set for the others.
type UserError struct {
	Code    string   `json:"code"`
	Field   []string `json:"field"`
	Message string   `json:"message"`
}
