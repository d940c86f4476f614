package board

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed static/*.css static/*.js static/*.svg
var staticFiles embed.FS

// static are the files that pages need. A file's address has a digest of its
// content: it can be kept for ever.
type static struct {
	addresses map[string]string // by plain name
	files     map[string]file   // by address
}

type file struct {
	mediaType       string
	content, zipped []byte
}

func loadStatic() (static, error) {
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		return static{}, err
	}
	s := static{map[string]string{}, map[string]file{}}
	for _, entry := range entries {
		content, err := staticFiles.ReadFile("static/" + entry.Name())
		if err != nil {
			return static{}, err
		}
		zipped, err := zip(content)
		if err != nil {
			return static{}, err
		}
		extension := path.Ext(entry.Name())
		digest := sha256.Sum256(content)
		address := Root + "static/" + strings.TrimSuffix(entry.Name(), extension) + "." + hex.EncodeToString(digest[:6]) + extension
		s.addresses[entry.Name()] = address
		s.files[address] = file{mime.TypeByExtension(extension), content, zipped}
	}
	return s, nil
}

func zip(content []byte) ([]byte, error) {
	var zipped bytes.Buffer
	writer, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(content); err != nil {
		return nil, err
	}
	err = writer.Close()
	return zipped.Bytes(), err
}

// address gives the path of a file, for templates.
func (s static) address(name string) (string, error) {
	address, known := s.addresses[name]
	if !known {
		return "", fmt.Errorf("board: there is no file %q", name)
	}
	return address, nil
}

// serveStatic answers with a file when the request is for one.
func (b *board) serveStatic(w http.ResponseWriter, r *http.Request) bool {
	file, known := b.static.files[r.URL.Path]
	if !known || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	content := file.content
	w.Header().Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		content = file.zipped
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", file.mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	if r.Method == http.MethodGet {
		if _, err := w.Write(content); err != nil {
			b.log.Debug("file not taken", "path", r.URL.Path, "error", err)
		}
	}
	return true
}
