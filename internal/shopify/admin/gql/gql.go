// Package gql holds the GraphQL operations tillflow sends to Shopify's Admin API and the code generated from them.
//
// operations.graphql and schema.graphql are ours and written by hand; generated.go comes from them by genqlient. The schema
// declares only what the operations use. Callers use package admin, which adds paging, throttling and error classes.
package gql

//go:generate ../../../../script/tool genqlient genqlient.yaml
