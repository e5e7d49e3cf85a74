package credentials_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/pkg/credentials"
)

func TestFile_reads_the_key_anew_each_time(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	key := credentials.File(file)
	if _, err := key(); err == nil || !strings.Contains(err.Error(), "API key") {
		t.Errorf("without the file: %v", err)
	}
	for text, want := range map[string]string{"pck_1\n": "pck_1", "pck_2\r\n": "pck_2"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := key(); err != nil || got != want {
			t.Errorf("read %q, %v", got, err)
		}
	}
}

func TestNew_wants_all_that_it_needs(t *testing.T) {
	if _, err := credentials.New(credentials.Config{Key: credentials.Literal("pck_1")}); err == nil {
		t.Error("made without a connection and a clock")
	}
}
