// Package board answers what the officials' pages ask: which declarations wait
// for whom, one of them with everything about it, and the tasks of officers.
//
// Whatever it gives is what the scope it is asked in may see, and nothing else
// decides that: a declaration that the scope does not see is missing. An
// agency's official sees its declarations with the filings at every agency,
// but messages and notices of the own agency only.
//
// The list is made for hundreds of thousands of declarations. It never looks
// at all of them: a page is read from the end of an index, counts stop at
// [MostCounted], and without other bounds only the last 30 days are looked at.
// Indexes are of all declarations, of those of a port, and of those filed to
// the same set of agencies; what an agency's official sees, or what was filed
// to an agency, is read set by set. What has a number is few, and read and
// counted one by one.
//
// The package is a leaf of declare. It has no tables of its own and changes
// nothing.
package board
