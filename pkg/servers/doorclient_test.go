package servers_test

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
)

// way is how a client reaches the door.
type way struct {
	endpoint *url.URL
	// hosts is set when buckets are hosts.
	hosts bool
	// prefix is where in the bucket this run is.
	prefix string
	// env leads names to this machine.
	env []string
}

func (w way) secure() bool { return w.endpoint.Scheme == "https" }

// session is one client on one way.
type session struct {
	*doors
	way

	u upload
	// work is a folder for this session alone.
	work string
}

// at is where an object of the session is, as clients write it.
func (s *session) at(name string) string { return "s3://" + bucket + "/" + s.prefix + "/" + name }

// matrix is what each client does on each way: upload a folder with a small file and one of
// several parts, list, read a range, copy on the server, download, delete.
var matrix = map[string]func(*testing.T, *session){"aws": withAWS, "rclone": withRclone, "s3cmd": withS3cmd, "mc": withMC}

func TestDoor_serves_the_clients_that_tenants_have(t *testing.T) {
	d := openDoors(t)
	u := newUpload(t)
	for _, secure := range []bool{false, true} {
		for _, hosts := range []bool{false, true} {
			for name, client := range matrix {
				w := way{hosts: hosts, prefix: fmt.Sprintf("%s-%v-%v", name, secure, hosts)}
				door := d.http
				if secure {
					door = d.https
				}
				address := door.Endpoint()
				if hosts {
					address = strings.Replace(address, "127.0.0.1", domain, 1)
					w.env = []string{"http_proxy=" + d.names.String(), "https_proxy=" + d.names.String()}
				}
				var err error
				if w.endpoint, err = url.Parse(address); err != nil {
					t.Fatal(err)
				}
				t.Run(fmt.Sprintf("%s at %s, buckets are hosts: %v", name, w.endpoint.Scheme, hosts), func(t *testing.T) {
					s := &session{doors: d, way: w, u: u, work: t.TempDir()}
					client(t, s)
					s.empty(t)
				})
			}
		}
	}
}

// uploaded looks past the door at what has arrived.
func (s *session) uploaded(t *testing.T) {
	t.Helper()
	info, err := s.root.StatObject(t.Context(), bucket, s.prefix+"/large.bin", minio.StatObjectOptions{})
	if err != nil || info.Size != largeSize || !strings.HasSuffix(info.ETag, "-3") {
		t.Errorf("the large file is %d bytes with etag %q, not three parts: %v", info.Size, info.ETag, err)
	}
}

// copied looks past the door at the copy.
func (s *session) copied(t *testing.T) {
	t.Helper()
	info, err := s.root.StatObject(t.Context(), bucket, s.prefix+"/copy", minio.StatObjectOptions{})
	if err != nil || info.Size != 1000 {
		t.Errorf("the copy is %d bytes: %v", info.Size, err)
	}
	if err := s.root.RemoveObject(t.Context(), bucket, s.prefix+"/copy", minio.RemoveObjectOptions{}); err != nil {
		t.Error(err)
	}
}

func (s *session) empty(t *testing.T) {
	t.Helper()
	for o := range s.root.ListObjects(t.Context(), bucket, minio.ListObjectsOptions{Prefix: s.prefix + "/", Recursive: true}) {
		t.Errorf("%q is left, %v", o.Key, o.Err)
	}
}

// listed holds a listing against the names.
func (s *session) listed(t *testing.T, text string) {
	t.Helper()
	for name := range s.u.files {
		if !strings.Contains(text, name) {
			t.Errorf("the listing lacks %q:\n%s", name, text)
		}
	}
}

func (s *session) ranged(t *testing.T, got []byte) {
	t.Helper()
	if !bytes.Equal(got, s.u.middle()) {
		t.Errorf("the range is %d bytes, and not those asked for", len(got))
	}
}

// awsEnv is what docs/s3-clients.md tells users to set.
func (s *session) awsEnv(t *testing.T) []string {
	t.Helper()
	style := "path"
	if s.hosts {
		style = "virtual"
	}
	file := filepath.Join(s.work, "aws-config")
	text := fmt.Sprintf(`[default]
region = %s
request_checksum_calculation = when_required
response_checksum_validation = when_required
s3 =
  addressing_style = %s
  multipart_threshold = %d
  multipart_chunksize = %d
`, region, style, partSize, partSize)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return append([]string{
		"AWS_CONFIG_FILE=" + file, "AWS_ACCESS_KEY_ID=" + tenantKey, "AWS_SECRET_ACCESS_KEY=" + tenantSecret,
		"AWS_CA_BUNDLE=" + s.authority.CA(), "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=",
	}, s.env...)
}

func withAWS(t *testing.T, s *session) {
	env := s.awsEnv(t)
	aws := func(args ...string) string {
		return s.must(t, env, "aws", append([]string{"--endpoint-url", s.endpoint.String()}, args...)...)
	}
	aws("s3", "sync", s.u.dir, s.at(""))
	s.uploaded(t)
	s.listed(t, aws("s3", "ls", "--recursive", s.at("")))
	part := filepath.Join(s.work, "part")
	aws("s3api", "get-object", "--bucket", bucket, "--key", s.prefix+"/large.bin", "--range",
		fmt.Sprintf("bytes=%d-%d", rangeStart, rangeStart+rangeLength-1), part)
	s.ranged(t, read(t, part))
	aws("s3", "cp", s.at("small file+ü.txt"), s.at("copy"))
	s.copied(t)
	down := filepath.Join(s.work, "down")
	aws("s3", "sync", s.at(""), down)
	s.u.same(t, down)
	aws("s3", "rm", "--recursive", s.at(""))
}

