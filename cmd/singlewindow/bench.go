package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"singlewindow/cmd/privatepostgres"
	"singlewindow/declare"
)

// benchReport is what a run measured. Times are in milliseconds. A
// declaration is acknowledged when every agency's HTTP answer was understood
// and that is committed (the commit's own time stamp).
type benchReport struct {
	SubmittedPerSecond    float64            `json:"submittedPerSecond"`
	AcknowledgedPerSecond float64            `json:"acknowledgedPerSecond"`
	CPUMsPerDeclaration   float64            `json:"cpuMsPerDeclaration"`
	Seconds               float64            `json:"seconds"`
	Submitted             int                `json:"submitted"`
	Acknowledged          int                `json:"acknowledged"`
	Failed                int                `json:"failed"`
	MessagesEach          float64            `json:"messagesPerDeclaration"`
	Submit                percentiles        `json:"submitMs"`
	Acknowledge           percentiles        `json:"acknowledgeMs"`
	CPUMsByProcess        map[string]float64 `json:"cpuMsPerDeclarationByProcess"`
	OtherWorkPercent      float64            `json:"otherWorkPercentOfMachine"`
	NotMeasured           string             `json:"notMeasured"`
}

type percentiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

type benchOptions struct {
	duration    time.Duration
	rate        float64
	concurrency int
	kind        string
	sample      string
}

func benchCommand() *cobra.Command {
	var o benchOptions
	command := &cobra.Command{
		Use: "bench", Short: "Measure a gateway of its own: private PostgreSQL with fsync, simulators as processes", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			inJSON, err := asJSON(command)
			if err != nil {
				return err
			}
			ctx, stop := untilStopped(command)
			defer stop()
			report, err := bench(ctx, command.ErrOrStderr(), o)
			if err != nil {
				return err
			}
			return report.print(command.OutOrStdout(), inJSON)
		},
	}
	command.Flags().DurationVar(&o.duration, "for", 20*time.Second, "how long to submit")
	command.Flags().Float64Var(&o.rate, "rate", 0, "submissions per second, whatever the answers take (open loop); 0: as fast as the answers come")
	command.Flags().IntVar(&o.concurrency, "concurrency", 32, "submissions under way at once when --rate is 0")
	command.Flags().StringVar(&o.kind, "kind", "goods", "kind of declaration to submit")
	command.Flags().StringVar(&o.sample, "sample", "import-5-items.json", "which of the kind's samples to submit")
	addOutputFlag(command)
	return command
}

// rig is the machinery of one run: every part a process of its own.
type rig struct {
	folder     string
	database   *privatepostgres.Server
	simulators *simulators
	gateway    *exec.Cmd
	client     *client
}

func bench(ctx context.Context, messages io.Writer, o benchOptions) (*benchReport, error) {
	folder, err := os.MkdirTemp("", "swbench")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(folder, 0o711); err != nil {
		return nil, err
	}
	r := &rig{folder: folder}
	fmt.Fprintln(messages, "starting PostgreSQL, simulators and gateway …")
	if err := r.start(ctx); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	fmt.Fprintf(messages, "submitting for %v …\n", o.duration)
	report, err := r.measure(ctx, o)
	return report, errors.Join(err, r.stop())
}

func (r *rig) start(ctx context.Context) error {
	var err error
	r.database, err = privatepostgres.Start(ctx, privatepostgres.Options{Folder: r.folder, Settings: map[string]string{"track_commit_timestamp": "on"}})
	if err != nil {
		return err
	}
	s := settings{Listen: "127.0.0.1:0", Database: r.database.URL(), Data: r.folder}
	opened, err := openStore(ctx, s, false, newLog())
	if err != nil {
		return err
	}
	st := &stage{gateway: &gateway{store: opened}}
	credentials, err := st.credentials(ctx)
	if err := errors.Join(err, opened.close()); err != nil {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	r.simulators, err = startSimulators(context.WithoutCancel(ctx), filepath.Join(r.folder, "simulators"), "http://"+address, credentials)
	if err != nil {
		return err
	}
	r.client = &client{"http://" + address, st.key, "en", &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 512}}}
	return r.startGateway(ctx, address, s)
}

