package edge

import (
	"fmt"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/primecloud/primecloud/pkg/access"
)

// plan is what can be known of a method before it is called.
type plan struct {
	// route is the path template.
	route  string
	public bool
	// reads says that the method changes nothing: it takes no precondition and begins no
	// operation.
	reads bool
	// precondition is the field of the request that takes the etag of If-Match; nil when
	// there is none.
	precondition protoreflect.FieldDescriptor
	// mask is the field of the request that names what to change; nil when there is none.
	mask protoreflect.FieldDescriptor
	// body and etag lead from the response to the etag of the resource in it; nil when
	// there is none.
	body, etag protoreflect.FieldDescriptor
	// query holds the parameters that the method takes, by both of their names.
	query map[string]bool
}

// planAll returns the plans of all methods of the services, by full gRPC name.
func planAll(table *access.Table, services []protoreflect.ServiceDescriptor) (map[string]*plan, error) {
	plans := map[string]*plan{}
	for _, service := range services {
		methods := service.Methods()
		for i := range methods.Len() {
			method := methods.Get(i)
			name := fmt.Sprintf("/%s/%s", service.FullName(), method.Name())
			rule, ok := table.Rule(name)
			if !ok {
				return nil, fmt.Errorf("edge: %s declares no access", name)
			}
			plans[name] = planOf(rule, method)
		}
	}
	return plans, nil
}

func planOf(rule *access.Rule, method protoreflect.MethodDescriptor) *plan {
	p := &plan{public: rule.Level == access.Public, reads: rule.Idempotency == access.Read, query: map[string]bool{}}
	if field := method.Input().Fields().ByName("etag"); field != nil && field.Kind() == protoreflect.StringKind {
		p.precondition = field
	}
	if field := method.Input().Fields().ByName("update_mask"); field != nil && field.Message() != nil {
		p.mask = field
	}
	http, _ := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	if body := method.Output().Fields().ByName(protoreflect.Name(http.GetResponseBody())); body != nil && body.Message() != nil {
		if etag := body.Message().Fields().ByName("etag"); etag != nil && etag.Kind() == protoreflect.StringKind {
			p.body, p.etag = body, etag
		}
	}
	if routes := routesOf(http); len(routes) > 0 {
		p.route = routes[0].path
	}
	p.takeQuery(http, method.Input().Fields())
	return p
}

// takeQuery notes the fields that neither the path nor the body gives.
func (p *plan) takeQuery(http *annotations.HttpRule, fields protoreflect.FieldDescriptors) {
	if http.GetBody() == "*" {
		return
	}
	given := map[string]bool{http.GetBody(): true}
	for _, route := range routesOf(http) {
		for _, variable := range route.variables {
			given[variable] = true
		}
	}
	for i := range fields.Len() {
		field := fields.Get(i)
		if !given[string(field.Name())] {
			p.query[string(field.Name())], p.query[field.JSONName()] = true, true
		}
	}
}
