package servers

import (
	"context"
	"path/filepath"
	"syscall"

	"github.com/primecloud/primecloud/pkg/servers/readiness"
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
	// Domain is the host name below which buckets have names of their own, as in
	// bucket.s3.localhost; empty allows them in the path alone.
	Domain string
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
	if cfg.Domain != "" {
		env = append(env, "MINIO_DOMAIN="+cfg.Domain)
	}
	m := &MinIO{}
	m.Server = &Server{
		name: nameMinIO, port: port, setting: cfg.Setting,
		probe: func(ctx context.Context) error { return readiness.MinIO(ctx, m.Address(), cfg.Region) },
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
