// Package simulated plays any agency folder over HTTP: it takes messages,
// answers them, can be asked about them, and calls back with notices later.
//
// What it does is data (simulate.yaml and its templates) chosen by the
// scenario word, the last dot part of a message's reference: ACME-7.reject.
// An agency's name after the word keeps it to that agency:
// ACME-7.drop.north-port. Words of the folder (default, reject, inspect, docs,
// …) pick a chain of answer and notices; the words of this package bend the
// wire around the default chain:
//
//	slow     the answer comes late
//	busy     503 twice, then as usual
//	reset    the first connection is reset before anything is taken
//	drop     taken, then the connection closes without an answer
//	garbage  taken, answered 200 with something unreadable
//	twice    every notice is sent twice
//	early    the first notice is sent before the answer
//	silent   answered, but no notice ever
//	shuffle  the notices come in reverse order
//
// Every message taken is one line in an append-only ledger, on purpose without
// looking for copies: whoever counts lines sees what the gateway did twice. An
// agency whose folder says idempotent answers a copy like the first instead.
// Notices sent are lines of a second ledger; after a restart the two together
// tell which notices are still owed.
package simulated
