// Package readiness asks a third-party server whether it can do its work, each in its own
// protocol: what it means for one of them to be ready is said here, for the local stack,
// the tests and the health checks of containers alike.
//
// A function returns nil when the server is ready, and otherwise what is wrong with it. It
// asks once; waiting is the caller's. No credentials are needed for any of them.
package readiness

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// NATS reads the server's first line: it is sent once JetStream has recovered its streams.
func NATS(ctx context.Context, address string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return fmt.Errorf("connect: %w", err)
		}
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the greeting: %w", err)
	}
	var info struct {
		JetStream bool `json:"jetstream"`
	}
	text, found := strings.CutPrefix(line, "INFO ")
	if !found {
		return fmt.Errorf("this is not NATS: %q", line)
	}
	if err := json.Unmarshal([]byte(text), &info); err != nil {
		return fmt.Errorf("read the greeting: %w", err)
	}
	if !info.JetStream {
		return errors.New("JetStream is not up")
	}
	return nil
}

// MinIO asks with a key that does not exist. MinIO is live some time before it has read its
// users, and says "not initialised" until then; only "no such key" shows that it is ready.
func MinIO(ctx context.Context, address, region string) error {
	if region == "" {
		region = "us-east-1"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", http.NoBody)
	if err != nil {
		return fmt.Errorf("ask for readiness: %w", err)
	}
	now := time.Now().UTC() // MinIO looks at the date before the key
	req.Header.Set("X-Amz-Date", now.Format("20060102T150405Z"))
	req.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=readiness/"+now.Format("20060102")+"/"+region+
		"/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="+strings.Repeat("0", 64))
	body, err := answer(req)
	if err != nil {
		return err
	}
	if !strings.Contains(body, "<Code>InvalidAccessKeyId</Code>") {
		return fmt.Errorf("MinIO answers %q", body)
	}
	return nil
}

// Door asks the door itself: whether MinIO behind it answers is MinIO's matter. The address
// is host:port or, to ask over TLS, https://host:port.
func Door(ctx context.Context, address string) error {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/_door/health", http.NoBody)
	if err != nil {
		return fmt.Errorf("ask for readiness: %w", err)
	}
	body, err := answer(req)
	if err != nil {
		return err
	}
	if body != "ok" {
		return fmt.Errorf("the door answers %q", body)
	}
	return nil
}

// Dex asks for the discovery document of the issuer at the server's own address, since the
// issuer's may be another host's.
func Dex(ctx context.Context, address, issuer string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/.well-known/openid-configuration", http.NoBody)
	if err != nil {
		return fmt.Errorf("ask for readiness: %w", err)
	}
	req.URL.Scheme, req.URL.Host = "http", address
	body, err := answer(req)
	if err != nil {
		return err
	}
	var found struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal([]byte(body), &found); err != nil || found.Issuer != issuer {
		return fmt.Errorf("Dex answers %q", body)
	}
	return nil
}

// answer sends a request on a connection of its own and returns the body, whatever the status.
func answer(req *http.Request) (string, error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		// Whether somebody is ready is asked on the machine itself, where its certificate's names do not lead.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // nothing secret is sent or believed
	}}
	res, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask for readiness: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return "", fmt.Errorf("ask for readiness: %w", err)
	}
	return string(body), nil
}
