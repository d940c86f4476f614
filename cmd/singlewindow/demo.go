package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"singlewindow/adapters"
	"singlewindow/api"
	"singlewindow/api/board"
	"singlewindow/cmd/privatepostgres"
	"singlewindow/declare"
	"singlewindow/declare/account"
	"singlewindow/declare/batch"
)

//go:embed demo.yaml
var demoPlan []byte

//go:embed demo-batch.csv
var demoFile string

// demoTenant is the enterprise that files in the demonstration.
const demoTenant = "demo"

// demoFolder, in the data folder, is where the demonstration lives.
const demoFolder = "demo"

// demoPatience is how long the demonstration waits for final statuses.
const demoPatience = 60 * time.Second

// demoUser is who looks at the board in the demonstration.
const demoUser = "demo"

// plan is all that the demonstration shows.
type plan struct {
	Scenes []scene   `yaml:"scenes"`
	Batch  batchPlan `yaml:"batch"`
}

// batchPlan says what must become of the file, by reference.
type batchPlan struct {
	Kind      string                     `yaml:"kind"`
	Reference string                     `yaml:"reference"`
	Expect    map[string]declare.Overall `yaml:"expect"`
	Refused   []refusedCell              `yaml:"refused"`
}

// refusedCell is where a declaration is wrong.
type refusedCell struct {
	Reference string `yaml:"reference"`
	Row       int    `yaml:"row"`
	Column    string `yaml:"column"`
	Code      string `yaml:"code"`
}

// scene is one declaration of the demonstration.
type scene struct {
	Kind   string          `yaml:"kind"`
	Sample string          `yaml:"sample"`
	Title  string          `yaml:"title"`
	Word   string          `yaml:"word"`
	Expect declare.Overall `yaml:"expect"`
	Waits  bool            `yaml:"waits"` // nothing more is heard about it
}

func demoCommand() *cobra.Command {
	var once bool
	command := &cobra.Command{
		Use: "demo", Short: "Run a gateway with simulated agencies and watch declarations being cleared", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			s, err := readSettings(command)
			if err != nil {
				return err
			}
			if !command.Flags().Changed("data") {
				s.Data = filepath.Join(s.Data, demoFolder)
			}
			if !command.Flags().Changed("test-world") {
				s.TestWorld = "on"
			}
			s.TLSCert, s.TLSKey = "", "" // it speaks to itself, in clear
			ctx, stop := untilStopped(command)
			defer stop()
			return demo(ctx, command.OutOrStdout(), s, once)
		},
	}
	addSettings(command)
	addDoors(command)
	command.Flags().BoolVar(&once, "once", false, "end when every declaration has its final status; exit 0 only if each is the expected one")
	return command
}

// stage is everything a demonstration runs on.
type stage struct {
	gateway    *gateway
	simulators *simulators
	listener   net.Listener
	key        string
	password   string // of demoUser, made for this run
	served     chan error
	stop       context.CancelFunc
}

func demo(ctx context.Context, out io.Writer, s settings, once bool) error {
	logFile, log, err := demoLog(s.Data)
	if err != nil {
		return err
	}
	begun := time.Now()
	st, err := setStage(ctx, s, log)
	if err != nil {
		return errors.Join(err, logFile.Close())
	}
	address := "http://" + st.listener.Addr().String()
	fmt.Fprintf(out, "gateway %s, %d simulated agencies, %s (%.1f s)\n", address, len(st.simulators.agencies), s.whichDatabase(), time.Since(begun).Seconds())
	signIn := fmt.Sprintf("board %s%s: sign in as %s with the password %s\n", address, board.Root, demoUser, st.password)
	if !once {
		fmt.Fprint(out, signIn)
	}
	err = play(ctx, out, &client{address, st.key, "en", &http.Client{Timeout: 30 * time.Second}})
	if err == nil && !once {
		fmt.Fprintf(out, "\nThe gateway is at %s until you press Ctrl-C. Try:\n\n  export SINGLEWINDOW_KEY=%s\n  curl -s -H \"Authorization: Bearer $SINGLEWINDOW_KEY\" '%s/v1/declarations?limit=3'\n\n", address, st.key, address)
		fmt.Fprintf(out, "The commands keys, tenant, credential, user, doctor and tasks reach it with:%s\n", s.flags())
		fmt.Fprint(out, signIn)
		select {
		case <-ctx.Done():
		case err = <-st.served:
			st.served <- nil
		}
	}
	return errors.Join(err, st.strike(), logFile.Close())
}

