package sandbox

import "tillflow/internal/psp"

// Form implements psp.Connectable.
func (*Connector) Form() psp.Form {
	return psp.Form{
		Title: "Sandbox", Test: true,
		About: "A provider that is built in, for test payments. No real money moves and nothing has to be filled in: on its page the buyer chooses how the payment ends.",
		Fields: []psp.Field{{
			Name: credentialKey, Label: "Key", Optional: true, Max: maxName,
			Help: "Leave it empty. Anything but " + Key + " is refused, which shows what happens with credentials that are wrong.",
		}},
	}
}
