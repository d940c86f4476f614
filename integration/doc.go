// Package integration holds the tests across rooms: the import rule, the
// ledger's statements, and the whole line from a submission to the agencies
// and back over real HTTP, real PostgreSQL and separate processes. Nobody
// imports it.
package integration
