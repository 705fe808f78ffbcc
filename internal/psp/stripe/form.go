package stripe

import "tillflow/internal/psp"

// maxCredential is far above what keys of Stripe have.
const maxCredential = 300

// Form implements psp.Connectable.
func (*Connector) Form() psp.Form {
	return psp.Form{
		Title: "Stripe", Live: true, Test: true, Events: Events(),
		About: "Cards and wallets through your own Stripe account. Both values are in the Stripe dashboard, under Developers.",
		Fields: []psp.Field{
			{
				Name: credentialKey, Label: "Secret key", Secret: true, Max: maxCredential,
				Help: "Begins with sk_ or, for a restricted key, rk_. A restricted key must be allowed to write Checkout Sessions, PaymentIntents and Refunds, and to read charges and disputes; for subscriptions also to read customers and payment methods.",
			},
			{
				Name: credentialWebhook, Label: "Signing secret of the webhook", Secret: true, Max: maxCredential,
				Help: "Begins with whsec_. Stripe shows it at the webhook endpoint that you add for our address. While you roll it, give the new and the old one with a comma between.",
			},
		},
	}
}
