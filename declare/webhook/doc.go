// Package webhook sends enterprises their events: each event of the feed to
// each endpoint that wants it, signed as Standard Webhooks 1.0 has it, at least
// once, until it is taken or the schedule, of more than three days, is over.
//
// An endpoint has a cursor of [event.Stream]'s. What stands behind it is read as
// everybody reads the feed, and the deliveries of those events are written in
// the transaction that moves the cursor from where it was read: so push, pull
// and stream see the same events, none is lost and none is written twice,
// however many gateways do it at once.
//
// The delivery's row is its queue: taken with SKIP LOCKED, a lease and a raised
// epoch in the write that records the attempt, settled only under that epoch. A
// gateway that dies leaves a lease that expires, and the delivery is sent again:
// its webhook-id, the event's id, is how a receiver knows a copy. Rows of our
// own and not a job engine's, because of what must be decided in the take: the
// deliveries of one declaration go one after the other, by their numbers, each
// when the one before it is over (arrange.sql), while other declarations do not
// wait; endpoints take turns, each with few deliveries under way, and one that
// fails with one only, so that none holds up another; and nothing is deleted,
// so that what was given up can be sent again.
//
// Where an enterprise may have us connect to is decided when a connection is
// made, on the address itself: see [Guard]. Redirects are not followed and no
// proxy is used.
//
// Secrets are shown once and kept sealed under a key made from the gateway's
// own secret, which lives outside the database.
//
// The package is a leaf of declare beside event: the tables webhook_… are its
// own.
package webhook
