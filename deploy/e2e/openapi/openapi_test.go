package openapi_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/deploy/e2e/openapi"
	"github.com/primecloud/primecloud/pkg/access"
	document "github.com/primecloud/primecloud/proto/openapi"
)

type doc struct {
	OpenAPI string                                `json:"openapi"`
	Paths   map[string]map[string]json.RawMessage `json:"paths"`
	Reasons []openapi.Domain                      `json:"x-error-reasons"`
}

type operation struct {
	OperationID string                     `json:"operationId"`
	Summary     string                     `json:"summary"`
	Responses   map[string]json.RawMessage `json:"responses"`
}

func load(t *testing.T) (doc, map[string]any) {
	t.Helper()
	var d doc
	var all map[string]any
	for _, to := range []any{&d, &all} {
		if err := json.Unmarshal(document.JSON, to); err != nil {
			t.Fatal(err)
		}
	}
	return d, all
}

func TestThe_document_has_every_route_of_the_contract_once(t *testing.T) {
	d, _ := load(t)
	found := map[string]string{}
	shapes := map[string]string{}
	for path, item := range d.Paths {
		shape := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(path, "{}")
		if other, twice := shapes[shape]; twice {
			t.Errorf("%s and %s are one path", path, other)
		}
		shapes[shape] = path
		for verb, raw := range item {
			var o operation
			if err := json.Unmarshal(raw, &o); err != nil {
				t.Fatal(err)
			}
			if other, twice := found[o.OperationID]; twice {
				t.Errorf("%s %s is called as %s", verb, path, other)
			}
			found[o.OperationID] = verb + " " + path
			if o.Summary == "" {
				t.Errorf("%s %s has no summary", verb, path)
			}
			if strings.HasPrefix(path, "/v1/") && !strings.Contains(string(o.Responses["default"]), "components/responses/Error") {
				t.Errorf("%s %s does not say how it fails", verb, path)
			}
		}
	}
	for _, service := range access.Contract() {
		for j := range service.Methods().Len() {
			m := service.Methods().Get(j)
			http, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
			id := fmt.Sprintf("%s_%s", service.Name(), m.Name())
			if _, has := found[id]; has != (http != nil) {
				t.Errorf("%s: in the document %v, with a route %v", id, has, http != nil)
			}
		}
	}
}

func TestEvery_reference_in_the_document_leads_somewhere(t *testing.T) {
	_, all := load(t)
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				var at any = all
				for key := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
					at = at.(map[string]any)[key]
				}
				if at == nil {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, item := range v {
				walk(item)
			}
		}
	}
	walk(all)
}

func TestEvery_reason_says_what_it_means(t *testing.T) {
	d, _ := load(t)
	if len(d.Reasons) < 3 {
		t.Fatalf("reasons of %d domains", len(d.Reasons))
	}
	for _, domain := range d.Reasons {
		for _, reason := range domain.Reasons {
			if reason.Reason == "" || !strings.HasSuffix(reason.Meaning, ".") {
				t.Errorf("%s %+v", domain.Domain, reason)
			}
		}
	}
}
