package rooms_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/deploy/e2e/rooms"
)

func TestEveryImportOfTheWorkspaceIsAllowedByTheTable(t *testing.T) {
	packages := workspace(t)
	if len(packages) < 20 {
		t.Fatalf("only %d packages found: the listing is broken", len(packages))
	}
	for _, wrong := range rooms.Check(packages) {
		t.Error(wrong)
	}
}

func TestAForbiddenImportIsFound(t *testing.T) {
	const service = rooms.Prefix + "services/identity"
	cases := map[string]rooms.Package{
		"a service imports another service": {Path: service, Imports: []string{rooms.Prefix + "services/storage-provisioning"}},
		"pkg imports a service":             {Path: rooms.Prefix + "pkg/pg", Imports: []string{service}},
		"a test of pkg imports a service":   {Path: rooms.Prefix + "pkg/pg", TestImports: []string{service}},
		"the contract imports pkg":          {Path: rooms.Prefix + "proto/openapi", Imports: []string{rooms.Prefix + "pkg/errs"}},
		"a concept imports pgx":             {Path: service + "/internal/account", Imports: []string{"github.com/jackc/pgx/v5"}},
		"a concept imports the contract":    {Path: service + "/internal/account", Imports: []string{rooms.Prefix + "proto/gen/primecloud/identity/v1"}},
		"a concept imports an adapter":      {Path: service + "/internal/account", Imports: []string{service + "/internal/postgres"}},
		"the stack looks behind a door":     {Path: rooms.Prefix + "deploy/stack", Imports: []string{service + "/internal/account"}},
		"a module is not in the table":      {Path: rooms.Prefix + "services/unknown"},
	}
	for name, p := range cases {
		t.Run(name, func(t *testing.T) {
			if len(rooms.Check([]rooms.Package{p})) == 0 {
				t.Errorf("%+v passes", p)
			}
		})
	}
}

// workspace lists every package of every module, as the go command sees it.
func workspace(t *testing.T) []rooms.Package {
	t.Helper()
	dirs, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}/...").Output()
	if err != nil {
		t.Fatalf("list modules: %v", err)
	}
	args := append([]string{"list", "-json=ImportPath,Imports,TestImports,XTestImports"}, strings.Fields(string(dirs))...)
	out, err := exec.CommandContext(t.Context(), "go", args...).Output()
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}
	var packages []rooms.Package
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var listed struct {
			ImportPath                         string
			Imports, TestImports, XTestImports []string
		}
		if err := decoder.Decode(&listed); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatalf("decode the listing: %v", err)
		}
		packages = append(packages, rooms.Package{
			Path:        listed.ImportPath,
			Imports:     listed.Imports,
			TestImports: append(listed.TestImports, listed.XTestImports...),
		})
	}
}
