package adapters

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// A folder is read once, into a zip file in memory, and everything is made
// from that: a file changed meanwhile cannot make half of one version and half
// of another, and what is kept is what was compiled.

// pack packs the folder name of fsys, under that name.
func pack(fsys fs.FS, name string) ([]byte, error) {
	var packed bytes.Buffer
	archive := zip.NewWriter(&packed)
	deflate, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	// One for all files in turn: making it costs more than a file does.
	archive.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		deflate.Reset(out)
		return deflate, nil
	})
	err = eachFile(fsys, name, func(file string, content []byte) error {
		entry, err := archive.Create(file)
		if err == nil {
			_, err = entry.Write(content)
		}
		return err
	})
	err = errors.Join(err, archive.Close()) // which writes the directory of the file
	return packed.Bytes(), err
}

// unpack opens a packed folder for reading.
func unpack(archive []byte) (fs.FS, error) {
	files, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, fmt.Errorf("the archive cannot be read: %w", err)
	}
	return files, nil
}

// eachFile visits the files below root, in the order of their names. Hidden
// ones are no part of a folder: editors and mounts leave them.
func eachFile(fsys fs.FS, root string, visit func(file string, content []byte) error) error {
	return fs.WalkDir(fsys, root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch hidden := file != "." && strings.HasPrefix(entry.Name(), "."); {
		case hidden && entry.IsDir():
			return fs.SkipDir
		case hidden || entry.IsDir():
			return nil
		}
		content, err := fs.ReadFile(fsys, file)
		if err != nil {
			return err
		}
		return visit(file, content)
	})
}

// digest is the SHA-256, in hex, over the names and contents of a folder's
// files and of the parts of its schemas that came from elsewhere. The
// folder's own name does not count.
func digest(folder fs.FS, supplied map[string]fs.FS) (string, error) {
	sum := sha256.New()
	err := addFiles(sum, folder, "")
	for _, part := range slices.Sorted(maps.Keys(supplied)) {
		err = errors.Join(err, addFiles(sum, supplied[part], "schema/"+part))
	}
	return hex.EncodeToString(sum.Sum(nil)), err
}

func addFiles(sum hash.Hash, fsys fs.FS, below string) error {
	return eachFile(fsys, ".", func(file string, content []byte) error {
		name := path.Join(below, file)
		var head []byte
		head = binary.BigEndian.AppendUint64(head, uint64(len(name)))
		head = binary.BigEndian.AppendUint64(head, uint64(len(content)))
		sum.Write(append(head, name...)) // a hash never fails
		sum.Write(content)
		return nil
	})
}

// Reopen makes an agency again from what [Agency.Archive] of it gave, without
// an address. schemas supplies the parts of its schemas that are not in the
// folder; nil supplies none.
func Reopen(archive []byte, schemas fs.FS) (*Agency, error) {
	packed, err := unpack(archive)
	if err != nil {
		return nil, err
	}
	names, err := Names(packed)
	if err != nil || len(names) != 1 {
		return nil, errors.Join(errors.New("the archive is not one folder"), err)
	}
	return loadPacked(archive, Supply(packed, schemas), names[0], Deployment{})
}

// Archive implements [declare.Agency].
func (a *Agency) Archive() []byte { return a.archive }

// agencyOf tells which agency a folder is of: several versions of one stand
// side by side as NAME, NAME@2027, …
func agencyOf(folder string) string {
	agency, _, _ := strings.Cut(folder, "@")
	return agency
}
