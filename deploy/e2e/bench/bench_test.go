package bench

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// TestMain is also the sides of a comparison: see start.
func TestMain(m *testing.M) {
	parts := map[string]Part{"suite": Suite, "bare": Bare}
	if len(os.Args) == 2 && parts[os.Args[1]] != nil {
		if err := Serve(context.Background(), parts[os.Args[1]]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// What the suite says of a bucket grows with the contract; a yardstick that says less would
// measure something else, and the benchmark refuses to begin.
func TestTheYardstickAndTheSuiteGiveTheSameAnswers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	b := &bench{config: Config{Only: []string{"none"}}, out: toTest{t}}
	if err := b.shape(ctx, false); err != nil {
		t.Fatal(err)
	}
}

// toTest writes into the output of a test.
type toTest struct{ t *testing.T }

func (l toTest) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}
