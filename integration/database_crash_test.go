package integration

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"singlewindow/declare"
)

// TestNothingIsSentBeforeItsTakingIsCommitted lets the COMMIT fail by which a
// message is taken out of the queue, after PostgreSQL has given the message
// out: it must not be sent.
func TestNothingIsSentBeforeItsTakingIsCommitted(t *testing.T) {
	t.Parallel()
	l := newLine(t, lineOptions{folders: copyFolders(t, notIdempotent), mute: true})
	from, agencies := l.widest(t)
	away := agencies[0]
	l.offices[away].process.stop(t)
	filed := l.file(t, acme, from, "TAKEN-1")
	const tried = "SELECT count(*) FROM message WHERE agency = $1 AND attempts > 0 AND delivery = 'queued'"
	eventually(t, 20*time.Second, "the message waits in the queue", func() bool { return l.count(t, tried, away) == 1 })
	for _, statement := range []string{
		"CREATE SEQUENCE takings",
		`CREATE FUNCTION no_commit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
			$$ BEGIN PERFORM nextval('takings'); RAISE EXCEPTION 'no' USING ERRCODE = '53100'; END $$`,
		`CREATE CONSTRAINT TRIGGER no_commit AFTER UPDATE ON message DEFERRABLE INITIALLY DEFERRED
			FOR EACH ROW WHEN (NEW.delivery = 'sending') EXECUTE FUNCTION no_commit()`,
	} {
		execute(t, l.database, statement)
	}
	l.openOffice(t, away)
	eventually(t, 30*time.Second, "it was taken several times in vain", func() bool {
		return l.count(t, "SELECT last_value FROM takings") > 3
	})
	if sent := l.offices[away].effects(t); len(sent) > 0 {
		t.Errorf("sent although its taking was not committed: %v", sent)
	}
	execute(t, l.database, "DROP TRIGGER no_commit ON message")
	eventually(t, 20*time.Second, "everything is delivered", func() bool { return l.count(t, unsent) == 0 })
	l.closeOffices(t)
	l.mustAgree(t, []declare.Status{filed})
}

// TestDatabaseCrashes crashes PostgreSQL under the load of two gateways, once
// in each way.
func TestDatabaseCrashes(t *testing.T) {
	t.Parallel()
	surviveCrashes(t, "crash of PostgreSQL", []string{"default"}, 25, syscall.SIGKILL, syscall.SIGQUIT)
}

func TestChaosDatabaseKilled(t *testing.T) {
	onlyLong(t)
	surviveCrashes(t, "kill -9 of PostgreSQL", troubles, 50, slices.Repeat([]syscall.Signal{syscall.SIGKILL}, 20)...)
}

// TestChaosDatabaseRestarted does what pg_ctl restart -m immediate does.
func TestChaosDatabaseRestarted(t *testing.T) {
	onlyLong(t)
	surviveCrashes(t, "immediate restart of PostgreSQL", troubles, 50, slices.Repeat([]syscall.Signal{syscall.SIGQUIT}, 20)...)
}

// surviveCrashes ends the PostgreSQL of a busy line by each of the signals in
// turn, at moments that the seed draws, and starts it again at once. Its disk
// is asked for every COMMIT, as in production.
func surviveCrashes(t *testing.T, what string, words []string, rate int, signals ...syscall.Signal) {
	t.Helper()
	random := seed(t)
	d := newDatabaseServer(t)
	l, y := strict(t, lineOptions{at: d.URL(), gateways: 2})
	c, wait := l.load(t, rate, 32, 1_000_000, words)
	var worst time.Duration
	for _, signal := range signals {
		y.takenSince(t, time.Now())
		moment := time.Now().Add(time.Duration(random.IntN(1500)) * time.Millisecond)
		eventually(t, time.Minute, "the moment has come", func() bool { l.mustRun(t); return time.Now().After(moment) })
		d.crash(t, signal)
		d.start(t)
		worst = max(worst, l.recovers(t, y))
	}
	number(t, what+", times", len(signals), "20 in chaos")
	number(t, what+", slowest recovery", worst.Round(time.Millisecond), recoveredWithin)
	if worst > patience(recoveredWithin) {
		t.Error("recovered too late")
	}
	l.finish(t, c, wait, y, what)
}

// recovers waits until every gateway is ready and declarations are taken.
func (l *line) recovers(t *testing.T, y *tally) time.Duration {
	t.Helper()
	since := time.Now()
	y.takenSince(t, since)
	for _, gateway := range l.gateways {
		l.awaitReady(t, gateway)
	}
	return time.Since(since)
}
