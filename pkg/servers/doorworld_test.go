package servers_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/pki"
	"github.com/primecloud/primecloud/pkg/servers"
)

// Where buckets are hosts, and the key of a tenant whose only bucket is `bucket`.
const (
	domain, region           = "s3.localhost", "eu-central-1"
	tenantKey, tenantSecret  = "tenant-key", "tenant-secret-of-forty-characters-or-so"
	foreignBucket            = "foreign"
	partSize, largeSize      = 5 << 20, 11 << 20
	rangeStart, rangeLength  = 6 << 20, 100
	everythingInABucket      = `"s3:GetObject","s3:PutObject","s3:DeleteObject","s3:AbortMultipartUpload","s3:ListMultipartUploadParts"`
	everythingOfABucketItsel = `"s3:ListBucket","s3:GetBucketLocation","s3:ListBucketMultipartUploads"`
)

// doors is MinIO with a door that speaks http and one that speaks https, and a tenant.
type doors struct {
	minio       *servers.MinIO
	http, https *servers.Door
	authority   *pki.Authority
	files       pki.Files
	// names is a proxy that leads every host name to this machine, since not every resolver
	// does so with *.localhost.
	names *url.URL
	// mc is MinIO's client, settings the folder of what it knows.
	mc, settings string
	root         *minio.Client
}

