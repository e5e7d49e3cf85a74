package servers_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/pkg/servers"
)

// doorBehindBalancer believes what this machine says of clients' addresses.
var doorBehindBalancer = servers.DoorConfig{Env: []string{"PRIMECLOUD_DOOR_TRUSTED_PROXIES=127.0.0.0/8"}}

// conversation sends bytes as they are and returns the connection.
func conversation(t *testing.T, door *servers.Door, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", door.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

// answered reads the answer and checks the status and S3's code.
func answered(t *testing.T, from *bufio.Reader, status int, code string) {
	t.Helper()
	res, err := http.ReadResponse(from, nil)
	for err == nil && res.StatusCode == http.StatusContinue {
		// MinIO and the door may both say so.
		res, err = http.ReadResponse(from, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != status || !strings.Contains(string(text), code) {
		t.Errorf("%d %s instead of %d %s", res.StatusCode, text, status, code)
	}
}

func TestDoor_bounds_how_much_is_sent(t *testing.T) {
	s := startStorage(t)
	head := func(method string, lines ...string) string {
		return method + " /" + bucket + "/object HTTP/1.1\r\nHost: x\r\n" + strings.Join(append(lines, "", ""), "\r\n")
	}
	cases := []struct {
		name, request string
		status        int
		code          string
	}{
		{"a PUT of more than 5 GiB", head("PUT", "Content-Length: 5368709121"), http.StatusBadRequest, "<Code>EntityTooLarge</Code>"},
		{"a PUT in chunks of more than 5 GiB", head("PUT", "Content-Length: 5369000000", "X-Amz-Decoded-Content-Length: 5368709121"), http.StatusBadRequest, "<Code>EntityTooLarge</Code>"},
		{"a PUT that says it is small", head("PUT", "Content-Length: 6000000000", "X-Amz-Decoded-Content-Length: 1"), http.StatusBadRequest, "<Code>EntityTooLarge</Code>"},
		{"a POST of more than 8 MiB", head("POST", "Content-Length: 8388609"), http.StatusBadRequest, "<Code>EntityTooLarge</Code>"},
		{"a DELETE with a body of more than 8 MiB", head("DELETE", "Content-Length: 8388609"), http.StatusBadRequest, "<Code>EntityTooLarge</Code>"},
		{"headers of 40 KiB", head("GET", "X-Long: "+strings.Repeat("x", 40<<10)), http.StatusRequestHeaderFieldsTooLarge, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, from := conversation(t, s.door, c.request)
			answered(t, from, c.status, c.code)
		})
	}
	t.Run("but 5 GiB with the framing of chunks may come", func(t *testing.T) {
		// MinIO refuses it for want of a signature: the door has let it in.
		_, from := conversation(t, s.door, head("PUT", "Content-Length: 5369000000", "X-Amz-Decoded-Content-Length: 5368709120"))
		answered(t, from, http.StatusForbidden, "<Code>AccessDenied</Code>")
	})
}

func TestDoor_bounds_how_often_and_how_slowly_one_client_asks(t *testing.T) {
	s := startStorage(t)
	start := func(t *testing.T, settings ...string) *servers.Door {
		t.Helper()
		door, err := servers.StartDoor(t.Context(), servers.DoorConfig{Dir: t.TempDir(), Upstream: s.minio.Address(), Env: settings})
		if err != nil {
			t.Fatal(err)
		}
		stopping(t, door.Server)
		return door
	}
	// ask sends n requests at once and counts those that are slowed down.
	ask := func(t *testing.T, door *servers.Door, n int, header func(i int) map[string]string) (slowed int) {
		t.Helper()
		for i := range n {
			res := send(t, http.MethodGet, door.Endpoint()+"/"+bucket, header(i), "")
			if res.status == http.StatusServiceUnavailable && strings.Contains(res.body, "<Code>SlowDown</Code>") && res.header.Get("Retry-After") == "1" {
				slowed++
			} else if res.status != http.StatusForbidden && res.status != http.StatusBadRequest { // MinIO's own refusals
				t.Errorf("answers %s", res)
			}
		}
		return slowed
	}
	from := func(i int, key string) map[string]string {
		return map[string]string{
			"X-Forwarded-For": fmt.Sprintf("198.51.100.%d", i),
			"Authorization":   "AWS4-HMAC-SHA256 Credential=" + key + "/20260101/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=0",
		}
	}
	const balanced = "PRIMECLOUD_DOOR_TRUSTED_PROXIES=127.0.0.0/8"
	t.Run("an address", func(t *testing.T) {
		door := start(t, "PRIMECLOUD_DOOR_ADDRESS_RATE=1", balanced)
		if n := ask(t, door, 10, func(int) map[string]string { return from(1, "a") }); n == 0 {
			t.Error("ten requests at once are within one per second")
		}
		if n := ask(t, door, 10, func(i int) map[string]string { return from(100+i, "a") }); n != 0 {
			t.Errorf("%d requests of other addresses are slowed down", n)
		}
		if res := send(t, http.MethodGet, door.Endpoint()+"/_door/health", from(1, "a"), ""); res.status != http.StatusOK {
			t.Errorf("the health check answers %s", res)
		}
	})
	t.Run("the first half of an IPv6 address", func(t *testing.T) {
		door := start(t, "PRIMECLOUD_DOOR_ADDRESS_RATE=1", balanced)
		if n := ask(t, door, 10, func(i int) map[string]string {
			return map[string]string{"X-Forwarded-For": fmt.Sprintf("2001:db8::%d", i)}
		}); n == 0 {
			t.Error("one network with many addresses is not slowed down")
		}
	})
	t.Run("a key, from wherever and by link", func(t *testing.T) {
		door := start(t, "PRIMECLOUD_DOOR_KEY_RATE=1", balanced)
		if n := ask(t, door, 10, func(i int) map[string]string { return from(i, "a") }); n == 0 {
			t.Error("ten requests at once are within one per second")
		}
		if n := ask(t, door, 10, func(i int) map[string]string { return from(i, fmt.Sprint("other-", i)) }); n != 0 {
			t.Errorf("%d requests of other keys are slowed down", n)
		}
		res := send(t, http.MethodGet, door.Endpoint()+"/"+bucket+"?X-Amz-Credential=a%2F20260101", nil, "")
		if res.status != http.StatusServiceUnavailable {
			t.Errorf("the same key in a link gets %s", res)
		}
	})
	t.Run("a body that stands still, and requests under way", func(t *testing.T) {
		door := start(t, "PRIMECLOUD_DOOR_STALLED=2s", "PRIMECLOUD_DOOR_ADDRESS_OPEN=1")
		conn, slow := conversation(t, door, signedPut(t, door, 1000))
		if goOn, err := http.ReadResponse(slow, nil); err != nil || goOn.StatusCode != http.StatusContinue {
			t.Fatalf("the upload is not under way: %v, %v", goOn, err)
		}
		if _, err := io.WriteString(conn, "ten bytes."); err != nil {
			t.Fatal(err)
		}
		var refusal response
		for refusal.status != http.StatusServiceUnavailable {
			refusal = send(t, http.MethodGet, door.Endpoint()+"/"+bucket, nil, "")
		}
		if !strings.Contains(refusal.body, "<Code>SlowDown</Code>") {
			t.Errorf("a second request gets %s", refusal)
		}
		answered(t, slow, http.StatusBadRequest, "<Code>RequestTimeout</Code>")
		for deadline := time.Now().Add(10 * time.Second); send(t, http.MethodGet, door.Endpoint()+"/"+bucket, nil, "").status != http.StatusForbidden; {
			if time.Now().After(deadline) {
				t.Fatal("when it is gone the next is still refused")
			}
		}
	})
}

func TestDoor_takes_up_a_renewed_certificate_without_a_restart(t *testing.T) {
	d := openDoors(t)
	serial := func() string {
		conn, err := tls.Dial("tcp", d.https.Address(), d.trust(t))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before, pid := serial(), d.https.PID()
	d.certificate(t, filepath.Dir(d.files.Cert))
	if err := d.https.Reload(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); serial() == before; {
		if time.Now().After(deadline) {
			t.Fatal("the certificate is still the old one")
		}
	}
	if d.https.PID() != pid {
		t.Error("the door was restarted")
	}
}

// signedPut is the head of an upload that MinIO takes.
func signedPut(t *testing.T, door *servers.Door, length int) string {
	t.Helper()
	client, err := minio.New(door.Address(), &minio.Options{Creds: credentials.NewStaticV4(rootUser, rootPassword, ""), Region: region})
	if err != nil {
		t.Fatal(err)
	}
	link, err := client.PresignedPutObject(t.Context(), bucket, "slow", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", link.RequestURI(), link.Host, length)
}
