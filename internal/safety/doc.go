// Package safety names the guards that keep money from moving twice, each as a switch that is on.
//
// In every ordinary build they are constants, so the compiler leaves nothing of the switches. A build with the tag
// mutation reads from TILLFLOW_WITHOUT which one is off: that build exists to show that the random stories of
// dev/chaos notice each guard that is missing, and the service refuses to start in it.
package safety

// Guard is the name of one switch.
type Guard string

// The guards.
const (
	SendLog           Guard = "send-log"           // a repeat finds what was sent before
	ClaimGuard        Guard = "claim-guard"        // no more is claimed than is there
	WebhookDedupe     Guard = "webhook-dedupe"     // a message that was taken is not taken again
	WebhookRedispatch Guard = "webhook-redispatch" // a stored message whose run did not hear it is brought again
	InquireFirst      Guard = "inquire-first"      // what may have been sent is looked for before it is sent again
	AbsenceRule       Guard = "absence-rule"       // not found proves nothing where or while the provider may not show it
	GroupWinner       Guard = "group-winner"       // one payment of a checkout has the place
	KeyLife           Guard = "key-life"           // a key that the provider may have forgotten is not sent again
)

// Guards lists every guard.
func Guards() []Guard {
	return []Guard{SendLog, ClaimGuard, WebhookDedupe, WebhookRedispatch, InquireFirst, AbsenceRule, GroupWinner, KeyLife}
}
