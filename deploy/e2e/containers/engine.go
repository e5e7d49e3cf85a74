package containers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// engine calls the container engine in the repository's root with the project's settings.
type engine struct {
	root        string
	environment []string
	log         io.Writer
}

// files are the compose files of the project.
func (e engine) files() []string {
	return []string{
		"compose", "--project-name", project,
		"--file", filepath.Join(e.root, "docker-compose.yml"), "--file", filepath.Join(e.root, "deploy", "docker", "compose.demo.yml"),
	}
}

// docker runs a command and returns what it prints; what it says to standard error is part
// of the error.
func (e engine) docker(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Dir = e.root
	cmd.Env = append(os.Environ(), e.environment...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("docker %s: %w\n%s", strings.Join(args, " "), err, tail(said.String()))
	}
	return out.Bytes(), nil
}

func (e engine) compose(ctx context.Context, args ...string) error {
	_, err := e.docker(ctx, append(e.files(), args...)...)
	return err
}

// tail is the end of a long text.
func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// service is a service of the compose files, as far as it is needed here.
type service struct {
	Image string
	Build *struct {
		Dockerfile string
		Args       map[string]string
	}
}

// services are those of the compose files by name.
func (e engine) services(ctx context.Context) (map[string]service, error) {
	raw, err := e.docker(ctx, append(e.files(), "config", "--format", "json")...)
	if err != nil {
		return nil, err
	}
	var file struct{ Services map[string]service }
	return file.Services, json.Unmarshal(raw, &file)
}

// container is what the engine says of one.
type container struct {
	Service, State, Health string
	ExitCode               int
}

// containers lists those of the project, ended ones too.
func (e engine) containers(ctx context.Context) ([]container, error) {
	raw, err := e.docker(ctx, append(e.files(), "ps", "--all", "--format", "json")...)
	if err != nil {
		return nil, err
	}
	var found []container
	decoder := json.NewDecoder(bytes.NewReader(raw))
	for {
		var c container
		if err := decoder.Decode(&c); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, err
		}
		found = append(found, c)
	}
}

// healthy returns what is wrong with a container, or nothing.
func (c container) healthy() error {
	if c.State == "running" && c.Health == "healthy" {
		return nil
	}
	if c.State == "exited" && c.ExitCode == 0 && c.Health == "" {
		return nil // did its work once
	}
	return fmt.Errorf("%s is %s %s, exit code %d", c.Service, c.State, c.Health, c.ExitCode)
}

// await returns once every container is healthy or has done its work.
func (e engine) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		containers, err := e.containers(ctx)
		if err == nil && len(containers) == 0 {
			err = errors.New("the project has no containers")
		}
		for _, c := range containers {
			err = errors.Join(err, c.healthy())
		}
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// logs shows the end of what each container says.
func (e engine) logs(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if states, err := e.docker(ctx, append(e.files(), "ps", "--all")...); err == nil {
		fmt.Fprintf(e.log, "\n%s", states)
	}
	if text, err := e.docker(ctx, append(e.files(), "logs", "--no-color", "--tail", "15")...); err == nil {
		fmt.Fprintf(e.log, "\n%s\n", text)
	}
}
