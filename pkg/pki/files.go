package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
)

// Files are the PEM files of one process. They may be replaced while it runs.
type Files struct {
	// Cert is the process's certificate, followed by intermediates if there are any.
	Cert string
	// Key is the private key of Cert. A client may have neither.
	Key string
	// CA holds the certificates of the authorities that are trusted.
	CA string
	// Logger is told, once per replacement, that a replaced file is of no use; may be nil.
	Logger *slog.Logger
}

// Peer says whom a client expects at the other end.
type Peer struct {
	// Service is the name of a service of ours: its URI must be in the certificate.
	Service string
	// Name is the DNS name or IP address that must be in the certificate when Service is
	// empty. Empty too, it is the DNS name that was dialled.
	Name string
}

// ServerTLS returns the settings of a server. Give it only what a verified peer may have:
// ask PeerName who that is.
func (f Files) ServerTLS() (*tls.Config, error) {
	watched, err := f.watch()
	if err != nil {
		return nil, err
	}
	if watched.current.pair == nil {
		return nil, errors.New("pki: a server needs a certificate and its key")
	}
	config := watched.current.server.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return watched.get().server, nil }
	return config, nil
}

// ClientTLS returns the settings of a client that talks to peer alone.
func (f Files) ClientTLS(peer Peer) (*tls.Config, error) {
	watched, err := f.watch()
	if err != nil {
		return nil, err
	}
	if peer.Service != "" {
		if _, err := ServiceURI(peer.Service); err != nil {
			return nil, err
		}
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: peer.Name,
		// The standard check reads its authorities once and knows nothing of service
		// URIs. VerifyConnection below replaces it whole, on resumed sessions too.
		InsecureSkipVerify: true, //nolint:gosec // see above
		VerifyConnection: func(state tls.ConnectionState) error {
			return peer.verify(state, watched.get().authorities)
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if pair := watched.get().pair; pair != nil {
				return pair, nil
			}
			return &tls.Certificate{}, nil
		},
	}, nil
}

// verify checks the server's chain, and that it is the one that was asked for.
func (p Peer) verify(state tls.ConnectionState, authorities *x509.CertPool) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("pki: the server showed no certificate")
	}
	leaf, options := state.PeerCertificates[0], x509.VerifyOptions{
		Roots:         authorities,
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, cert := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(cert)
	}
	if p.Service == "" {
		options.DNSName = p.Name
		if options.DNSName == "" {
			options.DNSName = state.ServerName
		}
		if options.DNSName == "" {
			return errors.New("pki: neither a service nor a name of the server to verify (an IP address must be given as Peer.Name)")
		}
	}
	if _, err := leaf.Verify(options); err != nil {
		return fmt.Errorf("pki: the server's certificate: %w", err)
	}
	if name := serviceOf(leaf); p.Service != "" && name != p.Service {
		return fmt.Errorf("pki: the server is %q, not %q", name, p.Service)
	}
	return nil
}

// material is what the files held when they were last read. It never changes.
type material struct {
	pair        *tls.Certificate
	authorities *x509.CertPool
	server      *tls.Config
}

// watched reads the files again when they have changed, at most once per handshake.
type watched struct {
	files   Files
	mu      sync.Mutex
	current material
	// stamp is the state of the files that current was read from, reported the last one
	// that was of no use.
	stamp    stamp
	reported stamp
}

func (f Files) watch() (*watched, error) {
	w := &watched{files: f}
	// The stamp is taken before reading: a change in between is then seen the next time.
	var err error
	if w.stamp, err = f.stamp(); err == nil {
		w.current, err = f.read()
	}
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return w, nil
}

func (w *watched) get() material {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, err := w.files.stamp()
	if err == nil && now.same(w.stamp) {
		return w.current
	}
	var next material
	if err == nil {
		next, err = w.files.read()
	}
	if err != nil {
		// Half a replacement, perhaps: keep what works, say so once, and look again at
		// the next handshake.
		if w.files.Logger != nil && !now.same(w.reported) {
			w.files.Logger.Error("the replaced certificate files are of no use; the last good ones stay in use", "error", err)
		}
		w.reported = now
		return w.current
	}
	w.current, w.stamp = next, now
	return w.current
}

func (f Files) read() (material, error) {
	var m material
	raw, err := os.ReadFile(f.CA)
	if err != nil {
		return m, err
	}
	m.authorities = x509.NewCertPool()
	if !m.authorities.AppendCertsFromPEM(raw) {
		return m, fmt.Errorf("%s holds no certificate", f.CA)
	}
	if f.Cert == "" && f.Key == "" {
		return m, nil
	}
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return m, fmt.Errorf("%s and %s: %w", f.Cert, f.Key, err)
	}
	m.pair = &pair
	m.server = &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    m.authorities,
		NextProtos:   []string{"h2", "http/1.1"},
	}
	return m, nil
}

// stamp tells one state of the files from another; a missing file is nil.
type stamp []os.FileInfo

// stamp looks at the files without reading them.
func (f Files) stamp() (stamp, error) {
	var s stamp
	var missing error
	for _, path := range []string{f.CA, f.Cert, f.Key} {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			info, missing = nil, errors.Join(missing, err)
		}
		s = append(s, info)
	}
	return s, missing
}

func (s stamp) same(other stamp) bool {
	return slices.EqualFunc(s, other, func(a, b os.FileInfo) bool {
		if a == nil || b == nil {
			return a == nil && b == nil
		}
		return a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b)
	})
}
