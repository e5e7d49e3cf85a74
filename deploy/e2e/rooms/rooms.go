// Package rooms holds the workspace against the table of who may import what: the walls
// between modules, and between the rooms of a service. The compiler keeps other modules
// out of internal/; this package keeps the rest.
package rooms

import (
	"fmt"
	"path"
	"strings"
)

// Prefix is what every import path of ours begins with.
const Prefix = "github.com/primecloud/primecloud/"

// Package is one Go package of the workspace with what it imports, tests included.
type Package struct {
	// Path is the import path.
	Path string
	// Imports are the import paths of its code.
	Imports []string
	// TestImports are the import paths of its tests.
	TestImports []string
}

// modules says which modules a module may import besides itself.
var modules = map[string][]string{
	"proto":                         {},
	"pkg":                           {"proto"},
	"gateway":                       {"pkg", "proto"},
	"services/identity":             {"pkg", "proto"},
	"services/storage-provisioning": {"pkg", "proto"},
	"deploy/stack":                  {"pkg", "proto", "gateway", "services/identity", "services/storage-provisioning"},
	"deploy/e2e":                    {"pkg", "proto", "gateway", "services/identity", "services/storage-provisioning", "deploy/stack"},
}

// adapters are the rooms of a service that may know a protocol; every other room under
// internal/ is a concept.
var adapters = map[string]bool{
	"postgres": true, "minio": true, "sftpgo": true, "smtp": true, "oidc": true, "grpcapi": true, "events": true,
}

// forbidden is what a concept must not import, with the way out.
var forbidden = map[string]string{
	"github.com/jackc/pgx":               "state a port and implement it in internal/postgres",
	"google.golang.org/grpc":             "return pkg/errs and convert in internal/grpcapi",
	"google.golang.org/protobuf":         "convert in internal/grpcapi or internal/events",
	"github.com/nats-io":                 "publish through the outbox",
	"go.opentelemetry.io":                "decorate the port with port.Around",
	"github.com/minio":                   "state a port and implement it in internal/minio",
	"github.com/riverqueue":              "ask for a wake-up through the unit of work",
	Prefix + "proto":                     "convert in internal/grpcapi or internal/events",
	Prefix + "pkg/pg":                    "state a port and implement it in internal/postgres",
	Prefix + "pkg/rpc":                   "return pkg/errs and convert in internal/grpcapi",
	Prefix + "pkg/bus":                   "publish through the outbox",
	Prefix + "pkg/outbox":                "publish through the unit of work",
	Prefix + "pkg/jobs":                  "ask for a wake-up through the unit of work",
	Prefix + "pkg/observe":               "decorate the port with port.Around",
	Prefix + "pkg/operation/pgoperation": "state a port and implement it in internal/postgres",
	Prefix + "pkg/reconcile/pgreconcile": "state a port and implement it in internal/postgres",
}

// Check returns every import that the table does not allow, each with what to do.
func Check(packages []Package) []string {
	var wrong []string
	for _, p := range packages {
		wrong = append(wrong, checkModule(p)...)
		wrong = append(wrong, checkRoom(p)...)
	}
	return wrong
}

func checkModule(p Package) []string {
	from := moduleOf(p.Path)
	allowed, known := modules[from]
	if !known {
		return []string{fmt.Sprintf("%s lies in no module of the table; add the module to deploy/e2e/rooms", p.Path)}
	}
	var wrong []string
	for _, imported := range append(append([]string{}, p.Imports...), p.TestImports...) {
		to := moduleOf(imported)
		if to == "" || to == from || contains(allowed, to) {
			if strings.HasPrefix(from, "deploy/") && strings.HasPrefix(to, "services/") && imported != Prefix+to {
				wrong = append(wrong, fmt.Sprintf("%s imports %s: of a service only its door %s%s may be imported", p.Path, imported, Prefix, to))
			}
			continue
		}
		wrong = append(wrong, fmt.Sprintf("%s imports %s: %s may import %v", p.Path, imported, from, allowed))
	}
	return wrong
}

func checkRoom(p Package) []string {
	service, room, ok := strings.Cut(strings.TrimPrefix(p.Path, Prefix), "/internal/")
	if !ok || !strings.HasPrefix(service, "services/") || adapters[strings.Split(room, "/")[0]] {
		return nil
	}
	var wrong []string
	for _, imported := range p.Imports {
		for prefix, remedy := range forbidden {
			if imported == prefix || strings.HasPrefix(imported, prefix+"/") {
				wrong = append(wrong, fmt.Sprintf("the concept %s imports %s: %s", p.Path, imported, remedy))
			}
		}
		if _, other, is := strings.Cut(imported, service+"/internal/"); is && adapters[strings.Split(other, "/")[0]] {
			wrong = append(wrong, fmt.Sprintf("the concept %s imports the adapter %s: data flows the other way", p.Path, path.Base(imported)))
		}
	}
	return wrong
}

// moduleOf returns the module, as a folder, that an import path of ours lies in, or "".
func moduleOf(importPath string) string {
	rest, ours := strings.CutPrefix(importPath, Prefix)
	if !ours {
		return ""
	}
	best := ""
	for module := range modules {
		if (rest == module || strings.HasPrefix(rest, module+"/")) && len(module) > len(best) {
			best = module
		}
	}
	if best == "" {
		return strings.Split(rest, "/")[0]
	}
	return best
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
