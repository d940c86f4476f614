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
// The whole agency can be made ill while it runs: a file says in one word,
// with a detail where it has one, what ails it now. No file, or an empty one,
// is good health. The word is for every message and every inquiry:
//
//	hang           nothing is looked at and nothing answered until the caller leaves
//	slow 30s       taken, and answered so much later
//	error 500      answered with that status, nothing taken
//	garbage        taken, answered 200 with something unreadable
//	busy 3         503 with Retry-After in seconds
//	busy-until 3   503 with Retry-After as a date so many seconds ahead
//	denied 401     the credential is refused
//	flap 10s       spells of error and of good health in turn, each so long
//
// Every request is one line in a third ledger, of calls, before anything comes
// of it.
//
// Every message taken is one line in an append-only ledger, on purpose without
// looking for copies: whoever counts lines sees what the gateway did twice. An
// agency whose folder says idempotent answers a copy like the first instead.
// Notices sent are lines of a second ledger; after a restart the two together
// tell which notices are still owed.
//
// The schedule of what is owed about some messages can be moved nearer, as if
// time had passed for them: [Simulator.Owing] and [Simulator.Advance].
package simulated
