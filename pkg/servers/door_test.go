package servers_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// raw sends a request line no client library would write, and returns the status.
func raw(t *testing.T, address, target string) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", target, address); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode
}

func TestDoor_hides_everything_that_is_not_S3(t *testing.T) {
	s := startStorage(t)
	if status := raw(t, s.minio.Address(), "/minio/health/live"); status != http.StatusOK {
		t.Fatalf("MinIO itself answers %d: this test would prove nothing", status)
	}
	targets := []string{
		"/minio", "/minio/", "/minio/admin/v3/info", "/minio/health/live", "/minio/health/cluster", "/minio/v2/metrics/cluster",
		"/minio/metrics/v3", "/minio/prometheus/metrics", "/minio/kms/v1/status", "/minio/storage/x", "/minio/lock/v1", "/minio/grid/v1",
		"/minio/webrpc", "//minio/admin/v3/info", "///minio//admin", "/%6dinio/admin/v3/info", "/%6D%69%6E%69%6F/health/live",
		"/minio%2Fadmin%2Fv3%2Finfo", "/%2fminio/health/live", "/./minio/health/live", "/%2e/minio/health/live", "/data/../minio/health/live",
		"/data/%2e%2e/minio/health/live", "/data%2F..%2Fminio/health/live", "/MINIO/health/live", "/Minio/admin/v3/info",
		"/minio/admin/v3/info?x=1", "http://" + s.door.Address() + "/minio/health/live", "/minio/../minio/health/live",
	}
	for _, target := range targets {
		t.Run(target, func(t *testing.T) {
			if status := raw(t, s.door.Address(), target); status != http.StatusNotFound {
				t.Errorf("answers %d", status)
			}
		})
	}
	t.Run("but not a bucket with a name that begins alike", func(t *testing.T) {
		for _, target := range []string{"/minio-of-mine", "/minio2/minio/x", "/data/minio/health/live"} {
			if status := raw(t, s.door.Address(), target); status != http.StatusForbidden {
				t.Errorf("%s answers %d instead of MinIO's refusal of a stranger", target, status)
			}
		}
	})
}

func TestDoor_refuses_the_payload_mode_that_needs_no_signature(t *testing.T) {
	s := startStorage(t)
	base := s.door.Endpoint() + "/" + bucket + "/intruder"
	const mode = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	presigned := "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + rootUser + "%2F20260101%2Feu-central-1%2Fs3%2Faws4_request"
	cases := []struct {
		name, address string
		header        map[string]string
	}{
		{"header", base, map[string]string{"X-Amz-Content-Sha256": mode}},
		{"header in lower case", base, map[string]string{"x-amz-content-sha256": strings.ToLower(mode)}},
		{"header beside a presigned query", base + presigned, map[string]string{"X-Amz-Content-Sha256": mode}},
		{"query", base + presigned + "&X-Amz-Content-Sha256=" + mode, nil},
		{"query in lower case", base + presigned + "&x-amz-content-sha256=" + strings.ToLower(mode), nil},
		{"query with an encoded value", base + presigned + "&X-Amz-Content-Sha256=STREAMING%2DUNSIGNED%2DPAYLOAD%2DTRAILER", nil},
		{"query with an encoded name", base + "?X%2DAmz%2DContent%2DSha256=" + mode, nil},
		{"query after a harmless value", base + "?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&X-Amz-Content-Sha256=" + mode, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { refused(t, send(t, http.MethodPut, c.address, c.header, "0\r\n\r\n")) })
	}
	t.Run("second value of the header", func(t *testing.T) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, base, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header["X-Amz-Content-Sha256"] = []string{"UNSIGNED-PAYLOAD", mode}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("answers %d", res.StatusCode)
		}
	})
}

// refused checks that it is the door that refuses, not MinIO.
func refused(t *testing.T, res response) {
	t.Helper()
	if res.status != http.StatusForbidden || !strings.Contains(res.body, "<Code>AccessDenied</Code>") || !strings.Contains(res.body, " here") {
		t.Errorf("answers %s", res)
	}
	if got := res.header.Get("Content-Type"); got != "application/xml" {
		t.Errorf("content type %q", got)
	}
}

func TestDoor_refuses_every_other_way_to_MinIOs_internal_headers(t *testing.T) {
	s := startStorage(t)
	base := s.door.Endpoint() + "/" + bucket + "/object"
	const sealed = "X-Minio-Replication-Server-Side-Encryption-Sealed-Key"
	cases := []struct {
		name, method, address string
		header                map[string]string
	}{
		{"query", http.MethodPut, base + "?" + sealed + "=x", nil},
		{"query in lower case", http.MethodPut, base + "?" + strings.ToLower(sealed) + "=x", nil},
		{"query with an encoded name", http.MethodPut, base + "?X%2dMinio-Replication-Server-Side-Encryption-Iv=x", nil},
		{"query with an encoded letter", http.MethodPut, base + "?a=b&X-%4dinio-Replication-Actual-Object-Size=1", nil},
		{"replication status in the query", http.MethodPut, base + "?x-amz-replication-status=REPLICA", nil},
		{"form for an object", http.MethodPost, base, map[string]string{"Content-Type": "multipart/form-data; boundary=x"}},
		{"form with a query, in capitals", http.MethodPost, s.door.Endpoint() + "/" + bucket + "?x", map[string]string{"Content-Type": "Multipart/Form-Data; boundary=x"}},
		{"archive to extract", http.MethodPut, base, map[string]string{"X-Amz-Meta-Snowball-Auto-Extract": "true"}},
		{"temporary credentials by form", http.MethodPost, s.door.Endpoint() + "/", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}},
		{"temporary credentials by query", http.MethodPost, s.door.Endpoint() + "/any/where?Action=AssumeRoleWithWebIdentity&Version=2011-06-15", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { refused(t, send(t, c.method, c.address, c.header, "x")) })
	}
}

func TestDoor_writes_no_secret_to_its_log(t *testing.T) {
	s := startStorage(t)
	link, err := s.s3.PresignedGetObject(t.Context(), bucket, "absent", time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, http.MethodGet, link.String(), map[string]string{"X-Amz-Security-Token": "a-session-token"}, "")
	if err := s.minio.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	// An upstream that is down is logged as an error, by another logger.
	res := send(t, http.MethodGet, link.String(), map[string]string{"Authorization": "AWS4 secret-header"}, "")
	if res.status != http.StatusServiceUnavailable || !strings.Contains(res.body, "<Code>ServiceUnavailable</Code>") {
		t.Errorf("without MinIO the door answers %s", res)
	}
	// The answer does not wait for the rest of a body, and is none of those that mean success.
	conn, reader := conversation(t, s.door, fmt.Sprintf("PUT /%s/k HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000000\r\n\r\nten bytes.", bucket, s.door.Address()))
	answered(t, reader, http.StatusServiceUnavailable, "<Code>ServiceUnavailable</Code>")
	_ = conn.Close()
	if err := s.door.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.door.Log())
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "/"+bucket+"/absent"); n < 2 {
		t.Errorf("the log names the object %d times: it should be an access log\n%s", n, text)
	}
	for _, secret := range []string{rootUser, "X-Amz-Signature", "a-session-token", "secret-header", "Credential"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