func withRclone(t *testing.T, s *session) {
	env := append([]string{
		"RCLONE_CONFIG=" + filepath.Join(s.work, "none"), "RCLONE_CA_CERT=" + s.authority.CA(), "RCLONE_CONFIG_DOOR_TYPE=s3",
		"RCLONE_CONFIG_DOOR_PROVIDER=Minio", "RCLONE_CONFIG_DOOR_ACCESS_KEY_ID=" + tenantKey, "RCLONE_CONFIG_DOOR_SECRET_ACCESS_KEY=" + tenantSecret,
		"RCLONE_CONFIG_DOOR_ENDPOINT=" + s.endpoint.String(), "RCLONE_CONFIG_DOOR_REGION=" + region,
		fmt.Sprintf("RCLONE_CONFIG_DOOR_FORCE_PATH_STYLE=%v", !s.hosts), "RCLONE_CONFIG_DOOR_NO_CHECK_BUCKET=true",
		"RCLONE_CONFIG_DOOR_CHUNK_SIZE=5M", "RCLONE_CONFIG_DOOR_UPLOAD_CUTOFF=5M", "RCLONE_RETRIES=1", "RCLONE_LOW_LEVEL_RETRIES=1",
	}, s.env...)
	at := func(name string) string { return "door:" + bucket + "/" + s.prefix + "/" + name }
	rclone := func(args ...string) string { return s.must(t, env, "rclone", args...) }
	rclone("copy", s.u.dir, at(""))
	s.uploaded(t)
	s.listed(t, rclone("lsf", "-R", at("")))
	s.ranged(t, []byte(rclone("cat", "--offset", fmt.Sprint(rangeStart), "--count", fmt.Sprint(rangeLength), at("large.bin"))))
	rclone("copyto", at("small file+ü.txt"), at("copy"))
	s.copied(t)
	down := filepath.Join(s.work, "down")
	rclone("copy", at(""), down)
	s.u.same(t, down)
	rclone("delete", at(""))
}

func withS3cmd(t *testing.T, s *session) {
	file := filepath.Join(s.work, "s3cmd")
	hosts := s.endpoint.Host
	if s.hosts {
		hosts = "%(bucket)s." + s.endpoint.Host
	}
	text := fmt.Sprintf("[default]\naccess_key = %s\nsecret_key = %s\nbucket_location = %s\nhost_base = %s\nhost_bucket = %s\nuse_https = %v\nca_certs_file = %s\n"+
		"multipart_chunk_size_mb = 5\nmax_retries = 0\nacl_public = False\n", tenantKey, tenantSecret, region, s.endpoint.Host, hosts, s.secure(), s.authority.CA())
	if s.hosts {
		text += fmt.Sprintf("proxy_host = %s\nproxy_port = %d\n", s.names.Hostname(), port(s.names))
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s3cmd := func(args ...string) string {
		return s.must(t, nil, "s3cmd", append([]string{"--config", file, "--no-progress"}, args...)...)
	}
	s3cmd("put", "--recursive", s.u.dir+"/", s.at(""))
	s.uploaded(t)
	s.listed(t, s3cmd("ls", "--recursive", s.at("")))
	// It asks for ranges when it goes on with a download.
	part := filepath.Join(s.work, "part")
	if err := os.WriteFile(part, s.u.files["large.bin"][:rangeStart], 0o600); err != nil {
		t.Fatal(err)
	}
	s3cmd("get", "--continue", s.at("large.bin"), part)
	s.ranged(t, read(t, part)[rangeStart:rangeStart+rangeLength])
	s3cmd("cp", s.at("small file+ü.txt"), s.at("copy"))
	s.copied(t)
	down := filepath.Join(s.work, "down")
	if err := os.Mkdir(down, 0o700); err != nil {
		t.Fatal(err)
	}
	s3cmd("get", "--recursive", s.at(""), down+"/")
	s.u.same(t, down)
	s3cmd("del", "--recursive", "--force", s.at(""))
}

func withMC(t *testing.T, s *session) {
	path := "on"
	if s.hosts {
		path = "off"
	}
	s.alias(t, s.prefix, s.endpoint.String(), tenantKey, tenantSecret, path)
	// Behind a proxy it looks at the system's authorities alone.
	env := append([]string{"MC_UPLOAD_MULTIPART_SIZE=5MiB", "SSL_CERT_FILE=" + s.authority.CA()}, s.env...)
	at := func(name string) string { return s.prefix + "/" + bucket + "/" + s.prefix + "/" + name }
	mc := func(args ...string) string {
		return s.must(t, env, s.mc, append([]string{"--config-dir", s.settings, "--quiet"}, args...)...)
	}
	mc("cp", "--recursive", s.u.dir+"/", at(""))
	s.uploaded(t)
	s.listed(t, mc("ls", "--recursive", at("")))
	s.ranged(t, []byte(mc("cat", "--offset", fmt.Sprint(rangeStart), at("large.bin")))[:rangeLength])
	mc("cp", at("small file+ü.txt"), at("copy"))
	s.copied(t)
	down := filepath.Join(s.work, "down")
	mc("cp", "--recursive", at(""), down+"/")
	s.u.same(t, down)
	mc("rm", "--recursive", "--force", at(""))
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