func (r *rig) startGateway(ctx context.Context, address string, s settings) error {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	arguments := []string{"serve", "--listen", address, "--database", s.Database, "--data", s.Data}
	arguments = append(arguments, "--tenant-requests=0", "--tenant-bytes=0", "--tenant-items=0", "--requests-at-once=0") // the machine's limit is what is measured
	for name, d := range r.simulators.agencies {
		arguments = append(arguments, "--agency", name+"="+d.URL+","+d.CredentialFile)
	}
	log, err := os.Create(filepath.Join(r.folder, "gateway.log"))
	if err != nil {
		return err
	}
	r.gateway = exec.Command(own, arguments...)
	r.gateway.Stderr, r.gateway.SysProcAttr = log, ownGroup()
	if err := errors.Join(r.gateway.Start(), log.Close()); err != nil {
		return err
	}
	return r.ready(ctx)
}

// freeAddress finds a port that is free now.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// ready waits until the gateway says it is.
func (r *rig) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		status, _, err := r.client.call(ctx, http.MethodGet, "/readyz", nil, nil)
		if err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return errors.New("the gateway did not become ready; see its log in " + r.folder)
		}
	}
}

func (r *rig) stop() error {
	var err error
	if r.gateway != nil && r.gateway.Process != nil {
		err = r.gateway.Process.Signal(syscall.SIGTERM)
		var exit *exec.ExitError
		if failure := r.gateway.Wait(); failure != nil && !errors.As(failure, &exit) {
			err = errors.Join(err, failure)
		}
	}
	if r.simulators != nil {
		err = errors.Join(err, r.simulators.stop())
	}
	if r.database != nil {
		err = errors.Join(err, r.database.Stop(context.Background()))
	}
	if err == nil {
		err = os.RemoveAll(r.folder)
	}
	return err
}

// journal is what the load generator itself saw.
type journal struct {
	mu     sync.Mutex
	begun  map[string]time.Time // by declaration id: when the submission was due
	took   []float64
	failed int
}

func (j *journal) note(due time.Time, id string, err error, p *problem) {
	took := time.Since(due)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil || p != nil {
		j.failed++
		return
	}
	j.begun[id] = due
	j.took = append(j.took, took.Seconds()*1000)
}

func (r *rig) measure(ctx context.Context, o benchOptions) (*benchReport, error) {
	kinds, err := declare.LoadKinds()
	if err != nil {
		return nil, err
	}
	template, err := sampleWithReference(kinds[o.kind], o.sample, "BENCH-REFERENCE")
	if err != nil {
		return nil, err
	}
	// One submission outside the measurement shows whether the sample is good.
	if _, p, err := r.client.submit(ctx, []byte(strings.Replace(string(template), "BENCH-REFERENCE", "BENCH-0", 1))); err != nil || p != nil {
		if p != nil {
			printProblem(os.Stderr, o.sample, p)
		}
		return nil, errors.Join(errors.New("the gateway does not take the sample"), err)
	}
	before, err := r.cpu()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	j := &journal{begun: map[string]time.Time{}}
	load(begun, o, func(number int, due time.Time) {
		body := strings.Replace(string(template), "BENCH-REFERENCE", fmt.Sprintf("BENCH-%d", number), 1)
		receipt, p, err := r.client.submit(ctx, []byte(body))
		j.note(due, receipt.ID, err, p)
	})
	seconds := time.Since(begun).Seconds()
	acknowledged, err := r.acknowledged(ctx, j)
	if err != nil {
		return nil, err
	}
	after, err := r.cpu()
	if err != nil {
		return nil, err
	}
	return summarise(j, acknowledged, begun, seconds, before, after), nil
}

// load calls submit until the time is up: at a fixed rate, or from a fixed
// number of callers that each wait for their answer.
func load(begun time.Time, o benchOptions, submit func(number int, due time.Time)) {
	var callers sync.WaitGroup
	defer callers.Wait()
	if o.rate > 0 {
		interval := time.Duration(float64(time.Second) / o.rate)
		for number := 1; ; number++ {
			due := begun.Add(time.Duration(number-1) * interval)
			if due.Sub(begun) >= o.duration {
				return
			}
			<-time.After(time.Until(due))
			callers.Go(func() { submit(number, due) })
		}
	}
	for caller := range o.concurrency {
		callers.Go(func() {
			for number := caller + 1; time.Since(begun) < o.duration; number += o.concurrency {
				submit(number, time.Now())
			}
		})
	}
}

