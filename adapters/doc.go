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
// Where an agency is reached and with what credential is a [Deployment]: it
// comes from the configuration, never from the folder.
package adapters
