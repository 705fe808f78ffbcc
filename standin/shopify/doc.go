// Package shopify is a stand-in for Shopify as a payments app meets it: a small shop with checkout and Admin
// pages, the client that POSTs payment, refund, capture and void sessions over mutual TLS, the Payments Apps
// GraphQL API and the token endpoint.
//
// It is a witness. It is written from Shopify's published contract and shares no code with the service it
// stands beside: it validates every document against a schema of its own, keeps books of what it was told
// (GET /_books) and decides by itself which mutation took effect. Faults are switched per operation (/_faults).
//
// Paths, where {shop} is the shop's domain:
//
//	/shops/{shop}/payments_apps/api/{version}/graphql.json   Payments Apps API
//	/shops/{shop}/admin/oauth/access_token                   token endpoint (refresh_token grant)
//	/shops/{shop}                                            shop page, checkouts and thank-you pages below it
//	/shops/{shop}/admin                                      Admin: orders, refund, capture and void buttons; an order's
//	                                                         own page waits for what the app decides
//	/_sessions, /_sessions/{id}/repeat                       sessions for tests and load, without a browser
//	/_books, /_faults                                        books and fault switches
//
// Not covered: cards (redirect, modal, confirm and verification mutations), OAuth installation, webhooks and
// the Admin API. Nothing here checks who is asking on the pages and on the underscore paths: it is a test tool
// and belongs on a loopback address.
package shopify
