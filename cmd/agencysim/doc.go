// Agencysim plays one agency over HTTP, from its folder: it takes messages,
// answers them, can be asked about them, and calls a gateway back with
// notices. Package adapters/simulated says what the scenario words do.
//
// It prints one JSON line, {"agency": …, "listening": "http://host:port"}, on
// standard output once it listens, and logs on standard error. SIGTERM or an
// interrupt lets it finish what it owes, for at most --drain.
package main
