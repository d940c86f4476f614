package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// pair is a certificate and its key, as they were last good on disk.
type pair struct {
	cert, key string // files
	current   atomic.Pointer[tls.Certificate]
	tried     [2]seal // of the files when they were last read
}

// seal tells whether a file has changed.
type seal struct {
	at   time.Time
	size int64
}

func sealOf(file string) (seal, error) {
	info, err := os.Stat(file)
	if err != nil {
		return seal{}, err
	}
	return seal{info.ModTime(), info.Size()}, nil
}

func openPair(cert, key string) (*pair, error) {
	p := &pair{cert: cert, key: key}
	seals, err := p.seals()
	if err != nil {
		return nil, err
	}
	return p, p.load(seals)
}

func (p *pair) seals() (both [2]seal, err error) {
	for i, file := range [...]string{p.cert, p.key} {
		if both[i], err = sealOf(file); err != nil {
			return both, err
		}
	}
	return both, nil
}

// load takes the files in when they go together. The seals were read before:
// what is written meanwhile is seen at the next look.
func (p *pair) load(seals [2]seal) error {
	p.tried = seals
	loaded, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return fmt.Errorf("%s and %s: %w", p.cert, p.key, err)
	}
	p.current.Store(&loaded)
	return nil
}

// watch takes in new files until ctx ends. What is not good changes nothing,
// and is told once.
func (p *pair) watch(ctx context.Context, log *slog.Logger) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	gone := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		seals, err := p.seals()
		switch {
		case err != nil:
			if !gone {
				log.Error("the certificate or its key cannot be read, the one before stays", "error", err)
			}
		case seals != p.tried:
			if failure := p.load(seals); failure != nil {
				log.Error("the new certificate and key are not good, the ones before stay", "error", failure)
			} else {
				log.Info("a new certificate is in use", "validUntil", p.current.Load().Leaf.NotAfter.UTC().Format(time.RFC3339))
			}
		}
		gone = err != nil
	}
}

func (p *pair) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.current.Load(), nil },
	}
}