// acknowledged waits until every submitted declaration is acknowledged, and
// gives the time of the commit that completed each.
func (r *rig) acknowledged(ctx context.Context, j *journal) (map[string]acknowledgement, error) {
	conn, err := pgx.Connect(ctx, r.database.URL())
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(30 * time.Second)
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		var open int
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM message WHERE delivery NOT IN ('delivered', 'refused')").Scan(&open); err != nil {
			return nil, errors.Join(err, conn.Close(ctx))
		}
		if open == 0 || time.Now().After(deadline) {
			break
		}
		<-look.C
	}
	rows, err := conn.Query(ctx, `SELECT declaration_id, max(pg_xact_commit_timestamp(xmin)), count(*) FROM message
		GROUP BY declaration_id HAVING bool_and(delivery IN ('delivered', 'refused'))`)
	if err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	done := map[string]acknowledgement{}
	var id string
	var a acknowledgement
	_, err = pgx.ForEachRow(rows, []any{&id, &a.at, &a.messages}, func() error {
		if _, ours := j.begun[id]; ours {
			done[id] = a
		}
		return nil
	})
	return done, errors.Join(err, conn.Close(ctx))
}

type acknowledgement struct {
	at       time.Time
	messages int
}

func summarise(j *journal, acknowledged map[string]acknowledgement, begun time.Time, seconds float64, before, after usage) *benchReport {
	report := &benchReport{
		Seconds: seconds, Submitted: len(j.took), Acknowledged: len(acknowledged), Failed: j.failed,
		SubmittedPerSecond: float64(len(j.took)) / seconds, Submit: percentilesOf(j.took), CPUMsByProcess: map[string]float64{},
		NotMeasured: "network between machines, TLS, real agencies, a disk shared with others; load generator and simulators use the same cores",
	}
	var took []float64
	last, messages := begun, 0
	for id, a := range acknowledged {
		took = append(took, a.at.Sub(j.begun[id]).Seconds()*1000)
		messages += a.messages
		if a.at.After(last) {
			last = a.at
		}
	}
	report.Acknowledge = percentilesOf(took)
	if len(acknowledged) > 0 {
		report.AcknowledgedPerSecond = float64(len(acknowledged)) / max(last.Sub(begun).Seconds(), seconds)
		report.MessagesEach = float64(messages) / float64(len(acknowledged))
	}
	ours := 0.0
	for name, used := range after.processes {
		ours += used - before.processes[name]
		if len(j.took) > 0 {
			report.CPUMsByProcess[name] = (used - before.processes[name]) * 1000 / float64(len(j.took))
			report.CPUMsPerDeclaration += report.CPUMsByProcess[name]
		}
	}
	if all := after.all - before.all; all > 0 {
		report.OtherWorkPercent = max(0, 100*(after.busy-before.busy-ours)/all)
	}
	return report
}

func percentilesOf(values []float64) percentiles {
	if len(values) == 0 {
		return percentiles{}
	}
	slices.Sort(values)
	at := func(share float64) float64 { return values[min(int(share*float64(len(values))), len(values)-1)] }
	return percentiles{at(0.50), at(0.99), values[len(values)-1]}
}

func (b *benchReport) print(out io.Writer, inJSON bool) error {
	if inJSON {
		return printJSON(out, b)
	}
	fmt.Fprintf(out, "submitted     %8.1f declarations/s   p50 %6.1f ms   p99 %6.1f ms   max %6.1f ms   (%d, %d failed)\n",
		b.SubmittedPerSecond, b.Submit.P50, b.Submit.P99, b.Submit.Max, b.Submitted, b.Failed)
	fmt.Fprintf(out, "acknowledged  %8.1f declarations/s   p50 %6.1f ms   p99 %6.1f ms   max %6.1f ms   (%d, %.1f messages each)\n",
		b.AcknowledgedPerSecond, b.Acknowledge.P50, b.Acknowledge.P99, b.Acknowledge.Max, b.Acknowledged, b.MessagesEach)
	fmt.Fprintf(out, "CPU           %8.2f ms a declaration:", b.CPUMsPerDeclaration)
	for _, name := range slices.Sorted(maps.Keys(b.CPUMsByProcess)) {
		fmt.Fprintf(out, " %s %.2f", name, b.CPUMsByProcess[name])
	}
	_, err := fmt.Fprintf(out, "\nother work    %8.1f %% of the machine\nnot measured: %s\n", b.OtherWorkPercent, b.NotMeasured)
	return err
}
