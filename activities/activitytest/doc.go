// Package activitytest holds the neighbours of package activities in memory, for
// tests: the record, a provider that can be scripted, a shop, a clock. They keep
// the contracts of the ports and count what was asked of them; the record
// decides by the same rules as the one in PostgreSQL, without its books.
package activitytest
