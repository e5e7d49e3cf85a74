package servers_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/servers"
)

const orphanDir = "PRIMECLOUD_TEST_ORPHAN_DIR"

// TestMain runs the test binary as a parent that starts servers and is then killed.
func TestMain(m *testing.M) {
	dir := os.Getenv(orphanDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	ctx := context.Background()
	n, natsErr := servers.StartNATS(ctx, servers.NATSConfig{Dir: dir + "/nats"})
	p, postgresErr := servers.StartPostgres(ctx, servers.PostgresConfig{Dir: dir + "/postgres", Volatile: true})
	if err := errors.Join(natsErr, postgresErr); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready", n.Address(), p.Address())
	select {}
}

func TestServers_end_when_the_process_that_started_them_is_killed(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), orphanDir+"="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "ready ") {
		t.Fatalf("the parent says %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for _, address := range strings.Fields(line)[1:] {
		for {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				break
			}
			_ = conn.Close()
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("%s still answers 10 s after its parent was killed", address)
			}
		}
	}
}
