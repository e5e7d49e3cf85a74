package faults_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// sparedAtMost is one in how many calls may make other requests than the one that was recorded: two
// that run side by side come in either order, and a replica that was just started may look at
// something of its own accord.
const sparedAtMost = 10

// toldOf returns the words with which callers were answered, per call and trouble.
func toldOf(trials []*trial) map[[2]string][]string {
	words := map[[2]string][]string{}
	for _, c := range trials {
		if c.spared {
			continue
		}
		place := [2]string{c.call.Operation, c.trouble.name}
		if !slices.Contains(words[place], c.told) {
			words[place] = append(words[place], c.told)
			slices.Sort(words[place])
		}
	}
	return words
}

// writeMatrix writes the document.
func writeMatrix(t *testing.T, trials []*trial) {
	t.Helper()
	words := toldOf(trials)
	var text strings.Builder
	text.WriteString(head)
	text.WriteString("\n| trouble | what is done to MinIO |\n|---|---|\n")
	for _, tr := range troubles {
		fmt.Fprintf(&text, "| %s | %s |\n", tr.name, tr.means)
	}
	text.WriteString("\n| call |")
	for _, tr := range troubles {
		fmt.Fprintf(&text, " %s |", tr.name)
	}
	text.WriteString("\n|---|" + strings.Repeat("---|", len(troubles)) + "\n")
	for _, deed := range deeds {
		fmt.Fprintf(&text, "| %s |", deed)
		for _, tr := range troubles {
			fmt.Fprintf(&text, " %s |", strings.Join(words[[2]string{deed, tr.name}], " or "))
		}
		text.WriteString("\n")
	}
	if err := os.WriteFile(document, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// holdAgainstDocument fails where a caller was told something that the document does not say.
// Where that is a matter of time, it says what was seen on a quiet machine, and is not held.
func holdAgainstDocument(t *testing.T, trials []*trial) {
	t.Helper()
	raw, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	promised := map[[2]string][]string{}
	var columns []string
	for line := range strings.Lines(string(raw)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[0] == "call" {
			columns = cells
		}
		if slices.Contains(deeds, cells[0]) && len(cells) == len(columns) {
			for i := 1; i < len(cells); i++ {
				promised[[2]string{cells[0], columns[i]}] = strings.Split(cells[i], " or ")
			}
		}
	}
	spared := 0
	for _, c := range trials {
		if c.spared {
			spared++
			continue
		}
		known, ok := promised[[2]string{c.call.Operation, c.trouble.name}]
		if !ok || !c.trouble.timed && !slices.Contains(known, c.told) {
			complain(t, "%s: told %s, and the document says %q; is it still right? %s=update writes it anew", c.name(), c.told, known, extent)
		}
	}
	if spared > len(trials)/sparedAtMost {
		complain(t, "%d of %d calls never made the request at which their trouble begins", spared, len(trials))
	}
}

const head = `# What callers are told while MinIO is in trouble

Written by ` + "`PRIMECLOUD_FAULTS=update go test -run MinIO_in_trouble ./internal/faults`" + ` and held against by every run of that test, which
also prints each cell: call, trouble, and the request at which it begins. Here the requests of a call are one: each word is
an answer that a caller got at one of them at least.

"done" is success, "refused" an error. Whatever the word, in every cell the test then compares PostgreSQL with MinIO, with
two replicas reconciling: after "done" all is as asked, after "refused" as it was before, and the same call under its
idempotency key then makes it so, sent at once in one half of the cells and after all was at rest in the other. "unknown"
(OUTCOME_UNKNOWN) stands nowhere: it takes PostgreSQL to fail too. Where a caller may be told one or the other, that is a matter
of time: a call has ` + "`PRIMECLOUD_STORAGE_ATTEMPT`" + ` (here four seconds) or its own deadline. A call that never made the request at
which its trouble begins, since two that run side by side come in either order, is not among the words; one in ten may be such.
`
