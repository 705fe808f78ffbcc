// Package flow is what the outside may say to a workflow: ids, inputs, message
// names, search attributes, and how a run is started, woken or asked. Every
// message carries row ids only; what is true is read from Postgres. It is the
// one package that uses the Temporal client, and it links no activities.
package flow
