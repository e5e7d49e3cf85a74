package pg_test

import (
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/primecloud/primecloud/pkg/testkit"
)

// backends returns the postmaster and the server's processes of the database: stopping the
// postmaster alone leaves those at work.
func backends(t *testing.T, d testkit.Database) []int {
	t.Helper()
	conn, err := pgx.Connect(testkit.Context(t), d.SuperuserURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(testkit.Context(t))
	rows, err := conn.Query(testkit.Context(t), "select pid from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()", d.Name)
	if err != nil {
		t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		t.Fatal(err)
	}
	return append(pids, d.Cluster.PID())
}

func stop(t *testing.T, pids []int) { signal(t, pids, syscall.SIGSTOP) }
func cont(t *testing.T, pids []int) { signal(t, pids, syscall.SIGCONT) }

func signal(t *testing.T, pids []int, s syscall.Signal) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, s); err != nil {
			t.Errorf("signal %d: %v", pid, err)
		}
	}
}
