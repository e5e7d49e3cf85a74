package access

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
)

// accountField is the field that names the account of a request.
const accountField protoreflect.Name = "account_id"

// Table holds the rules of a set of services. It never changes once built.
type Table struct {
	rules  map[string]*Rule
	routes map[string]string
}

// Find returns the descriptors of services by their full names, as registered by the
// generated code.
func Find(services ...string) ([]protoreflect.ServiceDescriptor, error) {
	found := make([]protoreflect.ServiceDescriptor, 0, len(services))
	for _, name := range services {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		if err != nil {
			return nil, fmt.Errorf("access: service %s: %w", name, err)
		}
		service, ok := d.(protoreflect.ServiceDescriptor)
		if !ok {
			return nil, fmt.Errorf("access: %s is no service", name)
		}
		found = append(found, service)
	}
	return found, nil
}

// NewTable reads the options of every method of the services. All problems are reported
// at once, each with the method and what to do.
func NewTable(services ...protoreflect.ServiceDescriptor) (*Table, error) {
	t := &Table{rules: map[string]*Rule{}, routes: map[string]string{}}
	var problems []error
	for _, service := range services {
		methods := service.Methods()
		for i := range methods.Len() {
			method := methods.Get(i)
			rule, err := read(method)
			if err != nil {
				problems = append(problems, fmt.Errorf("access: %s: %w", method.FullName(), err))
				continue
			}
			t.rules[rule.Method] = rule
			t.routes[rule.Method] = route(method)
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return t, nil
}

// Rule returns the rule of a method by its full gRPC name.
func (t *Table) Rule(method string) (*Rule, bool) {
	rule, ok := t.rules[method]
	return rule, ok
}

// Rules returns all rules, by method.
func (t *Table) Rules() []*Rule {
	rules := make([]*Rule, 0, len(t.rules))
	for _, rule := range t.rules {
		rules = append(rules, rule)
	}
	sort.Slice(rules, func(i, j int) bool { return rules[i].Method < rules[j].Method })
	return rules
}

// Scopes returns every scope that some method asks for, sorted: the ones an API key may
// be given.
func (t *Table) Scopes() []string {
	seen := map[string]bool{}
	for _, rule := range t.rules {
		if rule.Scope != "" {
			seen[rule.Scope] = true
		}
	}
	scopes := make([]string, 0, len(seen))
	for scope := range seen {
		scopes = append(scopes, scope)
	}
	sort.Strings(scopes)
	return scopes
}

// RoleName returns a role as tokens carry it: ROLE_PLATFORM_ADMIN is "platform_admin".
// The unspecified role is "", which no method lists.
func RoleName(role optionsv1.Role) string {
	if role == optionsv1.Role_ROLE_UNSPECIFIED {
		return ""
	}
	return strings.ToLower(strings.TrimPrefix(role.String(), "ROLE_"))
}

// RoleOf returns the role of a name in a token, or the unspecified one.
func RoleOf(name string) optionsv1.Role {
	return optionsv1.Role(optionsv1.Role_value["ROLE_"+strings.ToUpper(name)])
}

// OnPlatform reports whether a role is one of the platform, and so none in an account.
func OnPlatform(role optionsv1.Role) bool { return role >= optionsv1.Role_ROLE_PLATFORM_ADMIN }

// read returns the rule of a method, or what its options lack.
func read(method protoreflect.MethodDescriptor) (*Rule, error) {
	options := method.Options()
	access, _ := proto.GetExtension(options, optionsv1.E_Access).(*optionsv1.Access)
	if access.GetLevel() == optionsv1.Level_LEVEL_UNSPECIFIED {
		return nil, errors.New("declares no access level; add option (primecloud.options.v1.access)")
	}
	repeated, _ := proto.GetExtension(options, optionsv1.E_Idempotency).(optionsv1.Idempotency)
	if repeated == optionsv1.Idempotency_IDEMPOTENCY_UNSPECIFIED {
		return nil, errors.New("declares no idempotency; add option (primecloud.options.v1.idempotency)")
	}
	rule := &Rule{
		Method:         fmt.Sprintf("/%s/%s", method.Parent().FullName(), method.Name()),
		Level:          Level(access.GetLevel()),
		Scope:          access.GetScope(),
		Services:       access.GetServices(),
		WhileSuspended: access.GetWhileSuspended(),
		MembersOnly:    access.GetMembersOnly(),
		Idempotency:    Idempotency(repeated),
	}
	for _, role := range access.GetRoles() {
		rule.Roles = append(rule.Roles, RoleName(role))
	}
	return rule, errors.Join(checkEnums(rule, access), checkRoles(rule, access), checkCallers(rule), checkAccount(rule, method))
}

// checkEnums refuses values that this build does not know, such as those of a newer contract.
func checkEnums(rule *Rule, access *optionsv1.Access) error {
	if rule.Level.String() == "" || rule.Idempotency.String() == "" {
		return fmt.Errorf("declares level %d or idempotency %d, which this build does not know", rule.Level, rule.Idempotency)
	}
	for _, role := range access.GetRoles() {
		if _, known := optionsv1.Role_name[int32(role)]; !known || role == optionsv1.Role_ROLE_UNSPECIFIED {
			return fmt.Errorf("lists role %d, which is none", role)
		}
	}
	return nil
}

func checkRoles(rule *Rule, access *optionsv1.Access) error {
	needed := rule.Level == Account || rule.Level == Platform
	if needed && len(rule.Roles) == 0 {
		return fmt.Errorf("lists no roles, but level %s needs them", rule.Level)
	}
	if !needed && len(rule.Roles) > 0 {
		return fmt.Errorf("lists roles, which mean nothing at level %s", rule.Level)
	}
	for _, role := range access.GetRoles() {
		if OnPlatform(role) != (rule.Level == Platform) {
			return fmt.Errorf("lists %s, which is no role at level %s", role, rule.Level)
		}
	}
	return nil
}

func checkCallers(rule *Rule) error {
	switch {
	case len(rule.Services) > 0 && rule.Level != Service:
		return fmt.Errorf("lists services, which mean nothing at level %s", rule.Level)
	case rule.Scope != "" && rule.Level != Account && rule.Level != Authenticated:
		return fmt.Errorf("asks for a scope, but no API key gets to level %s", rule.Level)
	case rule.MembersOnly && rule.Level != Account:
		return fmt.Errorf("is for members only, which means nothing at level %s", rule.Level)
	case rule.Idempotency == Key && rule.Level == Public:
		return errors.New("takes an idempotency key, which needs a caller to belong to; a public method has none")
	}
	return nil
}

// checkAccount sees to it that a method for an account says which.
func checkAccount(rule *Rule, method protoreflect.MethodDescriptor) error {
	if rule.Level != Account {
		return nil
	}
	field := method.Input().Fields().ByName(accountField)
	if field == nil || field.Kind() != protoreflect.StringKind || field.IsList() || field.ContainingOneof() != nil {
		return fmt.Errorf("is for an account, but %s has no plain string field account_id", method.Input().FullName())
	}
	return nil
}

// route returns the REST verb and path of a method, or "".
func route(method protoreflect.MethodDescriptor) string {
	rule, _ := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	switch {
	case rule.GetGet() != "":
		return "GET " + rule.GetGet()
	case rule.GetPost() != "":
		return "POST " + rule.GetPost()
	case rule.GetPatch() != "":
		return "PATCH " + rule.GetPatch()
	case rule.GetPut() != "":
		return "PUT " + rule.GetPut()
	case rule.GetDelete() != "":
		return "DELETE " + rule.GetDelete()
	default:
		return ""
	}
}
