// Package control is the page on which a person makes things go wrong on the
// development stack and watches them come right again: it presses the fault
// switches of the stand-ins, skips time, and terminates runs. It shows what is
// armed and what that did so far, and the payments that are under way.
//
// It is for one person at one machine: whoever reaches its port may press. It
// answers under a loopback address only and takes forms from its own page only.
package control
