// Command singlewindow is the gateway and the tools around it. It opens every
// door (database, agencies, network, clock, randomness) and decides nothing:
// what a declaration may become is in package declare.
//
// Data goes to standard output, messages to standard error. It exits with 0
// when what was asked was done, 1 when it was refused or failed, 2 when the
// command line or the configuration is wrong, doctor with 3 when the ledger holds
// what must never be, and upload with 4 when some rows of a file were refused.
package main
