// Package declare is the life of a declaration: what a kind of declaration
// demands, what the gateway does with one, and what the ledger remembers.
//
// An enterprise submits one declaration. [Gateway.Submit] checks it against
// its kind, asks every agency that takes it for a draft of its message,
// writes all of it down in one transaction and gives a receipt. From then on
// [Gateway.Deliver] sends each message until its agency has answered, and
// [Gateway.Hear] takes in what agencies say, whenever they say it.
// [Gateway.Status] tells what is known.
//
// Words, each with one meaning:
//
//   - declaration: what the enterprise said; kind: which form it used;
//     reference: the enterprise's own number for it; tenant: the enterprise.
//   - filing: a declaration before one agency; it carries the agency's
//     decision and numbers.
//   - message: one thing sent for a filing, frozen bytes, delivered until
//     answered; delivery: how far that went.
//   - notice: one thing heard from an agency, in the HTTP answer or later.
//   - event: one thing that happened, append-only.
//   - decision: where a filing stands with its agency; overall status: where
//     the declaration stands, a pure function of its filings and messages.
//
// The package imports no other room. Agencies come in through the interface
// [Agency]; kinds and code lists are data embedded here.
package declare
