package simulated

// Words are those that bend the wire, whatever agency is played; a folder has
// words of its own beside them.
func Words() []string {
	return []string{wordSlow, wordBusy, wordReset, wordDrop, wordGarbage, wordTwice, wordEarly, wordShuffle, wordSilent}
}
