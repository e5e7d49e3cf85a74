package containers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// images builds every image of the compose files.
func (r *run) images(ctx context.Context, prebuilt bool) error {
	if !prebuilt {
		return r.engine.compose(ctx, "build")
	}
	services, err := r.engine.services(ctx)
	if err != nil {
		return err
	}
	var made []string
	for name, s := range services {
		if slices.Contains(made, s.Image) {
			continue
		}
		if name != "postgres" && s.Build == nil {
			continue // an image of another service's
		}
		if err := r.prebuilt(ctx, name, s); err != nil {
			return fmt.Errorf("image %s: %w", s.Image, err)
		}
		made = append(made, s.Image)
		fmt.Fprintf(r.out, "    %s\n", s.Image)
	}
	return nil
}

// prebuilt makes one image with the same recipe, from what this machine has.
func (r *run) prebuilt(ctx context.Context, name string, s service) (err error) {
	dir, err := os.MkdirTemp("", "primecloud-image-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	out := filepath.Join(dir, "out")
	if err := errors.Join(
		os.MkdirAll(filepath.Join(out, "etc"), 0o755), os.MkdirAll(filepath.Join(dir, "state"), 0o755), open(filepath.Join(out, "tmp")),
	); err != nil {
		return err
	}
	if name == "postgres" {
		if err := r.packPostgres(ctx, out); err != nil {
			return err
		}
		_, err = r.engine.docker(ctx, "build", "--quiet", "--tag", s.Image, "--file", filepath.Join(r.engine.root, "deploy/docker/postgres.Dockerfile"), dir)
		return err
	}
	if module := s.Build.Args["MODULE"]; module != "" {
		err = r.packProgram(ctx, out, module, s.Build.Args["COMMAND"])
	} else {
		err = r.packServer(ctx, out, s.Build.Args["NAME"], s.Build.Args["SERVER"])
	}
	if err != nil {
		return err
	}
	args := []string{"build", "--quiet", "--tag", s.Image, "--file", filepath.Join(r.engine.root, s.Build.Dockerfile), "--build-arg", "BUILDER=prebuilt"}
	for name, value := range s.Build.Args {
		args = append(args, "--build-arg", name+"="+value)
	}
	_, err = r.engine.docker(ctx, append(args, dir)...)
	return err
}

// build builds a program without C, as the recipe does.
func (r *run) build(ctx context.Context, module, command, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-tags", "timetzdata", "-o", to, command)
	cmd.Dir = filepath.Join(r.engine.root, module)
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s of %s: %w\n%s", command, module, err, said)
	}
	return nil
}

func (r *run) packProgram(ctx context.Context, out, module, command string) error {
	const authorities = "etc/ssl/certs/ca-certificates.crt"
	return errors.Join(
		r.build(ctx, module, "./cmd/"+command, filepath.Join(out, "primecloud")),
		copyFile("/"+authorities, filepath.Join(out, authorities)),
	)
}

func (r *run) packServer(ctx context.Context, out, name, server string) error {
	built, err := r.install(ctx, server)
	if err != nil {
		return err
	}
	if err := errors.Join(copyFile(built, filepath.Join(out, "server")), r.build(ctx, "pkg", "./servers/cmd/probe", filepath.Join(out, "probe"))); err != nil {
		return err
	}
	if web := filepath.Join(filepath.Dir(built), "web"); exists(web) {
		if err := os.CopyFS(filepath.Join(out, "web"), os.DirFS(web)); err != nil {
			return err
		}
	}
	if file := filepath.Join(r.engine.root, "deploy/thirdparty", name, "Caddyfile"); exists(file) {
		return copyFile(file, filepath.Join(out, "etc/Caddyfile"))
	}
	return nil
}

// install returns where the installer put a server that needs no libraries.
func (r *run) install(ctx context.Context, server string) (string, error) {
	cmd := exec.CommandContext(ctx, "sh", "deploy/tools/install.sh", server)
	cmd.Dir = r.engine.root
	cmd.Env = append(os.Environ(), "PRIMECLOUD_STATIC=1")
	var said bytes.Buffer
	cmd.Stderr = &said
	path, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("install %s: %w\n%s", server, err, said.String())
	}
	return strings.TrimSpace(string(path)), nil
}

// open makes a folder that anybody may write to, as a tmpfs mounted there will be.
func open(folder string) error {
	return errors.Join(os.MkdirAll(folder, 0o777), os.Chmod(folder, 0o777|os.ModeSticky))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// copyFile copies what the path leads to, with its mode.
func copyFile(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, raw, info.Mode().Perm())
}
