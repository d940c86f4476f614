// Package batch takes files of many declarations: CSV, XLSX, NDJSON, or XML in
// an agency's own form.
//
// [Batches.Receive] puts the file on disk, in the database, so that every
// process can work on it; what it returns may be promised. From then on jobs
// of River work on it, each a slice of a few seconds: first the rows are read
// and those with one reference combined into an item, then item by item a
// declaration is made and filed through the gateway, under a key of the
// batch's own, so that a crash files nothing twice. Progress, verdicts and the
// job of the next slice are one transaction. A slice holds a lease on its
// batch; a batch whose lease is over is given a new job by whichever process
// looks first, so that nothing depends on the job's own retries.
//
// Whatever is wrong, found here or told by an agency days later, is located at
// sheet, row and column: [Batches.Rows], [Batches.MarkedUp].
package batch
