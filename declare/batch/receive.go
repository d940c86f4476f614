package batch

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// Upload says what a file is. Format, Encoding and Sheet may be empty: then
// they are found out. Mapping names a saved column mapping.
type Upload struct {
	Tenant, Name, Kind      string
	Format, Encoding, Sheet string
	Mapping                 string
	DryRun, AllOrNothing    bool
}

// Formats are the forms a file may have; Encodings those of its text.
var (
	Formats   = []string{"csv", "xlsx", "ndjson", "xml"}
	Encodings = []string{"utf-8", "gb18030", "gbk", "gb2312"}
)

// chunkBytes is how much of a file is one row of the database.
const chunkBytes = 1 << 20

// Receive takes a file in. When it returns without an error the file is on
// disk, and every declaration in it will be filed or its faults told. The same
// file with the same options is the same batch. The body is never in memory as
// a whole; one that ends too early, which its reader must tell with an error,
// leaves nothing behind.
func (b *Batches) Receive(ctx context.Context, upload Upload, body io.Reader) (Batch, error) {
	columns, err := b.columnsFor(ctx, &upload)
	if err != nil {
		return Batch{}, err
	}
	spooled, err := b.spool(body)
	if err != nil {
		return Batch{}, err
	}
	received, err := b.enter(ctx, upload, columns, spooled)
	return received, errors.Join(err, spooled.Close())
}

// columnsFor judges what an upload says of its file, and gives the columns of
// the mapping it names.
func (b *Batches) columnsFor(ctx context.Context, upload *Upload) (map[string]string, error) {
	switch {
	case !printable(upload.Name, 255) || upload.Name == "":
		return nil, ErrName
	case b.forms[upload.Kind] == nil:
		return nil, ErrKind
	case upload.Format != "" && !slices.Contains(Formats, upload.Format), upload.Encoding != "" && !slices.Contains(Encodings, upload.Encoding):
		return nil, ErrFormat
	case !printable(upload.Sheet, 100):
		return nil, ErrSheet
	case upload.Mapping == "":
		return map[string]string{}, nil
	}
	mapping, err := b.Mapping(ctx, upload.Tenant, upload.Mapping)
	if errors.Is(err, declare.ErrMissing) || err == nil && mapping.Kind != upload.Kind {
		return nil, ErrMapping
	}
	return mapping.Columns, err
}

func printable(text string, most int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= most &&
		strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// spooled is a file on its way: it has no name any more, so that it is gone
// when it is closed or the process ends.
type spooled struct {
	*os.File
	digest [sha256.Size]byte
	bytes  int64
}

func (b *Batches) spool(body io.Reader) (*spooled, error) {
	file, err := b.nameless()
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	s := &spooled{File: file}
	s.bytes, err = io.Copy(io.MultiWriter(spool{file}, sum), io.LimitReader(body, MostBytes+1))
	switch {
	case err != nil:
	case s.bytes > MostBytes:
		err = ErrTooLarge
	case s.bytes == 0:
		err = ErrEmpty
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	sum.Sum(s.digest[:0])
	return s, nil
}

// nameless makes a file that nobody else finds.
func (b *Batches) nameless() (*os.File, error) {
	if err := os.MkdirAll(b.folder, 0o700); err != nil {
		return nil, noRoom(err)
	}
	file, err := os.CreateTemp(b.folder, "batch-*")
	if err != nil {
		return nil, noRoom(err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// spool makes what the disk has against a write something that passes.
type spool struct{ file *os.File }

func (s spool) Write(content []byte) (int, error) {
	n, err := s.file.Write(content)
	if err != nil {
		err = noRoom(err)
	}
	return n, err
}

func noRoom(err error) error { return fmt.Errorf("%w: %w", declare.ErrUnavailable, err) }

// enter writes the file down and, last, the batch with its first job.
func (b *Batches) enter(ctx context.Context, upload Upload, columns map[string]string, file *spooled) (Batch, error) {
	named, err := json.Marshal(columns)
	if err != nil {
		return Batch{}, err
	}
	mark := fingerprint(upload, named, file.digest)
	earlier, err := b.one(ctx, upload.Tenant, "batch_of_fingerprint", upload.Tenant, mark[:])
	if !errors.Is(err, declare.ErrMissing) {
		earlier.Replayed = true
		return earlier, err
	}
	if err := b.store(ctx, upload.Tenant, file); err != nil {
		return Batch{}, err
	}
	id, made := b.ids.New("bat"), false
	err = b.ledger.Within(ctx, declare.TenantScope(upload.Tenant), func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, statement("insert_batch"), upload.Tenant, id, mark[:], file.digest[:], file.bytes, upload.Name, upload.Kind, upload.Format,
			upload.Encoding, upload.Sheet, named, upload.DryRun, upload.AllOrNothing, b.moment(), b.leased())
		if made = tag.RowsAffected() > 0; err != nil || !made {
			return err
		}
		_, err = b.jobs.InsertTx(ctx, tx, slice{Tenant: upload.Tenant, Batch: id}, nil)
		return err
	})
	if err != nil {
		return Batch{}, err
	}
	received, err := b.one(ctx, upload.Tenant, "batch_of_fingerprint", upload.Tenant, mark[:])
	received.Replayed = !made
	return received, err
}

// fingerprint is what makes a batch the same: the file and all that decides
// what is made of it, but not its name.
func fingerprint(upload Upload, columns []byte, digest [sha256.Size]byte) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%x\n%q %q %q %q %v %v\n%s", digest, upload.Kind, upload.Format, upload.Encoding, upload.Sheet, upload.DryRun, upload.AllOrNothing, columns))
}

// store writes the file down, a chunk in each transaction: what is there from
// an upload that broke off is used again.
func (b *Batches) store(ctx context.Context, tenant string, file *spooled) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	chunk := make([]byte, chunkBytes)
	for number := 1; ; number++ {
		n, err := io.ReadFull(file, chunk)
		if n == 0 && errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		err = b.patient.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, statement("insert_chunk"), tenant, file.digest[:], number, chunk[:n])
			return err
		})
		if err != nil {
			return err
		}
	}
}

// fetch gives the file back from the database, as a nameless file.
func (b *Batches) fetch(ctx context.Context, tenant string, digest []byte, bytes int64) (*os.File, error) {
	file, err := b.nameless()
	if err != nil {
		return nil, err
	}
	for number, done := 1, int64(0); done < bytes; number++ {
		var chunk []byte
		err = b.patient.Within(ctx, declare.TenantScope(tenant), func(tx pgx.Tx) error {
			return tx.QueryRow(ctx, statement("chunk"), tenant, digest, number).Scan(&chunk)
		})
		if err == nil {
			_, err = spool{file}.Write(chunk)
		}
		if err != nil {
			return nil, errors.Join(err, file.Close())
		}
		done += int64(len(chunk))
	}
	if _, err = file.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
