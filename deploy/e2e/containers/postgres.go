package containers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// packPostgres puts together PostgreSQL from the package that the local stack runs, the
// libraries of this machine that it needs, and a shell for its scripts.
func (r *run) packPostgres(ctx context.Context, out string) error {
	home, err := r.install(ctx, "postgres")
	if err != nil {
		return err
	}
	shell, err := exec.LookPath("busybox")
	if err != nil {
		return errors.New("the image of PostgreSQL needs a shell: install busybox-static")
	}
	const prefix = "usr/local/pgsql"
	for _, folder := range []string{"bin", "lib", "share"} {
		if err := copyTree(filepath.Join(home, folder), filepath.Join(out, prefix, folder)); err != nil {
			return err
		}
	}
	if err := r.packShell(out, shell); err != nil {
		return err
	}
	scripts := filepath.Join(r.engine.root, "deploy/docker/postgres")
	if err := errors.Join(
		copyFile(filepath.Join(scripts, "docker-entrypoint.sh"), filepath.Join(out, "bin/docker-entrypoint.sh")),
		copyFile(filepath.Join(scripts, "pg_isready"), filepath.Join(out, "bin/pg_isready")),
		open(filepath.Join(out, "var/run/postgresql")),
		// initdb asks for the name of its user.
		os.WriteFile(filepath.Join(out, "etc/passwd"), []byte("postgres:x:999:999::/var/lib/postgresql:/bin/sh\n"), 0o644),
		os.WriteFile(filepath.Join(out, "etc/group"), []byte("postgres:x:999:\n"), 0o644),
	); err != nil {
		return err
	}
	for _, program := range []string{shell, filepath.Join(home, "bin/postgres"), filepath.Join(home, "bin/initdb")} {
		if err := packLibraries(ctx, out, program, filepath.Join(home, "lib")); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) packShell(out, shell string) error {
	if err := copyFile(shell, filepath.Join(out, "bin/busybox")); err != nil {
		return err
	}
	for _, name := range []string{"sh", "mkdir", "mv", "rm", "nc", "head", "cat"} {
		if err := os.Symlink("busybox", filepath.Join(out, "bin", name)); err != nil {
			return err
		}
	}
	return nil
}

// packLibraries copies the shared libraries of a program that do not come with it.
func packLibraries(ctx context.Context, out, program, own string) error {
	cmd := exec.CommandContext(ctx, "ldd", program)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+own)
	said, err := cmd.CombinedOutput()
	if strings.Contains(string(said), "not a dynamic executable") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ldd %s: %w\n%s", program, err, said)
	}
	for _, line := range strings.Split(string(said), "\n") {
		for _, field := range strings.Fields(line) {
			if !strings.HasPrefix(field, "/") || strings.HasPrefix(field, own) {
				continue
			}
			if err := copyFile(field, filepath.Join(out, field)); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyTree copies a folder; a symbolic link becomes what it leads to.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, ".a") {
			return err
		}
		inside, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return copyFile(path, filepath.Join(to, inside))
	})
}
