package jobs_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/primecloud/primecloud/pkg/clock"
	"github.com/primecloud/primecloud/pkg/jobs"
	"github.com/primecloud/primecloud/pkg/pg"
	"github.com/primecloud/primecloud/pkg/testkit"
)

// journal is a log that may be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func TestRunner_reports_the_engine_s_own_news_as_details(t *testing.T) {
	for _, c := range []struct {
		level slog.Level
		says  bool
	}{{slog.LevelInfo, false}, {slog.LevelDebug, true}} {
		t.Run(c.level.String(), func(t *testing.T) {
			var log journal
			logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: c.level}))
			db := testkit.NewDatabase(t, "storage").Open(t, pg.Deps{})
			r, err := jobs.New(db, short, jobs.Deps{Logger: logger, Clock: clock.System()})
			if err != nil {
				t.Fatal(err)
			}
			start(t, r)()
			if said := strings.Contains(log.String(), "River"); said != c.says || strings.Contains(log.String(), "INFO") {
				t.Errorf("the log has %q", log.String())
			}
		})
	}
}
