package servers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// MinIOConfig says how to run MinIO.
type MinIOConfig struct {
	// Dir holds objects and log.
	Dir string
	// Port is where to listen on 127.0.0.1; 0 takes a free one. Setting is named when it is taken.
	Port    int
	Setting string
	// ConsolePort serves MinIO's own web console; 0 means no console.
	ConsolePort int
	// RootUser and RootPassword are the administrator's key.
	RootUser, RootPassword string
	// Region is the region signatures name; empty takes any.
	Region string
	// Env adds settings, such as "MINIO_SCANNER_SPEED=fastest".
	Env []string
}

// MinIO is a running MinIO, without its door.
type MinIO struct{ *Server }

// Endpoint is MinIO's own address, the internal one.
func (m *MinIO) Endpoint() string { return "http://" + m.Address() }

// StartMinIO starts MinIO.
func StartMinIO(ctx context.Context, cfg MinIOConfig) (*MinIO, error) {
	paths, err := install(ctx, nil, nameMinIO)
	if err != nil {
		return nil, err
	}
	if err := folder(cfg.Dir); err != nil {
		return nil, err
	}
	port, err := choosePort(ctx, nameMinIO, cfg.Port, cfg.Setting)
	if err != nil {
		return nil, err
	}
	// The folder of certificates is named lest MinIO read the user's own.
	args := []string{"server", filepath.Join(cfg.Dir, "data"), "--address", address(port), "--certs-dir", filepath.Join(cfg.Dir, "certs")}
	env := []string{"MINIO_ROOT_USER=" + cfg.RootUser, "MINIO_ROOT_PASSWORD=" + cfg.RootPassword, "MINIO_UPDATE=off"}
	if cfg.ConsolePort != 0 {
		args = append(args, "--console-address", address(cfg.ConsolePort))
	} else {
		env = append(env, "MINIO_BROWSER=off")
	}
	if cfg.Region != "" {
		env = append(env, "MINIO_REGION_NAME="+cfg.Region)
	}
	m := &MinIO{}
	m.Server = &Server{
		name: nameMinIO, port: port, setting: cfg.Setting,
		probe: func(ctx context.Context) error { return m.knowsItsKeys(ctx, cfg.Region) },
		cmd: command{
			path: paths[0], args: args, env: append(env, cfg.Env...), dir: cfg.Dir,
			stop: syscall.SIGTERM, orphaned: syscall.SIGKILL,
		},
	}
	if err := begin(ctx, m.Server); err != nil {
		return nil, err
	}
	return m, nil
}

// knowsItsKeys asks with a key that does not exist. MinIO is live some time before it has read
// its users, and says "not initialised" until then; only "no such key" shows that it is ready.
func (m *MinIO) knowsItsKeys(ctx context.Context, region string) error {
	if region == "" {
		region = "us-east-1"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.Endpoint()+"/", http.NoBody)
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

// answer sends a request on a connection of its own and returns the body, whatever the status.
func answer(req *http.Request) (string, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
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
