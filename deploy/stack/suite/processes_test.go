package suite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const orphan = "PRIMECLOUD_TEST_ORPHAN"

// TestMain runs the test binary as a suite that is killed, and as one of its processes.
func TestMain(m *testing.M) {
	self, err := os.Executable()
	switch {
	case os.Getenv(orphan) == "":
		os.Exit(m.Run())
	case err != nil:
		fmt.Println(err)
	case os.Getenv(orphan) == "process":
		fmt.Println("process", os.Getpid())
		select {}
	default:
		err := run(new(Suite).command(context.Background(), os.Stdout, map[string]string{orphan: "process"}, self, "serve"))
		fmt.Println("ended", err)
	}
	os.Exit(1)
}

func TestProcesses_end_with_the_suite_when_it_is_killed(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), orphan+"=suite")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = write
	if err := errors.Join(cmd.Start(), write.Close()); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(read)
	line, err := out.ReadString('\n')
	text, found := strings.CutPrefix(strings.TrimSpace(line), "process ")
	pid, failed := strconv.Atoi(text)
	if err != nil || !found || failed != nil {
		t.Fatalf("the process says %q, %v", line, err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// Its end closes what it wrote to.
	if err := read.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := out.ReadString('\n'); !errors.Is(err, io.EOF) {
		t.Errorf("the process goes on without the suite: %v", err)
	}
}
