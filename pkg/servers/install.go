package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// installer is the script that knows the pins; it also marks the repository root.
const installer = "deploy/tools/install.sh"

// Names of everything this package can start, as the install script knows them.
const (
	namePostgres = "postgres"
	nameNATS     = "nats-server"
	nameMinIO    = "minio"
	nameDoor     = "caddy"
	nameDex      = "dex"
	// A client, for tests.
	nameClient = "mc"
)

// Install makes sure that every server is built and unpacked, and writes to progress
// what it is doing when that takes time. The Start functions do the same for their own
// server; calling Install first shows the whole wait at once. Nothing is done twice: when
// all is there it returns in milliseconds.
func Install(ctx context.Context, progress io.Writer) error {
	_, err := install(ctx, progress, namePostgres, nameNATS, nameMinIO, nameDoor, nameDex)
	return err
}

// Client returns the path of mc, MinIO's client, and builds it the first time.
func Client(ctx context.Context) (string, error) {
	paths, err := install(ctx, nil, nameClient)
	if err != nil {
		return "", err
	}
	return paths[0], nil
}

// Root returns the root of the repository that holds the working directory.
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, installer)); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("the third-party servers are built from the repository, and neither %s nor a folder above it holds %s; run this inside a checkout", start, installer)
		}
	}
}

// install returns one path per name.
func install(ctx context.Context, progress io.Writer, names ...string) ([]string, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	if progress == nil {
		progress = io.Discard
	}
	var paths, said bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(root, installer), names...)
	cmd.Stdout = &paths
	cmd.Stderr = io.MultiWriter(&said, progress)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopWithin
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("install %s: %w\n%s\nrun `%s %s` in %s to see it alone", strings.Join(names, ", "),
			errors.Join(err, ctx.Err()), strings.TrimSpace(said.String()), installer, strings.Join(names, " "), root)
	}
	found := strings.Split(strings.TrimSpace(paths.String()), "\n")
	if len(found) != len(names) {
		return nil, fmt.Errorf("install %s: %s printed %d paths: %q", strings.Join(names, ", "), installer, len(found), found)
	}
	return found, nil
}
