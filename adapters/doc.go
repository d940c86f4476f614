// Package adapters turns an agency folder into an agency.
//
// A folder is data: who the agency is and how it answers on the wire
// (agency.yaml), what it demands beyond the kind of declaration (rules.yaml),
// how a declaration becomes its XML (<kind>.yaml, codes/*.csv), what its
// notices mean (notice.yaml), its schemas (schema/*.xsd), how a simulator
// plays it (simulate.yaml, answers/*.xml), and samples that prove all of it.
// [Load] compiles a folder into an [Agency], which drafts, sends, inquires and
// reads; [Check] runs the folder's own samples and names file, line and column
// of whatever is wrong. Nothing about a particular agency stands in Go.
//
// # agency.yaml
//
//	name: NAME              # the folder's; several versions stand side by side as NAME@…
//	title: {en: …, zh: …}
//	version: "2026.1"       # the folder's own
//	validFrom: 2026-01-01   # from that midnight in timeZone on the version counts
//	timeZone: Asia/Shanghai # of the dates it writes and reads
//	protocol: xml-over-http # one POST for a message
//	schemas: [PART, …]      # directories below schema/ that are not shipped, see [Supply]
//	takes:
//	  KIND: {when: CEL, mapping: KIND.yaml, schema: schema/x.xsd} # when is asked of declaration
//	deadline: 10s           # of one exchange, at most 25s
//	inFlight: 8             # messages on the wire at once
//	breaker: {window: 10s, ratio: 0.5, minimum: 10, slow: 5s, probe: 5s}
//	answers:                # HTTP statuses by what they say of the message
//	  taken: [202]          # accepted, whatever the body
//	  understood: [200, 422]# the body is a notice and tells
//	  notTaken: [429, 503]  # to be sent again
//	  denied: [401, 403]    # our credential is refused: an officer must act
//	idempotent: true        # a second copy of a message has no second effect
//	inquire: {path: "/inquiries/{deliveryId}"} # where to ask about a message, if anywhere
//
// rules.yaml has the form of a kind's rules, codes/*.csv and <kind>.yaml that of
// the package mapping. samples/ holds declarations (x.json) with the message
// each must become (x.xml), answers (answers/x.xml) with what each is read as
// (answers/x.json), and mutations.yaml:
//
//   - name: gross mass with too many digits
//     of: x.json
//     set: {/totalGrossMassMeasure/value: "1.1234567"}  # and remove: [POINTER]
//     faults: [{code: map.decimal, pointer: /totalGrossMassMeasure/value}]
//
// simulate.yaml tells a simulator where our message holds the delivery id and
// the reference (reads), what numbers it gives (numbers), and what it answers
// and sends later for the last word of the reference (words), from templates in
// answers/.
//
// # Notices
//
// notice.yaml says how an agency's answers are read. Paths are of local names;
// Name[1] leaves out others of that name. Besides what every folder has
//
//	schema, order, reopens, roots (root, deliveryId, numbers, issuedAt, version,
//	word, remark, errors: {each, code, text, path}), words
//
// these keys are for agencies that need them:
//
//	by: names               # elements count in whatever namespace; the schema documents
//	                        # the paths but does not judge; the guards always do
//	word: [PATH, PATH]      # the parts joined by /: the longest that words has counts
//	words: {X: {decision: none, …}} # informs, without moving the decision
//	opens: [X]              # words that count only while nothing is decided
//	headers: {NUMBER: HEADER}       # numbers that come in headers, of answers and notices
//	errors:
//	  notes: {each, text, section}  # texts that point at the nth error
//	documents: {each, code, text, limit}   # read where the word means documentsRequired
//	duties: [{each, item, chain, duty: {each, type, regime, base, quantity, rate, deducted,
//	          assessed, payable, method, reference, due, currency, unit}}]
//	texts: {CODE: {en, zh}} # what the codes of errors and documents mean
//	pointers:               # how errors and documents point into our message: a chain of
//	  each, section, sequence, tag  # identifiers, which the schema of our message documents
//	  schema: schema/x.xsd  # that schema
//	  from: /A/B            # where chains begin
//	  id: NAME              # the element of its documentation that holds an identifier
//	  number: NAME          # the child that numbers elements, where a class has it
//	  also: {ID: NAME}      # identifiers the schema leaves out
//
// A chain becomes an XPath of our message, and [Agency.Locate] makes of that the
// field of the declaration, or the place where it would stand.
//
// Where an agency is reached and with what credential is a [Deployment]: it
// comes from the configuration, never from the folder.
package adapters
