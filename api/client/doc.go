// Package client is a Go client of the gateway's API, made from its OpenAPI
// document by oapi-codegen, see SOURCE. Only this file and the example are
// written by hand.
//
// Amounts, masses and quantities are strings, as in the contract. A declaration
// is the JSON it is: the schemas of the kinds say what stands in it, and the
// gateway tells everything that is wrong at once. Every answer other than the
// one hoped for is a Problem; decide by its Code.
package client
