package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/pki"
)

func authority(t *testing.T) *pki.Authority {
	t.Helper()
	a, err := pki.OpenAuthority(t.TempDir(), clock.System())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *pki.Authority, leaf pki.Leaf) pki.Files {
	t.Helper()
	files, err := a.Issue(t.TempDir(), leaf)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func serverTLS(t *testing.T, f pki.Files) *tls.Config {
	t.Helper()
	c, err := f.ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func clientTLS(t *testing.T, f pki.Files, p pki.Peer) *tls.Config {
	t.Helper()
	c, err := f.ClientTLS(p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// shake connects the two and returns what each came to know, and each one's error.
func shake(server, client *tls.Config) (s, c tls.ConnectionState, serverErr, clientErr error) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	served := make(chan error, 1)
	conn := tls.Server(a, server)
	go func() {
		err := conn.Handshake()
		if err == nil {
			_, err = conn.Write([]byte{1})
		}
		_ = a.Close()
		served <- err
	}()
	dialed := tls.Client(b, client)
	clientErr = dialed.Handshake()
	if clientErr == nil {
		// In TLS 1.3 the client hears only now what the server thinks of its certificate.
		_, clientErr = dialed.Read(make([]byte, 1))
	}
	_ = b.Close()
	serverErr = <-served
	return conn.ConnectionState(), dialed.ConnectionState(), serverErr, clientErr
}

func TestTLS_two_services_know_each_other(t *testing.T) {
	a := authority(t)
	server := serverTLS(t, issue(t, a, pki.Leaf{Service: "storage-provisioning"}))
	client := clientTLS(t, issue(t, a, pki.Leaf{Service: "gateway"}), pki.Peer{Service: "storage-provisioning"})
	state, _, serverErr, clientErr := shake(server, client)
	if serverErr != nil || clientErr != nil {
		t.Fatal(serverErr, clientErr)
	}
	if got := pki.PeerName(state); got != "gateway" || state.Version != tls.VersionTLS13 {
		t.Errorf("peer %q, version %x", got, state.Version)
	}
}

func TestTLS_refuses_who_is_not_expected(t *testing.T) {
	ours, foreign := authority(t), authority(t)
	storage := issue(t, ours, pki.Leaf{Service: "storage-provisioning", DNSNames: []string{"storage.local"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	gateway := issue(t, ours, pki.Leaf{Service: "gateway"})
	stranger := issue(t, foreign, pki.Leaf{Service: "storage-provisioning", DNSNames: []string{"storage.local"}})
	expired := issue(t, ours, pki.Leaf{Service: "storage-provisioning", Lifetime: time.Nanosecond})
	bare := pki.Files{CA: storage.CA}
	for _, tt := range []struct {
		name           string
		server, client pki.Files
		peer           pki.Peer
		want           string
	}{
		{"the service asked for is accepted", storage, gateway, pki.Peer{Service: "storage-provisioning"}, ""},
		{"another service is refused", storage, gateway, pki.Peer{Service: "identity"}, `the server is "storage-provisioning", not "identity"`},
		{"a server of another authority is refused", stranger, gateway, pki.Peer{Service: "storage-provisioning"}, "unknown authority"},
		{"an expired server is refused", expired, gateway, pki.Peer{Service: "storage-provisioning"}, "expired"},
		{
			"a client of another authority is refused", storage,
			pki.Files{Cert: stranger.Cert, Key: stranger.Key, CA: storage.CA},
			pki.Peer{Service: "storage-provisioning"},
			"unknown certificate authority",
		},
		{"a client without a certificate is accepted", storage, bare, pki.Peer{Service: "storage-provisioning"}, ""},
		{"a DNS name is accepted", storage, bare, pki.Peer{Name: "storage.local"}, ""},
		{"another DNS name is refused", storage, bare, pki.Peer{Name: "identity.local"}, "not identity.local"},
		{"an IP address is accepted", storage, bare, pki.Peer{Name: "127.0.0.1"}, ""},
		{"another IP address is refused", storage, bare, pki.Peer{Name: "127.0.0.2"}, "not 127.0.0.2"},
		{"no expectation at all is refused", storage, bare, pki.Peer{}, "neither a service nor a name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			state, _, serverErr, clientErr := shake(serverTLS(t, tt.server), clientTLS(t, tt.client, tt.peer))
			switch {
			case tt.want == "" && (serverErr != nil || clientErr != nil):
				t.Error(serverErr, clientErr)
			case tt.want != "" && (clientErr == nil || !strings.Contains(clientErr.Error(), tt.want)):
				t.Errorf("want %q, got %v", tt.want, clientErr)
			case tt.want == "" && tt.client.Cert == "" && pki.PeerName(state) != "":
				t.Errorf("a client without a certificate is called %q", pki.PeerName(state))
			}
		})
	}
	t.Run("an older version of TLS is refused", func(t *testing.T) {
		old := clientTLS(t, gateway, pki.Peer{Service: "storage-provisioning"})
		old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		if _, _, _, err := shake(serverTLS(t, storage), old); err == nil {
			t.Error("TLS 1.2 was accepted")
		}
	})
	t.Run("a server without a certificate cannot be made", func(t *testing.T) {
		if _, err := bare.ServerTLS(); err == nil {
			t.Error("no error")
		}
	})
}

func TestTLS_uses_replaced_files_from_the_next_handshake_on(t *testing.T) {
	dirs := map[string]string{"server": t.TempDir(), "client": t.TempDir()}
	write := func(a *pki.Authority) (server, client pki.Files) {
		var err error
		if server, err = a.Issue(dirs["server"], pki.Leaf{Service: "identity"}); err != nil {
			t.Fatal(err)
		}
		if client, err = a.Issue(dirs["client"], pki.Leaf{Service: "gateway"}); err != nil {
			t.Fatal(err)
		}
		return server, client
	}
	var log strings.Builder
	serverFiles, clientFiles := write(authority(t))
	serverFiles.Logger = slog.New(slog.NewTextHandler(&log, nil))
	server, client := serverTLS(t, serverFiles), clientTLS(t, clientFiles, pki.Peer{Service: "identity"})
	serial := func() string {
		_, state, serverErr, clientErr := shake(server, client)
		if serverErr != nil || clientErr != nil {
			t.Fatal(serverErr, clientErr)
		}
		return state.PeerCertificates[0].SerialNumber.String()
	}
	first := serial()
	if again := serial(); again != first {
		t.Errorf("the certificate changed from %s to %s by itself", first, again)
	}
	write(authority(t))
	second := serial()
	if second == first {
		t.Error("the replaced certificate and authority are not used")
	}
	if err := os.WriteFile(serverFiles.Key, []byte("half a k"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := serial(); got != second {
			t.Errorf("a broken replacement changed the certificate to %s", got)
		}
	}
	if lines := strings.Count(log.String(), "of no use"); lines != 1 {
		t.Errorf("the broken replacement was reported %d times: %s", lines, log.String())
	}
	if err := os.Remove(serverFiles.Cert); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != second {
		t.Errorf("a removed file changed the certificate to %s", got)
	}
	write(authority(t))
	if got := serial(); got == second {
		t.Error("the repaired files are not used")
	}
}

func TestTLS_serves_gRPC(t *testing.T) {
	a := authority(t)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(serverTLS(t, issue(t, a, pki.Leaf{Service: "identity"})))))
	healthv1.RegisterHealthServer(server, health.NewServer())
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() { server.Stop(); <-served }()
	config := clientTLS(t, issue(t, a, pki.Leaf{Service: "gateway"}), pki.Peer{Service: "identity"})
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var seen peer.Peer
	if _, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{}, grpc.Peer(&seen)); err != nil {
		t.Fatal(err)
	}
	if info, ok := seen.AuthInfo.(credentials.TLSInfo); !ok || info.State.NegotiatedProtocol != "h2" {
		t.Errorf("the connection is %+v", seen.AuthInfo)
	}
}

func TestPeerName_names_only_one_service_of_ours(t *testing.T) {
	for _, tt := range []struct {
		uris []string
		want string
	}{
		{[]string{"spiffe://primecloud.local/gateway"}, "gateway"},
		{[]string{"spiffe://primecloud.local/gateway", "spiffe://primecloud.local/identity"}, ""},
		{[]string{"spiffe://elsewhere.example/gateway"}, ""},
		{[]string{"https://primecloud.local/gateway"}, ""},
		{[]string{"spiffe://primecloud.local/gateway/admin"}, ""},
		{[]string{"spiffe://primecloud.local/gateway?x=1"}, ""},
		{[]string{"spiffe://primecloud.local/"}, ""},
		{nil, ""},
	} {
		cert := &x509.Certificate{}
		for _, raw := range tt.uris {
			uri, err := url.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			cert.URIs = append(cert.URIs, uri)
		}
		verified := tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}, VerifiedChains: [][]*x509.Certificate{{cert}}}
		if got := pki.PeerName(verified); got != tt.want {
			t.Errorf("%q is called %q", tt.uris, got)
		}
		if got := pki.PeerName(tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}); got != "" {
			t.Errorf("unverified %q is called %q", tt.uris, got)
		}
	}
}

