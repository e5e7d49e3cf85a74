package gateway_test

import (
	"regexp"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/pkg/access"
)

// verbOf returns the HTTP method and path of a rule.
func verbOf(rule *annotations.HttpRule) (method, path string) {
	for verb, route := range map[string]string{
		"GET": rule.GetGet(), "POST": rule.GetPost(), "PUT": rule.GetPut(), "PATCH": rule.GetPatch(), "DELETE": rule.GetDelete(),
	} {
		if route != "" {
			return verb, route
		}
	}
	return "", ""
}

// Whether the services know the methods does not matter here: most of them are not behind
// this gateway, and say so.
func TestEvery_route_of_the_contract_is_offered(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	variable := regexp.MustCompile(`\{[^}]*\}`)
	count := 0
	for _, service := range access.Contract() {
		methods := service.Methods()
		for j := range methods.Len() {
			rule, _ := proto.GetExtension(methods.Get(j).Options(), annotations.E_Http).(*annotations.HttpRule)
			verb, path := verbOf(rule)
			if path == "" || methods.Get(j).IsStreamingServer() {
				continue
			}
			count++
			var body any
			if rule.GetBody() != "" {
				body = "{}"
			}
			a := c.do(verb, variable.ReplaceAllString(path, "x"), body)
			// The first is no route at all, the second one that is only half registered.
			if strings.Contains(a.body, `"ROUTE_NOT_FOUND"`) || strings.Contains(a.body, `"INTERNAL"`) {
				t.Errorf("%s %s of %s gave HTTP %d: %s", verb, path, methods.Get(j).FullName(), a.status, a.body)
			}
		}
	}
	if count < 30 {
		t.Errorf("only %d routes were found", count)
	}
}
