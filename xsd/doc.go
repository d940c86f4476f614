// Package xsd validates XML documents against XML Schema through libxml2 and knows what a schema demands.
//
// Compile reads a driver schema and everything it includes or imports from disk, once, at start. Schema.Validate then
// answers for one document from outside, in this order:
//
//   - guard: refuses what libxml2 must not see (size, encoding, NUL, DOCTYPE, too many nodes, too deep) as a *GuardError;
//   - slots: refuses a document that was being parsed when this process died last time, see Slots;
//   - libxml2: every violation, with the node it stands at, as a Violation; none means a Valid, which nothing else can make.
//     The first 200 are listed, Violations.Total counts all.
//
// libxml2 runs inside the process: a crash in it ends the process. Hence the guard, the slots, and a validation of our
// own (engine.c) in place of the binding's, which overruns a fixed buffer on long values and keeps neither node nor line.
//
// Model is the particle model of the same files: which elements a schema has, in what order, which are required, with
// which facets. Limits named in a Violation come from it, never from libxml2's text, which differs by version and quotes
// the document. Nothing in a Violation or GuardError repeats a value of the document.
//
// Schema sets may include (also files without a namespace), import and redefine by relative path, ".." too; whoever lets
// strangers supply schemas confines them to a folder. Of several imports of one namespace libxml2 reads the first file
// only, and so does Model. A schema without definitions of its own may import what a message is made of.
//
// Known limits: xsi:type is ignored by the model (not by validation); key, keyref and unique are libxml2's, and a keyref's
// violation has a line but no path; xs:override (XML Schema 1.1) is refused. testdata/disagreements.yaml lists where
// libxml2 and an independent engine differ.
package xsd
