package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"singlewindow/api"
	"singlewindow/declare/batch"
)

// gauge shows how far an upload is: a bar on a terminal, elsewhere a line
// every few seconds.
type gauge struct {
	out      io.Writer
	file     string
	terminal bool
	bar      *progressbar.ProgressBar // nil: none is shown now
	said     time.Time
	trouble  bool // the last look failed, which was said
}

// sayEvery is how often a line is written where there is no terminal.
const sayEvery = 3 * time.Second

func newGauge(out io.Writer, file string) *gauge {
	screen, isFile := out.(*os.File)
	return &gauge{out: out, file: file, terminal: isFile && term.IsTerminal(int(screen.Fd())), said: time.Now()}
}

// sending takes the bytes on their way.
func (g *gauge) sending(size int64) io.Writer {
	if !g.terminal {
		return io.Discard
	}
	g.begin(size, "sending "+g.file, progressbar.OptionShowBytes(true))
	return g.bar
}

func (g *gauge) begin(most int64, text string, more ...progressbar.Option) {
	g.end()
	g.bar = progressbar.NewOptions64(most, append(more, progressbar.OptionSetWriter(g.out), progressbar.OptionSetDescription(text),
		progressbar.OptionSetWidth(30), progressbar.OptionThrottle(50*time.Millisecond), progressbar.OptionClearOnFinish())...)
}

// show tells where the batch stands.
func (g *gauge) show(b api.BatchView) {
	g.trouble = false
	text := fmt.Sprintf("%s: %d rows read", g.file, b.Rows)
	settled := b.Items - b.Waiting
	if b.State != string(batch.Reading) {
		text = fmt.Sprintf("%s: %d of %d declarations, %d refused", g.file, settled, b.Items, b.Rejected)
	}
	if !g.terminal {
		if time.Since(g.said) >= sayEvery {
			g.said = time.Now()
			fmt.Fprintln(g.out, text)
		}
		return
	}
	most := int64(-1) // unknown while reading
	if b.State != string(batch.Reading) && b.Items > 0 {
		most = int64(b.Items)
	}
	if g.bar == nil || g.bar.GetMax64() != most {
		g.begin(most, text)
	}
	g.bar.Describe(text)
	if most > 0 {
		g.draw(g.bar.Set64(int64(settled)))
	} else {
		g.draw(g.bar.Add(1))
	}
}

// draw drops what a terminal could not show: the numbers come again in the
// summary.
func (g *gauge) draw(err error) {
	if err != nil {
		g.bar, g.terminal = nil, false
	}
}

// lost says once that the gateway does not answer, and goes on.
func (g *gauge) lost(err error) error {
	if !g.trouble {
		g.trouble = true
		g.end()
		fmt.Fprintf(g.out, "%s: the gateway does not answer, going on trying: %v\n", g.file, err)
	}
	return nil
}

// end takes the bar away.
func (g *gauge) end() {
	if g.bar != nil {
		bar := g.bar
		g.bar = nil
		g.draw(bar.Finish())
	}
}
