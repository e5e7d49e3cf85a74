package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/primecloud/primecloud/pkg/clock"
)

const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	leafLifetime      = 90 * 24 * time.Hour
	// backdate forgives a peer whose clock is behind.
	backdate = time.Hour
)

// Authority is a certificate authority in a directory: ca.key, readable by its owner
// alone, and ca.crt. It is for the local stack and for tests; a real installation brings
// certificates of its own.
type Authority struct {
	dir   string
	clock clock.Clock
	key   *ecdsa.PrivateKey
	cert  *x509.Certificate
}

// Leaf says whom a certificate is for.
type Leaf struct {
	// Service is named in the certificate by its URI; empty names none, for third-party
	// servers that are known by their DNS name.
	Service string
	// DNSNames and IPs are where it can be reached.
	DNSNames []string
	IPs      []net.IP
	// Lifetime is how long it is valid; zero means 90 days.
	Lifetime time.Duration
}

// OpenAuthority loads the authority in dir, or makes one there. Several processes may do
// so at once and get the same one.
func OpenAuthority(dir string, c clock.Clock) (*Authority, error) {
	a := &Authority{dir: dir, clock: c}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("pki: authority: %w", err)
	}
	if err := a.open(); err != nil {
		return nil, fmt.Errorf("pki: authority in %s: %w", dir, err)
	}
	return a, nil
}

func (a *Authority) open() error {
	keyPath := filepath.Join(a.dir, "ca.key")
	raw, err := os.ReadFile(keyPath)
	if errors.Is(err, fs.ErrNotExist) {
		raw, err = makeKey(keyPath)
	}
	if err != nil {
		return err
	}
	if a.key, err = parseKey(raw); err != nil {
		return fmt.Errorf("ca.key: %w", err)
	}
	raw, err = os.ReadFile(a.CA())
	if errors.Is(err, fs.ErrNotExist) {
		raw, err = a.selfSign()
	}
	if err != nil {
		return err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return errors.New("ca.crt is no PEM file")
	}
	if a.cert, err = x509.ParseCertificate(block.Bytes); err != nil {
		return fmt.Errorf("ca.crt: %w", err)
	}
	if !a.key.PublicKey.Equal(a.cert.PublicKey) {
		return errors.New("ca.crt does not belong to ca.key; remove both to make new ones")
	}
	if a.clock.Now().Add(leafLifetime).After(a.cert.NotAfter) {
		return fmt.Errorf("ca.crt ends at %s; remove it and ca.key to make new ones", a.cert.NotAfter.Format(time.RFC3339))
	}
	return nil
}

// CA returns the path of the authority's certificate.
func (a *Authority) CA() string { return filepath.Join(a.dir, "ca.crt") }

// Issue writes a new certificate and key for the leaf into dir (tls.crt, tls.key, ca.crt),
// replacing what is there: first the key, then the certificate, each at once.
func (a *Authority) Issue(dir string, leaf Leaf) (Files, error) {
	files := Files{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), CA: filepath.Join(dir, "ca.crt")}
	if err := a.issue(files, leaf); err != nil {
		return Files{}, fmt.Errorf("pki: certificate of %s: %w", leaf.Service, err)
	}
	return files, nil
}

func (a *Authority) issue(files Files, leaf Leaf) error {
	template, err := a.template(leaf)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(files.Key), 0o700); err != nil {
		return err
	}
	return errors.Join(
		replace(files.CA, encodePEM("CERTIFICATE", a.cert.Raw), 0o644),
		replace(files.Key, encodePEM("PRIVATE KEY", encoded), 0o600),
		replace(files.Cert, encodePEM("CERTIFICATE", der), 0o644),
	)
}

func (a *Authority) template(leaf Leaf) (*x509.Certificate, error) {
	var uris []*url.URL
	if leaf.Service != "" {
		uri, err := ServiceURI(leaf.Service)
		if err != nil {
			return nil, err
		}
		uris = append(uris, uri)
	}
	if leaf.Lifetime <= 0 {
		leaf.Lifetime = leafLifetime
	}
	now := a.clock.Now()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: leaf.Service},
		NotBefore:    now.Add(-backdate),
		NotAfter:     now.Add(leaf.Lifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:     leaf.DNSNames,
		IPAddresses:  leaf.IPs,
		URIs:         uris,
	}, nil
}

// selfSign makes the authority's own certificate.
func (a *Authority) selfSign() ([]byte, error) {
	now := a.clock.Now()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "PrimeCloud local authority"},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	encoded := encodePEM("CERTIFICATE", der)
	return encoded, replace(a.CA(), encoded, 0o644)
}

// makeKey puts a new key at path, unless another process has just done so: then that one
// counts. A link is made only when nothing is there, and shows the file whole.
func makeKey(path string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	temporary, err := writeBeside(path, encodePEM("PRIVATE KEY", encoded), 0o600)
	if err != nil {
		return nil, err
	}
	linked := os.Link(temporary, path)
	if errors.Is(linked, fs.ErrExist) {
		linked = nil
	}
	if err := errors.Join(linked, os.Remove(temporary)); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

func parseKey(raw []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errors.New("is no PEM file")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("is a %T, not an ECDSA key", parsed)
	}
	return key, nil
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// replace puts content at path in one step.
func replace(path string, content []byte, mode os.FileMode) error {
	temporary, err := writeBeside(path, content, mode)
	if err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// writeBeside writes content into a new file next to path and returns its name.
func writeBeside(path string, content []byte, mode os.FileMode) (string, error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return "", err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Chmod(mode), file.Close())
	if err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}
