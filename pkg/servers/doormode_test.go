package servers_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/signer"
)

// recorder remembers what was sent, and over which protocol it was answered.
type recorder struct {
	http.RoundTripper

	mu     sync.Mutex
	mode   string
	answer int
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := r.RoundTripper.RoundTrip(req)
	r.mu.Lock()
	defer r.mu.Unlock()
	if req.Method == http.MethodPut && err == nil {
		r.mode, r.answer = req.Header.Get("X-Amz-Content-Sha256"), res.ProtoMajor
	}
	return res, err
}

// client is a tenant's client of the door, with the recorder in it.
func (d *doors) client(t *testing.T, secure bool) (*minio.Client, *recorder) {
	t.Helper()
	door := d.http
	if secure {
		door = d.https
	}
	seen := &recorder{RoundTripper: &http.Transport{TLSClientConfig: d.trust(t), ForceAttemptHTTP2: true}}
	client, err := minio.New(door.Address(), &minio.Options{
		Creds: credentials.NewStaticV4(tenantKey, tenantSecret, ""), Region: region, Secure: secure, TrailingHeaders: true, Transport: seen,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client, seen
}

func TestDoor_takes_every_way_to_send_a_payload_but_the_one_that_nobody_signs(t *testing.T) {
	d := openDoors(t)
	content := bytes.Repeat([]byte("payload "), 20_000)
	cases := []struct {
		name, mode string
		secure     bool
		opts       minio.PutObjectOptions
		refused    bool
	}{
		{"signed in chunks", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", false, minio.PutObjectOptions{}, false},
		{"signed in chunks with a checksum behind", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", false, minio.PutObjectOptions{Checksum: minio.ChecksumCRC32C}, false},
		{"unsigned over TLS", "UNSIGNED-PAYLOAD", true, minio.PutObjectOptions{SendContentMd5: true}, false},
		{"unsigned with a checksum behind", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", true, minio.PutObjectOptions{Checksum: minio.ChecksumCRC32C}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			client, seen := d.client(t, c.secure)
			_, err := client.PutObject(t.Context(), bucket, "mode", bytes.NewReader(content), int64(len(content)), c.opts)
			if seen.mode != c.mode {
				t.Fatalf("the client sends %s: this proves nothing of %s", seen.mode, c.mode)
			}
			if want := map[bool]int{false: 1, true: 2}[c.secure]; seen.answer != want {
				t.Errorf("the door speaks HTTP/%d", seen.answer)
			}
			if !c.refused {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if said := minio.ToErrorResponse(err); said.Code != "AccessDenied" || !strings.Contains(said.Message, "request_checksum_calculation = when_required") {
				t.Errorf("the client hears %v", err)
			}
		})
	}
	t.Run("the hash of the whole", func(t *testing.T) {
		sum := sha256.Sum256(content)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, d.http.Endpoint()+"/"+bucket+"/mode", bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
		if status, text := do(t, signer.SignV4(*req, tenantKey, tenantSecret, "", region), nil); status != http.StatusOK {
			t.Errorf("%d %s", status, text)
		}
	})
	t.Run("the defaults of the aws that is installed", func(t *testing.T) { awsDefaults(t, d) })
}

// awsDefaults tries aws without the setting: an old one signs, a new one is refused and is told what to set.
func awsDefaults(t *testing.T, d *doors) {
	u := newUpload(t)
	env := []string{
		"AWS_ACCESS_KEY_ID=" + tenantKey, "AWS_SECRET_ACCESS_KEY=" + tenantSecret, "AWS_DEFAULT_REGION=" + region, "AWS_CA_BUNDLE=" + d.authority.CA(),
		"AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1",
	}
	args := []string{"--endpoint-url", d.https.Endpoint(), "s3", "cp", u.dir + "/small file+ü.txt", "s3://" + bucket + "/defaults"}
	out, err := d.run(t, env, "aws", args...)
	if err == nil {
		t.Logf("this aws signs by itself: %s", out)
	} else if !strings.Contains(err.Error(), "request_checksum_calculation = when_required") {
		t.Errorf("aws says neither that it worked nor what to set: %v", err)
	}
	d.must(t, append(env, "AWS_REQUEST_CHECKSUM_CALCULATION=when_required"), "aws", args...)
}

// do sends a request as it is.
func do(t *testing.T, req *http.Request, transport http.RoundTripper) (int, string) {
	t.Helper()
	if transport == nil {
		transport = &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	}
	client := http.Client{Transport: transport, Timeout: time.Minute}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var text bytes.Buffer
	if _, err := text.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, text.String()
}
