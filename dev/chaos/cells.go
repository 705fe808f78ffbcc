package chaos

import (
	"tillflow/standin/faults"
	"tillflow/standin/shopify"
)

// Cell is one fault at one operation. A run counts how often each was really hit.
type Cell struct {
	Side  Side
	On    string
	Fault string
}

// String is the cell's name in reports.
func (c Cell) String() string { return string(c.Side) + " " + c.On + ": " + c.Fault }

// Calls and messages of the neighbours, in their own words.
const (
	create         = "checkout.sessions.create"
	list           = "checkout.sessions.list"
	retrieve       = "checkout.sessions.retrieve"
	expire         = "checkout.sessions.expire"
	hostedPay      = "hosted.pay"
	cancelIntent   = "payment_intents.cancel"
	retrieveIntent = "payment_intents.retrieve"
	createRefund   = "refunds.create"
	listRefunds    = "refunds.list"
	retrieveRefund = "refunds.retrieve"

	resolve      = "paymentSessionResolve"
	reject       = "paymentSessionReject"
	pend         = "paymentSessionPending"
	tokenRefresh = "tokenRefresh"

	intentSucceeded  = "payment_intent.succeeded"
	intentHeld       = "payment_intent.amount_capturable_updated"
	intentProcessing = "payment_intent.processing"
	debitFailed      = "checkout.session.async_payment_failed"
	checkoutExpired  = "checkout.session.expired"
	intentCanceled   = "payment_intent.canceled"

	runOfCharge = "charge"
	runOfBack   = "reversal"

	captureIntent = "payment_intents.capture"

	refundResolve  = "refundSessionResolve"
	refundReject   = "refundSessionReject"
	captureResolve = "captureSessionResolve"
	captureReject  = "captureSessionReject"
	voidResolve    = "voidSessionResolve"
	voidReject     = "voidSessionReject"

	refundCreated   = "refund.created"
	refundUpdated   = "refund.updated"
	refundFailed    = "refund.failed"
	disputeCreated  = "charge.dispute.created"
	disputeClosed   = "charge.dispute.closed"
	fundsWithdrawn  = "charge.dispute.funds_withdrawn"
	fundsReinstated = "charge.dispute.funds_reinstated"

	runOfRefund  = "refund"
	runOfCapture = "capture"
	runOfVoid    = "void"
)

// callFaults are what may go wrong with any call over HTTP.
var callFaults = []faults.Kind{
	faults.LoseRequest, faults.LoseReply, faults.Delay, faults.DelayReply, faults.HoldReply,
	faults.TooManyRequests, faults.ErrorBefore, faults.ErrorAfter,
}

// messageFaults are what may go wrong with a provider's message.
var messageFaults = []faults.Kind{faults.WebhookDrop, faults.WebhookTwice, faults.WebhookDelay, faults.WebhookReorder}

// shopFaults are what Shopify's API does wrong beside HTTP's own faults.
var shopFaults = []faults.Kind{faults.Decline("THROTTLED"), faults.Decline(shopify.DeclineErrorAfter)}

// area is a group of operations that stories may be about.
type area struct {
	stripe   []string // calls
	raising  []string // those of them whose messages may overtake their reply
	shopify  []string // mutations
	messages []string
	kept     []string // messages that never get lost
	runs     []string
	runVerbs []Verb
}

var charges = area{
	stripe: []string{
		create, list, retrieve, expire, hostedPay, cancelIntent, retrieveIntent, createRefund, listRefunds, retrieveRefund,
	},
	raising:  []string{expire, hostedPay, cancelIntent, createRefund},
	shopify:  []string{resolve, reject, pend},
	messages: []string{intentSucceeded, intentHeld, intentProcessing, debitFailed, checkoutExpired, intentCanceled},
	runs:     []string{runOfCharge, runOfBack},
	runVerbs: []Verb{Reset, Terminate, Delete},
}

// Cells lists every fault at every operation that stories can meet.
func Cells() []Cell { return cells(charges, moves) }

// moves are what shops do with money that is here. What the dashboard and the banks do is known by messages only:
// those are late, twice or out of order, and never lost.
var moves = area{
	stripe:  []string{captureIntent},
	raising: []string{captureIntent},
	shopify: []string{refundResolve, refundReject, captureResolve, captureReject, voidResolve, voidReject},
	kept:    []string{refundCreated, refundUpdated, refundFailed, disputeCreated, disputeClosed, fundsWithdrawn, fundsReinstated},
	runs:    []string{runOfRefund, runOfCapture, runOfVoid}, runVerbs: []Verb{Reset, Terminate, Delete},
}

// cells lists every fault at every operation of the areas.
func cells(areas ...area) []Cell {
	var all []Cell
	add := func(side Side, ons []string, kinds ...faults.Kind) {
		for _, on := range ons {
			for _, kind := range kinds {
				all = append(all, Cell{Side: side, On: on, Fault: string(kind)})
			}
		}
	}
	for _, a := range areas {
		add(AtStripe, a.stripe, callFaults...)
		add(AtStripe, a.raising, faults.WebhookBeforeReply)
		add(AtShopify, a.shopify, callFaults...)
		add(AtShopify, a.shopify, shopFaults...)
		add(OfMessage, a.messages, messageFaults...)
		add(OfMessage, a.kept, faults.WebhookTwice, faults.WebhookDelay, faults.WebhookReorder)
		for _, run := range a.runs {
			for _, verb := range a.runVerbs {
				all = append(all, Cell{Side: OfRun, On: run, Fault: string(verb)})
			}
		}
	}
	add(AtShopify, []string{tokenRefresh}, callFaults...)
	add(AtTemporal, []string{temporalStart, temporalSignal}, faults.LoseRequest, faults.LoseReply)
	return all
}
