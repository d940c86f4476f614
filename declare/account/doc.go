// Package account knows who may ask: tenants with their API keys, agencies
// with the credentials under which they hand in notices, and users, people who
// sign in with a password: officials, operators and auditors.
//
// A secret is shown once, when it is made. What is kept is its HMAC-SHA256
// under a key of the server's own, which lives outside the database: whoever
// reads the tables can neither use a secret nor try guesses against it.
//
// A password is kept as its argon2id hash. Sign-ins are counted by name in the
// database, so that guessing is slow however many gateways there are, and
// hashed few at a time, so that they cannot exhaust the memory.
//
// The package is a leaf of declare: the ledger lends it its database and its
// scopes, the tables api_key, agency_credential, app_user, sign_in_attempt and
// app_session are its own.
package account
