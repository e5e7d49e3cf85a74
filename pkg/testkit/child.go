package testkit

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Child is a function that a test runs in a process of its own, so that it can be killed
// for real. It is given to Main under a name.
type Child struct {
	Name string
	// Run does the work; when it returns the process ends, with an error if there is one.
	// What it prints reaches the test line by line.
	Run func(ctx context.Context) error
}

const childName = "PRIMECLOUD_TESTKIT_CHILD"

// runChild ends the process when it is a child's.
func runChild(children []Child) {
	name := os.Getenv(childName)
	if name == "" {
		return
	}
	// The parent's death closes this pipe, and nothing may outlive a test.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	for _, child := range children {
		if child.Name != name {
			continue
		}
		if err := child.Run(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	fmt.Fprintf(os.Stderr, "testkit: no child is named %q\n", name)
	os.Exit(2)
}

// Process is a child under way.
type Process struct {
	t     testing.TB
	name  string
	cmd   *exec.Cmd
	stdin io.Closer
	lines chan string
	done  chan error
}

// StartChild runs a child of Main in a process of its own. env is "NAME=value". It is
// killed with the test, if it still runs then.
func StartChild(t testing.TB, name string, env ...string) *Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{t: t, name: name, lines: make(chan string, 1024), done: make(chan error, 1)}
	p.cmd = exec.CommandContext(t.Context(), self)
	p.cmd.Env = append(append(os.Environ(), childName+"="+name), env...)
	p.cmd.Stderr = &output{t: t}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start the child %s: %v", name, err)
	}
	go func() {
		scanner := bufio.NewScanner(stdout)
		for scanner.Scan() {
			p.lines <- scanner.Text()
		}
		close(p.lines)
		p.done <- p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.Kill)
	return p
}

// Expect reads lines until one begins with prefix, and returns the rest of that line.
func (p *Process) Expect(prefix string) string {
	p.t.Helper()
	ctx := Context(p.t)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("the child %s ended before it said %q", p.name, prefix)
			}
			if rest, found := strings.CutPrefix(line, prefix); found {
				return strings.TrimSpace(rest)
			}
		case <-ctx.Done():
			p.t.Fatalf("the child %s did not say %q in time", p.name, prefix)
		}
	}
}

// Kill ends the child with SIGKILL and returns when it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	_ = p.Wait()
}

// Wait returns when the child has ended: nil after success, else how it ended.
func (p *Process) Wait() error {
	for range p.lines { // so that it never blocks on a full pipe
	}
	return <-p.done
}
