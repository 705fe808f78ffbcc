// Package mail is a mail catcher: an SMTP server that delivers nothing, and pages that show what it was given.
// It keeps books (GET /_books) and has fault switches (/_faults, operation "message") like every stand-in.
//
// The kinds lose_request, lose_reply, delay, 500_before, 500_after, 429 and decline:<text> work here; SMTP
// answers them with a broken connection, 451, 450 or 550. A kind that has no meaning for SMTP does nothing.
//
// There is no TLS and no authentication: it is a test tool and belongs on a loopback address.
package mail
