// Package faults gives every stand-in the same fault switches.
//
// A stand-in is a witness: it keeps books of its own, and a fault run compares those books with ours. For that the
// faults must act at exact points around the commit, so a stand-in writes each handler once, as a function that
// returns a Reply, and lets Switchboard.Serve run it:
//
//	Before    lose_request, 429                          nothing is done, nobody was asked
//	Around    the stand-in's own layer (idempotency)     optional
//	Execute   delay, 500_before, [the work], 500_after   inside that layer, so that a 500 is stored like any answer
//	After     delay_reply, hold_reply, lose_reply        the work is committed whatever the caller sees
//
// Kinds that change the work itself (wrong_amount, decline:<code>, slow_settle) are read by the stand-in from the
// Plan; kinds about webhooks are asked for with Switchboard.Webhook, once per event and endpoint.
//
// Rules are counted, never drawn by lot: the n-th matching call fires, so a run can be repeated exactly. A rule is
// spent on the call it meets, also when that call then fails for another reason.
package faults
