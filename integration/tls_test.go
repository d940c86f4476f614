package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// papers are a certificate for this machine and its key, in files.
type papers struct {
	cert, key string
	pool      *x509.CertPool // of whoever trusts every certificate written here
}

// write writes a new pair with this serial number and gives the key, which may
// be written later.
func (p papers) write(t *testing.T, serial int64) (key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	must(t, err)
	parsed, err := x509.ParseCertificate(cert)
	must(t, err)
	p.pool.AddCert(parsed)
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	must(t, os.WriteFile(p.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o644))
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// serial shakes hands and tells which certificate was shown.
func (p papers) serial(address string, most uint16) (int64, error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	connection, err := tls.DialWithDialer(dialer, "tcp", address, &tls.Config{RootCAs: p.pool.Clone(), MaxVersion: most})
	if err != nil {
		return 0, err
	}
	return connection.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), connection.Close()
}

// TestTLS: the gateway speaks TLS 1.2 and later, takes a new certificate in
// while it runs, and keeps the old one while the new one and its key do not go
// together.
func TestTLS(t *testing.T) {
	t.Parallel()
	l := newBare(t)
	p := papers{filepath.Join(l.folder, "tls.crt"), filepath.Join(l.folder, "tls.key"), x509.NewCertPool()}
	must(t, os.WriteFile(p.key, p.write(t, 1), 0o600))
	l.flags = []string{"--tls-cert", p.cert, "--tls-key", p.key}
	l.launch(t, l.gateway)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.pool}}}
	t.Cleanup(client.CloseIdleConnections)
	eventually(t, 30*time.Second, "it is ready over TLS", func() bool {
		l.gateway.mustRun(t)
		response, err := client.Get("https://" + l.gateway.address + "/readyz")
		return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
	})
	if plain, err := l.try(t.Context(), "", http.MethodGet, "/readyz", nil); err != nil || plain.status != http.StatusBadRequest {
		t.Errorf("in clear: %d %v", plain.status, err)
	}
	if _, err := p.serial(l.gateway.address, tls.VersionTLS11); err == nil {
		t.Error("it speaks TLS 1.1")
	}
	key := p.write(t, 2)
	eventually(t, 20*time.Second, "the half new pair is told", func() bool {
		return strings.Contains(l.gateway.lastWords(t), "the ones before stay")
	})
	if serial, err := p.serial(l.gateway.address, 0); serial != 1 || err != nil {
		t.Errorf("half a new pair: %d %v", serial, err)
	}
	must(t, os.WriteFile(p.key, key, 0o600))
	eventually(t, 20*time.Second, "the new certificate is shown", func() bool {
		serial, err := p.serial(l.gateway.address, 0)
		return err == nil && serial == 2
	})
}

// TestDoorsThatMustNotOpen: what would show keys or numbers to everybody, or
// is no setting, is refused before anything is started.
func TestDoorsThatMustNotOpen(t *testing.T) {
	t.Parallel()
	l := &line{folder: t.TempDir()}
	for name, c := range map[string]struct {
		flags []string
		says  []string
	}{
		"in clear":          {[]string{"--listen", "0.0.0.0:18099"}, []string{"--tls-cert", "--behind-proxy"}},
		"everywhere":        {[]string{"--listen", ":18099"}, []string{"--tls-cert", "--behind-proxy"}},
		"half a pair":       {[]string{"--tls-cert", "x"}, []string{"--tls-key"}},
		"no pair":           {[]string{"--tls-cert", "x", "--tls-key", "y"}, []string{"x"}},
		"no network":        {[]string{"--behind-proxy", "10.0.0.1"}, []string{"--behind-proxy", "10.0.0.0/8"}},
		"numbers to all":    {[]string{"--monitor", "0.0.0.0:18098"}, []string{"--monitor"}},
		"no number":         {[]string{"--tenant-items", "many"}, []string{"--tenant-items"}},
		"a number too many": {[]string{"--connections", "-1"}, []string{"--connections"}},
		"no yes":            {[]string{"--insecure=perhaps"}, []string{"--insecure"}},
	} {
		command := l.command(t, "singlewindow", append([]string{"serve", "--data", l.folder}, c.flags...)...)
		output, err := command.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 {
			t.Errorf("%s: %v %s", name, err, output)
		}
		for _, word := range c.says {
			if !strings.Contains(string(output), word) {
				t.Errorf("%s does not say %s: %s", name, word, output)
			}
		}
	}
	if left, err := os.ReadDir(l.folder); err != nil || len(left) > 0 {
		t.Errorf("something was started: %v %v", left, err)
	}
}
