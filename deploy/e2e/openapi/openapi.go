// Package openapi makes the one OpenAPI document of the suite out of what
// protoc-gen-openapiv3 writes for each proto file, what the contract's own options say
// beside (who may call, idempotency, rules of shape, error reasons), and base.json, which
// is written by hand: the introduction, how to log in, shared headers, and the gateway's
// own routes.
//
// The generator is of an alpha version, pinned; what it writes is checked in, so a change
// of it shows.
package openapi

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/primecloud/primecloud/pkg/access"
	_ "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"    // its services
	_ "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1" // its services
	_ "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"  // its services
)

//go:embed base.json
var base []byte

// object is a JSON object.
type object = map[string]any

// document is the parts of an OpenAPI document in the order people read them.
type document struct {
	OpenAPI    string   `json:"openapi"`
	Info       object   `json:"info"`
	Servers    []object `json:"servers"`
	Security   []object `json:"security"`
	Tags       []object `json:"tags"`
	Paths      object   `json:"paths"`
	Components object   `json:"components"`
	Reasons    []Domain `json:"x-error-reasons"`
}

// Build returns the document. generated holds what the generator wrote, contract the proto
// files themselves.
func Build(generated, contract fs.FS) ([]byte, error) {
	var d document
	if err := json.Unmarshal(base, &d); err != nil {
		return nil, fmt.Errorf("openapi: base.json: %w", err)
	}
	own := d.Components["schemas"].(object)
	for _, service := range access.Contract() {
		if err := d.add(generated, service); err != nil {
			return nil, fmt.Errorf("openapi: %s: %w", service.FullName(), err)
		}
	}
	for name, schema := range own {
		d.schemas()[name] = schema
	}
	delete(d.schemas(), httpBody) // a file has none
	var err error
	if d.Reasons, err = reasons(contract); err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(d)
	return out.Bytes(), err
}

func (d *document) schemas() object { return d.Components["schemas"].(object) }

// add takes over what the generator wrote for a service, which has a file of its own.
func (d *document) add(generated fs.FS, service protoreflect.ServiceDescriptor) error {
	raw, err := fs.ReadFile(generated, strings.TrimSuffix(service.ParentFile().Path(), ".proto")+".openapi.json")
	if err != nil {
		return err
	}
	var part document
	if err := json.Unmarshal(raw, &part); err != nil {
		return err
	}
	for _, tag := range part.Tags {
		tag["description"] = oneLine(tag["description"].(string))
		d.Tags = append(d.Tags, tag)
	}
	if own, ok := part.Components["schemas"].(object); ok {
		for name, schema := range own {
			constrain(schema.(object), name)
			d.schemas()[name] = schema
		}
	}
	methods := methodsOf(service)
	for _, path := range byLength(part.Paths) {
		at := d.path(path)
		for verb, raw := range part.Paths[path].(object) {
			operation := raw.(object)
			id := operation["operationId"].(string)
			m, ok := methods[id]
			if !ok {
				return fmt.Errorf("%s is no method", id)
			}
			complete(operation, verb, m, renames(path, at))
			d.Paths[at].(object)[verb] = operation
		}
	}
	return nil
}

// byLength returns the paths, short ones first: of two that are one, the one with the
// shorter names is kept.
func byLength(paths object) []string {
	names := slices.Collect(maps.Keys(paths))
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	return names
}

// path returns the key of a path, which is made if it is new. Two paths that differ in the
// names of their parameters alone are one path.
func (d *document) path(path string) string {
	for known := range d.Paths {
		if shape(known) == shape(path) {
			return known
		}
	}
	d.Paths[path] = object{}
	return path
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

func shape(path string) string { return parameter.ReplaceAllString(path, "{}") }

// renames returns how the parameters of a path are called where it is put.
func renames(from, to string) map[string]string {
	names := map[string]string{}
	old, fresh := parameter.FindAllString(from, -1), parameter.FindAllString(to, -1)
	for i := range old {
		names[strings.Trim(old[i], "{}")] = strings.Trim(fresh[i], "{}")
	}
	return names
}

// method is what the contract says of an operation.
type method struct {
	descriptor protoreflect.MethodDescriptor
	rule       *access.Rule
}

func methodsOf(service protoreflect.ServiceDescriptor) map[string]method {
	found := map[string]method{}
	table, err := access.NewTable(service)
	if err != nil {
		return found // its own test says so
	}
	for i := range service.Methods().Len() {
		m := service.Methods().Get(i)
		rule, _ := table.Rule(fmt.Sprintf("/%s/%s", service.FullName(), m.Name()))
		found[string(service.Name())+"_"+string(m.Name())] = method{descriptor: m, rule: rule}
	}
	return found
}

// oneLine joins the lines of a comment.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
