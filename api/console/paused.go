package console

import "tillflow/internal/payment"

// heldBack reports a request that was certainly not sent, because its account is paused.
func (p dossier) heldBack() bool {
	for _, a := range p.d.Attempts {
		if a.State == payment.Allocated && a.Code == payment.CodePaused {
			return true
		}
	}
	return false
}

// silence says of what is looked up that its provider does not answer at all.
func (p dossier) silence() string {
	if len(p.desk.Pauses) == 0 {
		return ""
	}
	return " At the moment the provider does not answer, so nothing new is sent to this account; look-ups go on."
}

// paused explains a request that is held back.
func (p dossier) paused() situation {
	s := situation{
		Title:    "The provider does not answer",
		Happened: "The account's last requests had no answer, so new ones are held back and look-ups go on. One request tries again at a time, and once it is answered the others follow by themselves.",
		Money:    "The held-back request was certainly not sent. " + p.standing(),
		Tell:     "the provider's support, when it lasts and the provider's status page says nothing",
	}
	if p.d.Final == payment.Undecided {
		s.Happened += " At the latest when the time for our decision comes, the payment is rejected if nothing was sent or paid until then."
	}
	if len(p.desk.Pauses) > 0 {
		s.Since = p.desk.Pauses[0].Since
	}
	return s
}
