package rpc

import (
	"errors"
	"fmt"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/primecloud/primecloud/pkg/access"
)

// method is what the chain knows of one method before the first call, so that a call looks
// it up once and reflects on nothing.
type method struct {
	name string
	rule *access.Rule
	// validate is set when the request has rules of shape.
	validate bool
	// own is set for health and reflection: no deadline, no log line, open to all.
	own       bool
	telemetry methodTelemetry
}

// methods are all methods of a server.
type methods struct {
	byName    map[string]*method
	table     *access.Table
	validator protovalidate.Validator
	// other stands for methods that the server does not have.
	other *method
}

// ownServices are served by this package itself.
var ownServices = map[string]bool{
	"grpc.health.v1.Health":                    true,
	"grpc.reflection.v1.ServerReflection":      true,
	"grpc.reflection.v1alpha.ServerReflection": true,
}

// build reads the contract of every registered service.
func (s *Server) build() (*methods, error) {
	s.mu.Lock()
	registered := s.services
	s.mu.Unlock()
	names := make([]string, 0, len(registered))
	for _, r := range registered {
		names = append(names, r.desc.ServiceName)
	}
	descriptors, err := access.Find(names...)
	if err != nil {
		return nil, err
	}
	table, err := access.NewTable(descriptors...)
	if err != nil {
		return nil, err
	}
	m := &methods{byName: map[string]*method{}, table: table}
	m.other = &method{name: "unknown", own: true, telemetry: s.telemetry.method("unknown")}
	for service, info := range s.grpc.GetServiceInfo() {
		for _, served := range info.Methods {
			name := "/" + service + "/" + served.Name
			rule, found := table.Rule(name)
			if !found && !ownServices[service] {
				return nil, fmt.Errorf("rpc: %s is served but not in the contract that this build knows", name)
			}
			m.byName[name] = &method{name: name, rule: rule, own: !found, telemetry: s.telemetry.method(name)}
		}
	}
	return m, m.warm(descriptors)
}

// warm makes the validator with the rules of every request compiled.
func (m *methods) warm(services []protoreflect.ServiceDescriptor) error {
	var inputs []protoreflect.MessageDescriptor
	for _, service := range services {
		for i := range service.Methods().Len() {
			d := service.Methods().Get(i)
			served, found := m.byName[fmt.Sprintf("/%s/%s", service.FullName(), d.Name())]
			if !found || !hasRules(d.Input(), map[protoreflect.FullName]bool{}) {
				continue
			}
			inputs = append(inputs, d.Input())
			served.validate = true
		}
	}
	validator, err := protovalidate.New(protovalidate.WithMessageDescriptors(inputs...), protovalidate.WithDisableLazy())
	if err != nil {
		return fmt.Errorf("rpc: %w", err)
	}
	m.validator = validator
	// A rule that does not compile shows itself only when it is asked: ask now.
	for _, input := range inputs {
		var broken *protovalidate.CompilationError
		if err := validator.Validate(emptyOf(input)); errors.As(err, &broken) {
			return fmt.Errorf("rpc: the rules of %s: %w", input.FullName(), err)
		}
	}
	return nil
}

// hasRules reports whether a message, or one within it, has rules of shape.
func hasRules(d protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) bool {
	if seen[d.FullName()] {
		return false
	}
	seen[d.FullName()] = true
	if proto.HasExtension(d.Options(), validate.E_Message) {
		return true
	}
	for i := range d.Oneofs().Len() {
		if proto.HasExtension(d.Oneofs().Get(i).Options(), validate.E_Oneof) {
			return true
		}
	}
	for i := range d.Fields().Len() {
		field := d.Fields().Get(i)
		if proto.HasExtension(field.Options(), validate.E_Field) {
			return true
		}
		if inner := field.Message(); inner != nil && hasRules(inner, seen) {
			return true
		}
	}
	return false
}
