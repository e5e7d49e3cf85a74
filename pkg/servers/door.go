package servers

import (
	"context"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/primecloud/primecloud/pkg/servers/readiness"
)

// doorConfig is the one configuration of the door, for every way of running the suite.
const doorConfig = "deploy/thirdparty/caddy/Caddyfile"

// DoorConfig says how to run the door before MinIO.
type DoorConfig struct {
	// Dir holds the log.
	Dir string
	// Port is where to listen on 127.0.0.1; 0 takes a free one. Setting is named when it is taken.
	Port    int
	Setting string
	// Upstream is host:port of MinIO.
	Upstream string
	// Certificate and CertificateKey are PEM files; with them the door speaks https.
	Certificate, CertificateKey string
	// Env adds settings of the Caddyfile, such as "PRIMECLOUD_DOOR_KEY_RATE=0".
	Env []string
}

// Door is the running reverse proxy before MinIO: the public address of the storage.
type Door struct {
	*Server
	scheme string
}

// Endpoint is the public address, the one to sign for.
func (d *Door) Endpoint() string { return d.scheme + "://" + d.Address() }

// Reload lets the door read its configuration and certificate again. It returns at once.
func (d *Door) Reload() error {
	return d.with(func(p *process) error { return p.signal(syscall.SIGUSR1) })
}

// StartDoor starts the door. It is ready when it answers itself: whether MinIO does is MinIO's matter.
func StartDoor(ctx context.Context, cfg DoorConfig) (*Door, error) {
	paths, err := install(ctx, nil, nameDoor)
	if err != nil {
		return nil, err
	}
	root, err := Root()
	if err != nil {
		return nil, err
	}
	if err := folder(cfg.Dir); err != nil {
		return nil, err
	}
	port, err := choosePort(ctx, nameDoor, cfg.Port, cfg.Setting)
	if err != nil {
		return nil, err
	}
	d := &Door{scheme: "http"}
	env := []string{
		"PRIMECLOUD_DOOR_UPSTREAM=" + cfg.Upstream,
		"PRIMECLOUD_DOOR_PORT=" + strconv.Itoa(port),
		"PRIMECLOUD_DOOR_BIND=" + loopback,
	}
	if cfg.Certificate != "" {
		d.scheme = "https"
		env = append(env, "PRIMECLOUD_DOOR_TLS_CERT="+cfg.Certificate, "PRIMECLOUD_DOOR_TLS_KEY="+cfg.CertificateKey)
	}
	env = append(env, "PRIMECLOUD_DOOR_SCHEME="+d.scheme)
	d.Server = &Server{
		name: nameDoor, port: port, setting: cfg.Setting, probe: func(ctx context.Context) error { return readiness.Door(ctx, d.Endpoint()) },
		cmd: command{
			path: paths[0], dir: cfg.Dir, stop: syscall.SIGTERM, orphaned: syscall.SIGKILL,
			args: []string{"run", "--config", filepath.Join(root, doorConfig), "--adapter", "caddyfile"},
			env:  append(env, cfg.Env...),
		},
	}
	if err := begin(ctx, d.Server); err != nil {
		return nil, err
	}
	return d, nil
}
