package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/pkg/command"
	"github.com/primecloud/primecloud/pkg/config"
)

func TestTheAuditToolSaysHowItIsCalled(t *testing.T) {
	for _, line := range []string{"", "sign", "verify file", "verify-export", "verify-export a b", "verify-export -what a", "verify -keys"} {
		err := auditTool(t.Context(), command.Call{Args: strings.Fields(line)})
		if !errors.Is(err, command.ErrUsage) || !strings.Contains(err.Error(), "verify-export [-anchors DIR]") {
			t.Errorf("%q: %v", line, err)
		}
	}
	err := auditTool(t.Context(), command.Call{Args: []string{"verify"}, Environment: config.Source{}})
	if err == nil || !strings.Contains(err.Error(), "DATABASE_URL") {
		t.Errorf("without a database: %v", err)
	}
}

// The files under testdata were made once: a format that changes would not verify them.
func TestAnExportThatWasKeptVerifiesForEver(t *testing.T) {
	for _, name := range []string{"testdata/export.jsonl", "testdata/export.csv"} {
		var out bytes.Buffer
		call := command.Call{Args: []string{"verify-export", name, "-keys", "testdata/keys.json"}, Out: &out}
		if err := auditTool(t.Context(), call); err != nil || !strings.Contains(out.String(), "are whole") {
			t.Errorf("%s: %v, %s", name, err, out.String())
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		changed := filepath.Join(t.TempDir(), "changed")
		raw[len(raw)/2] ^= 1
		if err := os.WriteFile(changed, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		call.Args[1] = changed
		if err := auditTool(t.Context(), call); err == nil {
			t.Errorf("%s: one changed byte is not noticed", name)
		}
	}
	err := auditTool(t.Context(), command.Call{Args: []string{"verify-export", "testdata/export.csv"}, Out: &bytes.Buffer{}})
	if err == nil || !strings.Contains(err.Error(), "-keys") {
		t.Errorf("without keys: %v", err)
	}
}