func demoLog(data string) (*os.File, *slog.Logger, error) {
	if err := os.MkdirAll(data, 0o711); err != nil {
		return nil, nil, err
	}
	file, err := os.Create(filepath.Join(data, "demo.log"))
	if err != nil {
		return nil, nil, err
	}
	return file, slog.New(slog.NewTextHandler(file, nil)), nil
}

// setStage opens the ledger, starts the simulators and serves the gateway.
func setStage(ctx context.Context, s settings, log *slog.Logger) (*stage, error) {
	st := &stage{served: make(chan error, 1), stop: func() {}}
	if err := st.set(ctx, s, log); err != nil {
		return nil, errors.Join(explain(err, s), st.strike())
	}
	return st, nil
}

// explain says what to do about the one thing that often goes wrong.
func explain(err error, s settings) error {
	if errors.Is(err, privatepostgres.ErrInUse) {
		return fmt.Errorf("another demonstration is running on %s: stop it, or give this one --data", s.Data)
	}
	return err
}

func (st *stage) set(ctx context.Context, s settings, log *slog.Logger) error {
	var err error
	if st.listener, err = net.Listen("tcp", s.Listen); err != nil {
		// The usual port is taken: a demonstration is content with any.
		if st.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	opened, err := openStore(ctx, s, false, log)
	if err != nil {
		return err
	}
	st.gateway = &gateway{store: opened}
	credentials, err := st.credentials(ctx)
	if err != nil {
		return err
	}
	if err := st.user(ctx); err != nil {
		return err
	}
	// The simulators outlive ctx until strike stops them: they answer what the
	// gateway still has under way.
	st.simulators, err = startSimulators(context.WithoutCancel(ctx), filepath.Join(s.Data, "simulators"), "http://"+st.listener.Addr().String(), credentials)
	if err != nil {
		return err
	}
	s.Agencies = st.simulators.agencies
	if err := st.gateway.open(ctx, s, log); err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	st.stop = stop
	go func() { st.served <- st.gateway.run(serving, st.listener, log) }()
	return nil
}

// credentials makes the enterprise, its key, and a credential for each agency.
func (st *stage) credentials(ctx context.Context) (map[string]string, error) {
	accounts := st.gateway.accounts
	if err := accounts.CreateTenant(ctx, demoTenant, "Demonstration"); err != nil && !errors.Is(err, account.ErrTenantExists) {
		return nil, err
	}
	if err := st.demoKey(ctx, accounts); err != nil {
		return nil, err
	}
	all, err := adapters.LoadAll(adapters.Embedded(), nil)
	if err != nil {
		return nil, err
	}
	credentials := map[string]string{}
	for _, name := range played(all) {
		if credentials[name], err = accounts.CreateAgencyCredential(ctx, name); err != nil {
			return nil, err
		}
	}
	for _, agency := range all {
		agency.Close()
	}
	return credentials, nil
}

// demoKey makes a key for this run; those of earlier runs are over.
func (st *stage) demoKey(ctx context.Context, accounts *account.Accounts) error {
	const name = "demonstration"
	earlier, err := accounts.Keys(ctx, demoTenant)
	if err != nil {
		return err
	}
	for _, key := range earlier {
		if key.Name == name && accounts.Live(key) {
			if err := accounts.RevokeKey(ctx, demoTenant, key.ID); err != nil {
				return err
			}
		}
	}
	key, err := accounts.CreateKey(ctx, demoTenant, name)
	st.key = key.Secret
	return err
}

// user makes the demonstration's user, or gives it a new password.
func (st *stage) user(ctx context.Context) error {
	st.password = rand.Text()
	accounts := st.gateway.accounts
	_, err := accounts.CreateUser(ctx, account.User{Name: demoUser, Role: account.Operator}, st.password)
	if errors.Is(err, account.ErrUserExists) {
		err = accounts.SetPassword(ctx, demoUser, st.password)
	}
	return err
}

// strike takes the stage down in the opposite order.
func (st *stage) strike() error {
	var err error
	if st.gateway != nil && st.gateway.gateway != nil {
		st.stop()
		err = <-st.served
	}
	if st.simulators != nil {
		err = errors.Join(err, st.simulators.stop())
	}
	if st.gateway != nil {
		err = errors.Join(err, st.gateway.close())
	}
	if st.listener != nil {
		// A gateway that ran has closed it already.
		if failure := st.listener.Close(); !errors.Is(failure, net.ErrClosed) {
			err = errors.Join(err, failure)
		}
	}
	return err
}

// play files every scene and the batch, and watches until all have their
// final status.
func play(ctx context.Context, out io.Writer, c *client) error {
	plan, err := readPlan()
	if err != nil {
		return err
	}
	kinds, err := declare.LoadKinds()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	begun := time.Now()
	pending, waiting := map[string]declare.Overall{}, map[string]declare.Overall{}
	for i, scene := range plan.Scenes {
		receipt, err := file(ctx, c, kinds[scene.Kind], scene, demoReference(begun, i, scene.Word))
		if err != nil {
			return err
		}
		if scene.Waits {
			waiting[receipt.ID] = scene.Expect
		} else {
			pending[receipt.ID] = scene.Expect
		}
		fmt.Fprintf(out, "%6.2f s  %-26s accepted     %s: %s\n", time.Since(begun).Seconds(), receipt.Reference, scene.Title, agenciesText(receipt))
	}
	if err := plan.Batch.play(ctx, out, c, begun, pending); err != nil {
		return err
	}
	count := len(pending)
	if err := awaitFinal(ctx, out, c, begun, pending); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%d declarations reached the expected final status at all their agencies in %.1f s.\n", count, time.Since(begun).Seconds())
	return tellWaiting(ctx, out, c, waiting)
}

// tellWaiting shows the declarations that nothing more is heard about. Each
// must stand where it is expected to, and not be decided anywhere.
func tellWaiting(ctx context.Context, out io.Writer, c *client, waiting map[string]declare.Overall) error {
	for id, expected := range waiting {
		status, p, err := c.status(ctx, id)
		if p != nil {
			err = refusal{p}
		}
		if err != nil {
			return err
		}
		if status.Status != expected || final(status) {
			return fmt.Errorf("%s stands at %s, not %s", status.Reference, status.Status, expected)
		}
		fmt.Fprintf(out, "%s is left waiting for the %s: %s\n", status.Reference, status.WaitingFor.Who, stateText(status))
	}
	return nil
}

// awaitFinal shows the declarations as they move, until each has its final
// status, which must be the expected one.
func awaitFinal(ctx context.Context, out io.Writer, c *client, begun time.Time, pending map[string]declare.Overall) error {
	shown := map[string]string{}
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	var wrong []string
	for len(pending) > 0 {
		for id, expected := range pending {
			status, p, err := c.status(ctx, id)
			if err != nil {
				return fmt.Errorf("%d declarations are not final yet: %w", len(pending), err)
			}
			if p != nil {
				return fmt.Errorf("status of %s: %s", id, p.Code)
			}
			if text := stateText(status); shown[id] != text {
				shown[id] = text
				fmt.Fprintf(out, "%6.2f s  %-26s %-12s %s\n", time.Since(begun).Seconds(), status.Reference, status.Status, text)
			}
			if final(status) {
				delete(pending, id)
				if status.Status != expected {
					wrong = append(wrong, fmt.Sprintf("%s ended as %s, not %s", status.Reference, status.Status, expected))
				}
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
		}
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

// play uploads the file, shows what is refused in it, and adds what is filed
// to pending.
func (b batchPlan) play(ctx context.Context, out io.Writer, c *client, begun time.Time, pending map[string]declare.Overall) error {
	ours := demoRun(begun) + "-B"
	text := strings.ReplaceAll(demoFile, b.Reference, ours)
	sent, p, err := c.upload(ctx, "demo-batch.csv", strings.NewReader(text), int64(len(text)), batchOptions{kind: b.Kind})
	if p != nil {
		err = refusal{p}
	}
	if err != nil {
		return err
	}
	u := uploading{client: c}
	if sent, err = u.wait(ctx, sent, newGauge(io.Discard, sent.Name)); err != nil {
		return err
	}
	rows, err := c.rows(ctx, sent.ID, "", atOnce)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%6.2f s  %s  %s\n", time.Since(begun).Seconds(), sent.Name, summary(sent))
	printRows(out, refusedOf(rows))
	return b.judge(rows, ours, pending)
}

// judge holds what became of each row against the plan.
func (b batchPlan) judge(rows []api.RowView, ours string, pending map[string]declare.Overall) error {
	var refused []refusedCell
	filed := 0
	for _, row := range rows {
		reference := strings.Replace(row.Reference, ours, b.Reference, 1)
		expected, known := b.Expect[reference]
		switch {
		case row.Verdict == string(batch.Rejected) && len(row.Errors) > 0:
			fault := row.Errors[0]
			refused = append(refused, refusedCell{reference, fault.Row, fault.Column, fault.Code})
		case known && row.DeclarationID != "":
			filed++
			pending[row.DeclarationID] = expected
		}
	}
	if filed != len(b.Expect) || !slices.Equal(refused, b.Refused) {
		return fmt.Errorf("of the file, %d declarations were filed, not %d; refused were %v, not %v", filed, len(b.Expect), refused, b.Refused)
	}
	return nil
}

func readPlan() (plan, error) {
	var p plan
	return p, yaml.UnmarshalWithOptions(demoPlan, &p, yaml.Strict())
}

// file files one scene's sample under a reference made anew.
func file(ctx context.Context, c *client, kind *declare.Kind, scene scene, reference string) (declare.Status, error) {
	body, err := sampleWithReference(kind, scene.Sample, reference)
	if err != nil {
		return declare.Status{}, err
	}
	receipt, p, err := c.submit(ctx, body)
	if p != nil {
		var text strings.Builder
		printProblem(&text, scene.Sample, p)
		err = errors.New(text.String())
	}
	return receipt, err
}

// demoRun begins every reference of a run.
func demoRun(begun time.Time) string {
	return "DEMO-" + strings.ToUpper(strconv.FormatInt(begun.UnixMilli(), 36))
}

func demoReference(begun time.Time, number int, word string) string {
	reference := fmt.Sprintf("%s-%d", demoRun(begun), number+1)
	if word != "" {
		reference += "." + word
	}
	return reference
}

// sampleWithReference gives one of the kind's samples with another reference.
func sampleWithReference(kind *declare.Kind, sample, reference string) ([]byte, error) {
	if kind == nil {
		return nil, errors.New("there is no such kind")
	}
	content, err := fs.ReadFile(kind.Samples, sample)
	if err != nil {
		return nil, err
	}
	var tree map[string]json.RawMessage
	if err := json.Unmarshal(content, &tree); err != nil {
		return nil, err
	}
	if tree["reference"], err = json.Marshal(reference); err != nil {
		return nil, err
	}
	return json.Marshal(tree)
}

// final tells whether nothing more will happen at any agency.
func final(status declare.Status) bool {
	for _, filing := range status.Filings {
		if !filing.Decision.Final() {
			return false
		}
	}
	return len(status.Filings) > 0
}

func agenciesText(status declare.Status) string {
	var names []string
	for _, filing := range status.Filings {
		names = append(names, filing.Agency)
	}
	return strings.Join(names, ", ")
}

func stateText(status declare.Status) string {
	var parts []string
	for _, filing := range status.Filings {
		state := string(filing.Decision)
		if filing.Decision == declare.DecisionNone {
			state = string(filing.Delivery)
		}
		parts = append(parts, filing.Agency+" "+state)
	}
	return strings.Join(parts, ", ")
}
