package provider_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/pkg/provider"
)

func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRead_returns_the_providers_of_the_file(t *testing.T) {
	if none, err := provider.Read("", "https://login.example.com"); err != nil || len(none) != 0 {
		t.Errorf("without a file: %v, %v", none, err)
	}
	secret := written(t, "s3cret\n")
	list, err := provider.Read(written(t, `[{"id": "other", "display_name": "Other", "issuer": "https://other.example.com", "client_id": "us",
		"client_secret_file": "`+secret+`"}]`), "https://login.example.com")
	if err != nil || len(list) != 1 || !slices.Equal(list[0].Scopes, []string{"openid", "profile", "email"}) {
		t.Fatalf("read %+v, %v", list, err)
	}
	if got, err := list[0].Secret(); err != nil || got.Reveal() != "s3cret" {
		t.Errorf("the secret: %v", err)
	}
}

func TestRead_refuses_what_would_not_work(t *testing.T) {
	const good = `{"id": "a", "display_name": "A", "issuer": "https://a.example.com", "client_id": "us"}`
	for name, text := range map[string]string{
		"no JSON":              "nonsense",
		"an unknown field":     strings.Replace(`[`+good+`]`, "client_id", "client", 1),
		"a bad id":             strings.Replace(`[`+good+`]`, `"a"`, `"A b"`, 1),
		"the id of the first":  strings.Replace(`[`+good+`]`, `"a"`, `"default"`, 1),
		"no name":              strings.Replace(`[`+good+`]`, `"A"`, `" "`, 1),
		"no client":            strings.Replace(`[`+good+`]`, `"us"`, `""`, 1),
		"no URL":               strings.Replace(`[`+good+`]`, "https://a.example.com", "a.example.com", 1),
		"the issuer there is":  strings.Replace(`[`+good+`]`, "https://a.example.com", "https://login.example.com", 1),
		"twice the same":       `[` + good + `, ` + good + `]`,
		"an internal path":     strings.Replace(`[`+good+`]`, `"client_id"`, `"internal_url": "http://a/b", "client_id"`, 1),
		"an internal non-URL ": strings.Replace(`[`+good+`]`, `"client_id"`, `"internal_url": "a", "client_id"`, 1),
	} {
		if list, err := provider.Read(written(t, text), "https://login.example.com"); err == nil {
			t.Errorf("%s is read as %+v", name, list)
		}
	}
	if _, err := provider.Read(filepath.Join(t.TempDir(), "none"), ""); err == nil {
		t.Error("a file that is not there is read")
	}
	if _, err := (&provider.Provider{SecretFile: filepath.Join(t.TempDir(), "none")}).Secret(); err == nil {
		t.Error("a secret that is not there is read")
	}
}