func openDoors(t *testing.T) *doors {
	t.Helper()
	d := &doors{settings: t.TempDir()}
	var err error
	if d.minio, err = servers.StartMinIO(t.Context(), servers.MinIOConfig{
		Dir: t.TempDir(), RootUser: rootUser, RootPassword: rootPassword, Region: region, Domain: domain,
	}); err != nil {
		t.Fatal(err)
	}
	stopping(t, d.minio.Server)
	d.http = d.door(t, servers.DoorConfig{})
	if d.authority, err = pki.OpenAuthority(t.TempDir(), clock.System()); err != nil {
		t.Fatal(err)
	}
	d.files = d.certificate(t, t.TempDir())
	d.https = d.door(t, servers.DoorConfig{Certificate: d.files.Cert, CertificateKey: d.files.Key})
	d.names = proxy(t)
	if d.mc, err = servers.Client(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.root, err = minio.New(d.minio.Address(), &minio.Options{Creds: credentials.NewStaticV4(rootUser, rootPassword, ""), Region: region}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{bucket, foreignBucket} {
		if err := d.root.MakeBucket(t.Context(), name, minio.MakeBucketOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	d.tenant(t, tenantKey, tenantSecret, fmt.Sprintf(`{"Effect":"Allow","Action":[%s],"Resource":["arn:aws:s3:::%s/*"]},
		{"Effect":"Allow","Action":[%s],"Resource":["arn:aws:s3:::%s"]}`, everythingInABucket, bucket, everythingOfABucketItsel, bucket))
	return d
}

func (d *doors) door(t *testing.T, cfg servers.DoorConfig) *servers.Door {
	t.Helper()
	cfg.Dir, cfg.Upstream = t.TempDir(), d.minio.Address()
	door, err := servers.StartDoor(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	stopping(t, door.Server)
	return door
}

func (d *doors) certificate(t *testing.T, dir string) pki.Files {
	t.Helper()
	files, err := d.authority.Issue(dir, pki.Leaf{DNSNames: []string{domain, "*." + domain}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// trust is a TLS configuration that believes the doors' authority alone.
func (d *doors) trust(t *testing.T) *tls.Config {
	t.Helper()
	raw, err := os.ReadFile(d.authority.CA())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(raw)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// tenant makes a user with a policy, as the platform's administrator does.
func (d *doors) tenant(t *testing.T, key, secret, statements string) {
	t.Helper()
	d.alias(t, "bare", d.minio.Endpoint(), rootUser, rootPassword, "auto")
	file := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(file, []byte(`{"Version":"2012-10-17","Statement":[`+statements+`]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"admin", "user", "add", "bare", key, secret},
		{"admin", "policy", "create", "bare", key, file},
		{"admin", "policy", "attach", "bare", key, "--user", key},
	} {
		if out, err := d.run(t, nil, d.mc, append([]string{"--config-dir", d.settings}, args...)...); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
}

// alias tells mc of an address with a key; path is on, off or auto.
func (d *doors) alias(t *testing.T, name, address, key, secret, path string) {
	t.Helper()
	type alias struct {
		URL       string `json:"url"`
		AccessKey string `json:"accessKey"`
		SecretKey string `json:"secretKey"`
		API       string `json:"api"`
		Path      string `json:"path"`
	}
	var known struct {
		Version string           `json:"version"`
		Aliases map[string]alias `json:"aliases"`
	}
	file := filepath.Join(d.settings, "config.json")
	if raw, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(raw, &known); err != nil {
			t.Fatal(err)
		}
	}
	if known.Aliases == nil {
		known.Version, known.Aliases = "10", map[string]alias{}
	}
	known.Aliases[name] = alias{URL: address, AccessKey: key, SecretKey: secret, API: "S3v4", Path: path}
	raw, err := json.Marshal(known)
	if err != nil {
		t.Fatal(err)
	}
	authorities := filepath.Join(d.settings, "certs", "CAs")
	if err := os.MkdirAll(authorities, 0o700); err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(d.authority.CA())
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string][]byte{file: raw, filepath.Join(authorities, "ours.crt"): authority} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a client with nothing of this process's environment but the way to programs, and
// returns what it prints, and what it says in the error. A client that is not installed fails the test.
func (d *doors) run(t *testing.T, env []string, name string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is needed: apt-get install awscli rclone s3cmd (%v)", name, err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.settings, "TMPDIR=" + os.TempDir(), "LANG=C.UTF-8"}, env...)
	if root := os.Getenv("PYENV_ROOT"); root != "" {
		cmd.Env = append(cmd.Env, "PYENV_ROOT="+root)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, said.String())
	}
	return string(out), err
}

// must runs a client that has to succeed.
func (d *doors) must(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	out, err := d.run(t, env, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// proxy leads every request to the same port of this machine, with the Host as it was.
func proxy(t *testing.T) *url.URL {
	t.Helper()
	here := func(host string) string {
		_, port, _ := net.SplitHostPort(host)
		return net.JoinHostPort("127.0.0.1", port)
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Host = here(r.In.URL.Host)
		r.Out.Host = r.In.URL.Host
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			forward.ServeHTTP(w, r)
			return
		}
		tunnel(w, here(r.Host))
	}))
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func tunnel(w http.ResponseWriter, address string) {
	to, err := new(net.Dialer).DialContext(context.Background(), "tcp", address)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	from, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = to.Close()
		return
	}
	_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		_, _ = io.Copy(to, buffered)
		_ = to.Close()
	}()
	go func() {
		_, _ = io.Copy(from, to)
		_ = from.Close()
	}()
}

// upload is a folder with a small file and one of three parts.
type upload struct {
	dir   string
	files map[string][]byte
}

func newUpload(t *testing.T) upload {
	t.Helper()
	u := upload{dir: t.TempDir(), files: map[string][]byte{"small file+ü.txt": make([]byte, 1000), "large.bin": make([]byte, largeSize)}}
	for name, content := range u.files {
		if _, err := rand.Read(content); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(u.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

func (u upload) middle() []byte {
	return u.files["large.bin"][rangeStart : rangeStart+rangeLength]
}

// same holds a folder against what was uploaded.
func (u upload) same(t *testing.T, dir string) {
	t.Helper()
	for name, content := range u.files {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s came back as %d bytes (%v), %d were sent", name, len(got), err, len(content))
		}
	}
}

// port of an address, for clients that want it alone.
func port(address *url.URL) int {
	n, err := strconv.Atoi(address.Port())
	if err != nil {
		return 0
	}
	return n
}
