package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Report is what a run came to.
type Report struct {
	config    Config
	outcomes  []outcome
	creations []creation
	reaches   []revocations
	trails    []trail
}

// The marks between which the figures stand; what is around them is written by people.
const (
	begins = "<!-- figures -->\n"
	ends   = "<!-- /figures -->\n"
)

// Write puts the report into the page in place of the one before.
func (r *Report) Write(file, command string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, begun := bytes.Cut(page, []byte(begins))
	_, after, ended := bytes.Cut(rest, []byte(ends))
	if !begun || !ended {
		return errors.New(file + " has no place for the figures: " + strings.TrimSpace(begins+ends))
	}
	text := string(before) + begins + r.markdown(command) + ends + string(after)
	return os.WriteFile(file, []byte(text), 0o644) //nolint:gosec // a public page
}

// markdown is the figures with the circumstances.
func (r *Report) markdown(command string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s with `%s`, %s.\n\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"), command, machine())
	fmt.Fprintf(&b, "%d rounds in alternating order, %s for each side after a warm-up, %d connections. Rates are requests per second,\n"+
		"medians of the rounds; a ratio is the median of the rounds' ratios, with the least and the greatest. Processor is the time that\n"+
		"all of it together takes per request: client, suite or yardstick, PostgreSQL and the rest. Others is how much of the machine\n"+
		"other processes took meanwhile: rounds are repeated, up to %d times as many, until enough of them had others below %s; the\n"+
		"quietest count.\n\n", r.config.Rounds, r.config.For, r.config.Callers, patience, percent(quiet))
	b.WriteString("| work | suite | yardstick | ratio | spread | wanted | met | processor, suite | yardstick | ratio | others |\n" +
		"|---|---:|---:|---:|---:|---:|---|---:|---:|---:|---:|\n")
	for _, o := range r.outcomes {
		wanted, met := "", ""
		if o.target > 0 {
			wanted, met = percent(o.target), yes(o.met())
		}
		fmt.Fprintf(&b, "| %s | %.0f/s | %.0f/s | %s | %s to %s | %s | %s | %.0f µs | %.0f µs | %s | %s |\n", o.title,
			o.ours.rate.median(), o.theirs.rate.median(), percent(o.ratios.median()), percent(o.ratios.min()), percent(o.ratios.max()), wanted, met,
			o.ours.cost.median(), o.theirs.cost.median(), percent(o.costs.median()), percent(o.others))
	}
	for _, c := range r.creations {
		fmt.Fprintf(&b, "\n| one after the other, %d per round; others took %s | median | spread of the rounds |\n|---|---:|---:|\n", r.config.Creates, percent(c.others))
		fmt.Fprintf(&b, "| create a bucket over REST | %.1f ms | %.1f to %.1f ms |\n", c.ours.median(), c.ours.min(), c.ours.max())
		fmt.Fprintf(&b, "| the bare calls: %s | %.1f ms | %.1f to %.1f ms |\n", c.calls, c.theirs.median(), c.theirs.min(), c.theirs.max())
		fmt.Fprintf(&b, "| wanted: at most %.1f times these plus %.0f ms | %.1f ms | met: %s |\n", wantTimes, wantPlus.Seconds()*1000, c.bound(), yes(c.met()))
	}
	if len(r.trails) > 0 {
		b.WriteString("\n| one process: audit entries from a call into their chain | per second | the last one chained | wanted | met |\n|---|---:|---:|---:|---|\n")
	}
	for _, t := range r.trails {
		wanted, met := "", ""
		if t.wanted() {
			wanted, met = fmt.Sprintf("%d/s", wantEntries), yes(t.met())
		}
		fmt.Fprintf(&b, "| over %s: %d in %.0f s, none lost; `identity audit verify`: %s | %.0f/s | %.0f ms after the last call | %s | %s |\n",
			t.way, t.entries, t.took.Seconds(), t.said, t.rate(), t.lag.Seconds()*1000, wanted, met)
	}
	for _, reached := range r.reaches {
		fmt.Fprintf(&b, "\n| separate processes: a revoked key's token is refused by another process, %d times | median | 99th percentile | longest | wanted | met |\n"+
			"|---|---:|---:|---:|---:|---|\n", len(reached.took))
		fmt.Fprintf(&b, "| from before the revocation is asked for | %.1f ms | %.1f ms | %.1f ms | below %d ms | %s |\n",
			reached.took.median(), reached.percentile(0.99), reached.took.max(), wantReach.Milliseconds(), yes(reached.met()))
	}
	b.WriteString("\n")
	return b.String()
}

func percent(ratio float64) string { return fmt.Sprintf("%.0f %%", 100*ratio) }

func yes(met bool) string {
	if met {
		return "yes"
	}
	return "**no**"
}

// machine describes where this runs.
func machine() string {
	model, memory := "unknown processor", "unknown memory"
	for _, line := range lines("/proc/cpuinfo") {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	for _, line := range lines("/proc/meminfo") {
		var kilobytes int
		if n, _ := fmt.Sscanf(line, "MemTotal: %d kB", &kilobytes); n == 1 {
			memory = fmt.Sprintf("%d GiB", (kilobytes+1<<19)>>20)
		}
	}
	return fmt.Sprintf("on %d cores of %s, %s, %s/%s, %s", runtime.NumCPU(), model, memory, runtime.GOOS, runtime.GOARCH, runtime.Version())
}

func lines(file string) []string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return strings.Split(string(raw), "\n")
}
