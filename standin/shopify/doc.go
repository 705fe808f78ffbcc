// Package shopify is a stand-in for Shopify as a payments app and an Admin app meet it: a small shop with checkout and
// Admin pages, the client that POSTs payment, refund, capture and void sessions over mutual TLS, installation by OAuth,
// the token endpoint, webhooks, the Payments Apps GraphQL API and a part of the Admin GraphQL API.
//
// It is a witness. It is written from Shopify's published contract and shares no code with the service it
// stands beside: it validates every document against a schema of its own, keeps books of what it was told
// (GET /_books) and decides by itself which mutation took effect. Faults are switched per operation (/_faults).
//
// Paths, where {shop} is the shop's domain:
//
//	/shops/{shop}/payments_apps/api/{version}/graphql.json   Payments Apps API
//	/shops/{shop}/admin/api/{version}/graphql.json           Admin API: orders, webhook subscriptions, versions
//	/shops/{shop}/admin/oauth/authorize                      where the merchant approves an app
//	/shops/{shop}/admin/oauth/access_token                   token endpoint: codes, refresh tokens, conversion of old ones
//	/shops/{shop}                                            shop page, checkouts and thank-you pages below it
//	/shops/{shop}/admin                                      Admin: orders, refund, capture and void buttons; an order's
//	                                                         own page waits for what the app decides
//	/shops/{shop}/admin/apps                                 Admin: install, open, uninstall
//	/shops/{shop}/services/payments_partners/gateways/{client id}/settings
//	                                                         where the merchant activates the payments app
//	/_sessions, /_sessions/{id}/repeat                       sessions for tests and load, without a browser
//	/_webhooks, /_webhooks/{id}/repeat, /_subscriptions/{n}  events by hand, deliveries once more, subscriptions lost
//	/_apps/{app}/secrets                                     POST adds a client secret, DELETE revokes the older ones
//	/_books, /_faults                                        books and fault switches
//
// The Admin API's schema is a small one of the stand-in's own: exactly the documented fields of orders, transactions,
// refunds and webhook subscriptions that it can answer. A document that asks for anything else fails validation here,
// also where Shopify would answer it.
//
// Not covered: cards (redirect, modal, confirm and verification mutations), online tokens and embedded apps, webhook
// filters and XML. Where Shopify publishes no number (the life of an authorization code, the single waits between the
// tries of a webhook) a constant says which one is used here. Nothing here checks who is asking on the pages and on the
// underscore paths: it is a test tool and belongs on a loopback address.
package shopify
