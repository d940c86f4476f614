// Package event tells what happened, to whoever follows it: one feed, read
// page by page or waited upon, for an enterprise, for one declaration, or for
// everything a scope may see.
//
// The order is that of (xid, position). xid is the transaction that wrote the
// event or, when a later one had ended by then, that one: so the events of one
// declaration, which are written under its lock, stand in the order of their
// numbers whichever transaction began first. An event is told once every
// transaction up to its xid has ended, so that none can appear before it any
// more: a reader that goes on behind the last event it saw misses nothing and
// sees nothing twice. A transaction that stays open, anywhere on the
// PostgreSQL server, makes events wait; it never makes them lost.
//
// A [Stream] looks at the database a few times a second while somebody
// subscribes, one look for all, and wakes those who have news; each then reads
// behind its own cursor, so that who waits sees the same events as who asks.
//
// The package is a leaf of declare. It has no tables of its own: it reads the
// ledger's events.
package event
