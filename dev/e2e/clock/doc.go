// Package clock holds the stories that take days: the 48-hour path, what comes late, and what a person must decide,
// played on a real Temporal server with skipped time.
//
// Two clocks move. The service and the stand-ins read stack.Clock; a workflow run reads Temporal's clock, which
// temporalserver.FastForward moves for that run alone. Package and stories keep them together: the service's clock
// goes first, in strides, and the runs follow it to the same moment.
//
// What happened is read from the stand-ins' own books. Each story that holds says so in a line
// "PROOF 5.<story> ok <figure>".
package clock
