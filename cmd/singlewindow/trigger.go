package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"singlewindow/adapters"
	"singlewindow/adapters/simulated"
	"singlewindow/declare"
)

//go:embed trigger.yaml
var wordTexts []byte

// mostReference is how long a declaration's reference may be.
const mostReference = 35

// A word is something that simulated agencies can play. A message's reference
// asks for it.
type word struct {
	Name     string       `json:"word"`
	Means    declare.Text `json:"-"`
	Text     string       `json:"means"`
	Agencies []string     `json:"agencies"` // that play it in a way of their own
	wire     bool         // it bends the wire: all of them do
}

// readWords gives the words that the agencies of these folders play, in the
// order of trigger.yaml, then by name.
func readWords(folders fs.FS) ([]word, error) {
	played, chains, err := readChains(folders)
	if err != nil {
		return nil, err
	}
	var texts []struct{ Word, En, Zh string }
	if err := yaml.UnmarshalWithOptions(wordTexts, &texts, yaml.Strict()); err != nil {
		return nil, err
	}
	wire := simulated.Words()
	var words []word
	for _, text := range texts {
		bends := slices.Contains(wire, text.Word)
		if agencies := played[text.Word]; bends || len(agencies) > 0 {
			words = append(words, word{Name: text.Word, Means: declare.Text{English: text.En, Chinese: text.Zh}, Agencies: agencies, wire: bends})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(played)) {
		if !slices.ContainsFunc(words, func(w word) bool { return w.Name == name }) {
			words = append(words, word{Name: name, Means: declare.Text{English: chains[name]}, Agencies: played[name]})
		}
	}
	return words, nil
}

// readChains reads the simulators' scripts: for each word the agencies that
// have a chain for it, and the steps of one. Compiling the folders, as who
// plays them does, would take longer than a shell waits for a completion.
func readChains(folders fs.FS) (played map[string][]string, chains map[string]string, err error) {
	names, err := adapters.Names(folders)
	if err != nil {
		return nil, nil, err
	}
	played, chains = map[string][]string{}, map[string]string{}
	for _, name := range names {
		content, err := fs.ReadFile(folders, path.Join(name, "simulate.yaml"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var script struct{ Words map[string][]adapters.Step }
		if err == nil {
			err = yaml.Unmarshal(content, &script)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		agency, _, _ := strings.Cut(name, "@")
		for word, steps := range script.Words {
			if !slices.Contains(played[word], agency) {
				played[word] = append(played[word], agency)
			}
			chains[word] = chainText(steps)
		}
	}
	return played, chains, nil
}

// chainText tells what happens by the names of what is sent.
func chainText(steps []adapters.Step) string {
	var parts []string
	for _, step := range steps {
		if file := step.File(); file != "" {
			parts = append(parts, strings.TrimSuffix(path.Base(file), path.Ext(file)))
		}
	}
	return strings.Join(parts, ", ")
}

func triggerCommand() *cobra.Command {
	t := &trigger{}
	command := &cobra.Command{
		Use: "trigger WORD", Short: "File a sample that simulated agencies answer as the word says", Args: cobra.MaximumNArgs(1),
		Long: "Files one of the kind's samples under a new reference that ends in WORD, which simulated agencies play: the demonstration's,\n" +
			"agencysim's. It is a declaration as any other: do not send it where real agencies are connected. --list tells the words.\n" +
			"With --watch, every event is shown until each agency has decided; a word after which nothing is decided, such as silent,\n" +
			"goes on until Ctrl-C.",
		Example: "  singlewindow trigger --list\n  singlewindow trigger reject --watch",
		RunE: func(command *cobra.Command, arguments []string) error {
			if err := t.prepare(command, arguments); err != nil {
				return err
			}
			if t.list {
				return t.printWords(command)
			}
			return t.run(command)
		},
	}
	addClientFlags(command)
	flags := command.Flags()
	flags.StringVar(&t.kind, "kind", "goods", "kind of the declaration")
	flags.StringVar(&t.agency, "agency", "", "only this agency plays the word, the others clear without a question")
	flags.StringVar(&t.sample, "sample", "", "file this sample (default: one that concerns the agencies that play the word)")
	flags.StringVar(&t.overlay, "agencies", "", "folder of agency folders that replace or extend the built-in ones")
	flags.BoolVar(&t.watch, "watch", false, "show what happens until every agency has decided")
	flags.BoolVar(&t.list, "list", false, "print the words, what they mean and who plays them")
	return command
}

// trigger is one run of the command.
type trigger struct {
	kind, agency, sample, overlay string
	watch, list, inJSON           bool

	folders fs.FS
	words   []word
	word    word
	from    *declare.Kind
}

// prepare refuses what cannot be played before anything is filed.
func (t *trigger) prepare(command *cobra.Command, arguments []string) error {
	var err error
	if t.inJSON, err = asJSON(command); err != nil {
		return err
	}
	if t.folders, err = folders(t.overlay); err != nil {
		return err
	}
	if t.words, err = readWords(t.folders); err != nil || t.list {
		return err
	}
	if len(arguments) == 0 {
		return usageError{errors.New("WORD is missing: singlewindow trigger --list")}
	}
	at := slices.IndexFunc(t.words, func(w word) bool { return w.Name == arguments[0] })
	if at < 0 {
		return usageError{fmt.Errorf("no simulated agency plays %q: singlewindow trigger --list", arguments[0])}
	}
	t.word = t.words[at]
	return t.prepareSample()
}

// prepareSample looks at the agency, the kind and the sample.
func (t *trigger) prepareSample() error {
	if t.agency != "" && !slices.Contains(t.players(), t.agency) {
		return usageError{fmt.Errorf("--agency: %s is played by %s", t.word.Name, strings.Join(t.players(), ", "))}
	}
	kinds, err := declare.LoadKinds()
	if err != nil {
		return err
	}
	if t.from = kinds[t.kind]; t.from == nil {
		return usageError{fmt.Errorf("--kind: choose one of %s", strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))}
	}
	samples, err := fs.Glob(t.from.Samples, "*.json")
	if err != nil {
		return err
	}
	if t.sample != "" && !slices.Contains(samples, t.sample) {
		return usageError{fmt.Errorf("--sample: choose one of %s", strings.Join(samples, ", "))}
	}
	if t.sample == "" {
		t.sample, err = t.fittingSample(samples)
	}
	return err
}

// players are the agencies that can play the word.
func (t *trigger) players() []string {
	if !t.word.wire {
		return t.word.Agencies
	}
	for _, w := range t.words {
		if w.Name == "default" { // every script has it
			return w.Agencies
		}
	}
	return nil
}

// wanted are the agencies that are to play the word.
func (t *trigger) wanted() []string {
	if t.agency != "" {
		return []string{t.agency}
	}
	return t.players()
}

// fittingSample is the sample that concerns most agencies among those that are
// to play the word.
func (t *trigger) fittingSample(samples []string) (string, error) {
	agencies, err := adapters.LoadAll(t.folders, nil)
	if err != nil {
		return "", err
	}
	for _, agency := range agencies {
		defer agency.Close()
	}
	best, most := "", 0
	for _, sample := range samples {
		count, err := t.concerned(agencies, sample)
		if err != nil {
			return "", err
		}
		if count > most {
			best, most = sample, count
		}
	}
	if best == "" {
		return "", usageError{fmt.Errorf("no sample of %s concerns %s: name one with --sample", t.kind, strings.Join(t.wanted(), ", "))}
	}
	return best, nil
}

func (t *trigger) concerned(agencies []*adapters.Agency, sample string) (count int, err error) {
	content, err := fs.ReadFile(t.from.Samples, sample)
	if err != nil {
		return 0, err
	}
	value, faults := declare.ParseJSON(content, declare.MostBytes)
	tree, isObject := value.(map[string]any)
	if len(faults) > 0 || !isObject {
		return 0, fmt.Errorf("%s is no declaration", sample)
	}
	for _, agency := range agencies {
		takes, err := agency.Takes(t.kind, tree)
		if err != nil {
			return 0, err
		}
		if takes && slices.Contains(t.wanted(), agency.Profile().Name) {
			count++
		}
	}
	return count, nil
}

// reference is new each time, within what a reference may be.
func (t *trigger) reference() (string, error) {
	reference := "T-" + rand.Text()[:8] + "." + t.word.Name
	if t.agency != "" {
		reference += "." + t.agency
	}
	if len(reference) > mostReference {
		return "", usageError{fmt.Errorf("a reference with %s and %s in it is longer than %d characters", t.word.Name, t.agency, mostReference)}
	}
	return reference, nil
}

// run files the sample.
func (t *trigger) run(command *cobra.Command) error {
	reference, err := t.reference()
	if err != nil {
		return err
	}
	c, err := newClient(command)
	if err != nil {
		return err
	}
	body, err := sampleWithReference(t.from, t.sample, reference)
	if err != nil {
		return err
	}
	receipt, p, err := c.submit(command.Context(), body)
	if err != nil {
		return err
	}
	if p != nil {
		printProblem(command.ErrOrStderr(), t.sample, p)
		return errRefused
	}
	if !slices.ContainsFunc(receipt.Filings, func(f declare.FilingStatus) bool { return slices.Contains(t.wanted(), f.Agency) }) {
		fmt.Fprintf(command.ErrOrStderr(), "singlewindow: none of the agencies that are to play %s is concerned: is it connected?\n", t.word.Name)
	}
	if !t.watch {
		return printStatuses(command.OutOrStdout(), []declare.Status{receipt}, t.inJSON)
	}
	return t.await(command, c, receipt)
}

// errDecided ends a stream: every agency has decided.
var errDecided = errors.New("decided")

// await shows what happens until every agency has decided, and then where the
// declaration stands. Ctrl-C ends it before.
func (t *trigger) await(command *cobra.Command, c *client, receipt declare.Status) error {
	ctx, stop := untilStopped(command)
	defer stop()
	out := command.OutOrStdout()
	if !t.inJSON {
		if err := printStatuses(out, []declare.Status{receipt}, false); err != nil {
			return err
		}
	}
	s := &stream{client: c, path: "/v1/declarations/" + url.PathEscape(receipt.ID) + "/events", after: "beginning", messages: command.ErrOrStderr()}
	last, shown := receipt, 0
	s.show = func(e heard) error {
		if e.Number > shown { // not a second time, when there was no answer below
			if err := t.show(out, e); err != nil {
				return err
			}
			shown = e.Number
		}
		if !movesDecision(e.Type) {
			return nil
		}
		status, err := c.standing(ctx, receipt.ID)
		if err != nil {
			return err
		}
		if last = status; final(status) {
			return errDecided
		}
		return nil
	}
	err := s.follow(ctx)
	if err != nil && !errors.Is(err, errDecided) {
		return err
	}
	return printStatuses(out, []declare.Status{last}, t.inJSON)
}

func (t *trigger) show(out io.Writer, e heard) error {
	if t.inJSON {
		return nil // one answer in JSON, in the end
	}
	return showEvent(out, false)(e.FeedEvent)
}

// movesDecision tells whether a declaration may be decided after an event of
// this type.
func movesDecision(kind string) bool {
	return kind == "filing.decision" || kind == "declaration.status" || kind == "message.refused"
}

// standing asks where a declaration stands, in a stream that is taken up again
// when there is no answer.
func (c *client) standing(ctx context.Context, id string) (declare.Status, error) {
	status, p, err := c.status(ctx, id)
	switch {
	case err != nil:
		return status, fmt.Errorf("%w: %w", errLost, err)
	case p != nil && p.passing():
		return status, fmt.Errorf("%w: %w", errLost, refusal{p})
	case p != nil:
		return status, refusal{p}
	}
	return status, nil
}

// printWords lists the words in the language of whoever reads them.
func (t *trigger) printWords(command *cobra.Command) error {
	language, err := languageOf(command)
	if err != nil {
		return err
	}
	for i := range t.words {
		t.words[i].Text = t.words[i].Means.In(language)
		if t.words[i].wire {
			t.words[i].Agencies = []string{}
		}
	}
	if t.inJSON {
		return printJSON(command.OutOrStdout(), t.words)
	}
	every := declare.Text{English: "every agency", Chinese: "所有机构"}
	table := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, w := range t.words {
		agencies := strings.Join(w.Agencies, ", ")
		if w.wire {
			agencies = every.In(language)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", w.Name, agencies, w.Text)
	}
	return table.Flush()
}
