// Package api is the gateway over HTTP: REST for enterprises, the inbox for
// agencies' notices, and the OpenAPI document that describes both.
//
// [New] gives one handler. A request passes, in this order: its id and the
// headers every answer carries; the route; who asks (before a byte of the
// body is read); the body, bounded; the gateway. Declarations and notices are
// read and judged by the gateway itself, never by the HTTP layer.
//
// Whatever goes wrong, on whichever floor, is answered in one shape, the
// [Problem]: a code that never changes its meaning, texts in the language the
// client asked for, and for everything the client can mend a pointer to it.
// The codes and their texts are in problems.yaml. No answer and no log line
// repeats a value of a declaration.
package api