func TestOpenAuthority_opened_at_once_by_many_is_one(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	authorities := make([]*pki.Authority, 8)
	for i := range authorities {
		wg.Go(func() {
			var err error
			if authorities[i], err = pki.OpenAuthority(dir, clock.System()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	server := serverTLS(t, issue(t, authorities[0], pki.Leaf{Service: "identity"}))
	for _, a := range authorities[1:] {
		client := clientTLS(t, issue(t, a, pki.Leaf{Service: "gateway"}), pki.Peer{Service: "identity"})
		if _, _, serverErr, clientErr := shake(server, client); serverErr != nil || clientErr != nil {
			t.Error(serverErr, clientErr)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "ca.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("ca.key is %v, error %v", info.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind %q, error %v", left, err)
	}
}

func TestOpenAuthority_refuses_what_it_cannot_use(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for _, dir := range []string{a, b} {
		if _, err := pki.OpenAuthority(dir, clock.System()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pki.OpenAuthority(a, clock.NewManual(time.Now().AddDate(10, 0, 0))); err == nil {
		t.Error("an authority about to end was opened")
	}
	if err := os.Rename(filepath.Join(b, "ca.crt"), filepath.Join(a, "ca.crt")); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.OpenAuthority(a, clock.System()); err == nil || !strings.Contains(err.Error(), "does not belong") {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(filepath.Join(a, "ca.key"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.OpenAuthority(a, clock.System()); err == nil {
		t.Error("a broken key was opened")
	}
}

func TestIssue_refuses_a_name_that_is_no_service(t *testing.T) {
	for _, name := range []string{"Gateway", "a/b", "../identity", "1st", "a b"} {
		if _, err := authority(t).Issue(t.TempDir(), pki.Leaf{Service: name}); err == nil {
			t.Errorf("%q was issued", name)
		}
	}
}
