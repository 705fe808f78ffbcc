// Package workflows is what the business decides, deterministically.
//
//	workflow  id                                     messages                                            ends
//	Charge    charge/<source>/<shop>/<external id>   psp-event, buyer-chose, buyer-returned;             told the shop: resolved or
//	                                                 operator-resolve, retry-now, expire, add-note       rejected; deadline 48 h, decided at 47
//	Capture   capture/<source>/<shop>/<external id>  psp-event; operator-resolve, retry-now, add-note    told the shop and final at the provider;
//	Void      void/<source>/<shop>/<external id>                                                         no deadline: accepted is told at once,
//	Refund    refund/<source>/<shop>/<external id>                                                       in doubt never
//	Reversal  reversal/<source>/<shop>/<their ref>   as above                                            money given back, or refused and a
//	                                                                                                     person told; no deadline
//	Subscription  subscription/api/<shop>/<id>       command; look-again                                 cancelled or never begun, and no charge
//	                                                                                                     open; anew with each period
//	Renewal   renewal/api/<shop>/<id>/<charge>       as Charge                                           paid, or given up by the subscription;
//	                                                                                                     no deadline: in doubt never, a person
//	                                                                                                     is called by the provider's contract
//	Erasure   erasure/shopify/<shop>/<request>       look-again                                          certified, or the export mailed; the
//	                                                                                                     law's 30 days warn and never end it
//	Sweep     sweep-<time>                           none                                                one pass over the rows
//	Guard     guard-<time>                           none                                                one look at the shops whose turn it is
//	Purge     purge-<time>                           none                                                one pass over the rules of retention
//	Recharge  recharge-<time>                        none                                                one visit of each store that is due
//
// Capture, Void, Refund and Reversal are names for one move of existing money.
//
// A workflow carries ids. What is true stands in Postgres and comes back with
// every step as a view; a run may be terminated, reset or lost with Temporal's
// database, and the next one takes the story up from the rows. A run therefore
// keeps in memory only what it waits for.
//
// Change anything about order or kind of commands only behind
// workflow.GetVersion, with a constant in versions.go: recorded histories are
// replayed in every build.
package workflows
