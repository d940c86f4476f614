// Package account knows who may ask: tenants with their API keys, and
// agencies with the credentials under which they hand in notices.
//
// A secret is shown once, when it is made. What is kept is its HMAC-SHA256
// under a key of the server's own, which lives outside the database: whoever
// reads the tables can neither use a secret nor try guesses against it.
//
// The package is a leaf of declare: the ledger lends it its database and its
// scopes, the tables api_key and agency_credential are its own.
package account
