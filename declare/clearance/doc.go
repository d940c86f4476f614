// Package clearance measures how long declarations take and whose time it was
// (口岸通关时效评估): every moment from acceptance to release is attributed to the
// trader, the gateway, an agency or an operator, from the declaration's own
// events and nothing else.
//
// [Spans] does that for one declaration, as a pure function. [Clearance.Run]
// does it for all of them, beside the gateway and not on its way, into a table
// of its own; [Clearance.Ask] gives counts, medians, 90th percentiles and their
// course over time from that table. Times are whole milliseconds throughout.
//
// A span has a stage, and each stage is somebody's:
//
//	delivery      gateway   accepted, not yet known to be with the agency
//	task          operator  only an operator can move the message
//	acceptance    agency    has the message, has not accepted the declaration
//	review        agency    accepted it, has not decided
//	inspection    agency    looks at the goods
//	suspension    agency    stopped it
//	cancellation  agency    decides about its withdrawal
//	documents     trader    is asked for documents or answers
//	payment       trader    is asked to pay
//	settled       nobody    done with, until the agency opened it again
//
// What a stage took is known once it is over. A stage that is gone through
// twice counts twice. Beside the stages, "total" is the time from acceptance
// until the goods were released, by one agency or by all.
package clearance
