package access_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/primecloud/primecloud/pkg/access"
	_ "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"    // its services
	_ "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1" // its services
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
	_ "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1" // its services
)

// service returns a service with one method of the options. Its request has account_id
// when field is a type for it.
func service(t *testing.T, field descriptorpb.FieldDescriptorProto_Type, level *optionsv1.Access, repeated optionsv1.Idempotency) protoreflect.ServiceDescriptor {
	t.Helper()
	options := &descriptorpb.MethodOptions{}
	if level != nil {
		proto.SetExtension(options, optionsv1.E_Access, level)
	}
	if repeated != 0 {
		proto.SetExtension(options, optionsv1.E_Idempotency, repeated)
	}
	request := &descriptorpb.DescriptorProto{Name: proto.String("Request")}
	if field != 0 {
		request.Field = append(request.Field, &descriptorpb.FieldDescriptorProto{
			Name: proto.String("account_id"), Number: proto.Int32(1), Type: field.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		})
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("test.proto"), Package: proto.String("test.v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{request},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: proto.String("Service"),
			Method: []*descriptorpb.MethodDescriptorProto{{
				Name: proto.String("Do"), InputType: proto.String(".test.v1.Request"), OutputType: proto.String(".test.v1.Request"), Options: options,
			}},
		}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return file.Services().Get(0)
}

func TestNewTable_refuses_a_method_whose_options_mean_nothing(t *testing.T) {
	const text, number = descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_INT64
	const read, key = optionsv1.Idempotency_IDEMPOTENCY_READ, optionsv1.Idempotency_IDEMPOTENCY_KEY
	owner := []optionsv1.Role{optionsv1.Role_ROLE_OWNER}
	admin := []optionsv1.Role{optionsv1.Role_ROLE_PLATFORM_ADMIN}
	account := &optionsv1.Access{Level: optionsv1.Level_LEVEL_ACCOUNT, Roles: owner}
	cases := map[string]struct {
		field    descriptorpb.FieldDescriptorProto_Type
		access   *optionsv1.Access
		repeated optionsv1.Idempotency
		want     string
	}{
		"a sound one":                       {text, account, read, ""},
		"no access":                         {text, nil, read, "declares no access level"},
		"no level":                          {text, &optionsv1.Access{Roles: owner}, read, "declares no access level"},
		"no idempotency":                    {text, account, 0, "declares no idempotency"},
		"a level of a newer contract":       {text, &optionsv1.Access{Level: 77}, read, "does not know"},
		"an idempotency of a newer one":     {text, account, 77, "does not know"},
		"no roles for an account":           {text, &optionsv1.Access{Level: optionsv1.Level_LEVEL_ACCOUNT}, read, "lists no roles"},
		"no roles for the platform":         {0, &optionsv1.Access{Level: optionsv1.Level_LEVEL_PLATFORM}, read, "lists no roles"},
		"roles for anybody":                 {0, &optionsv1.Access{Level: optionsv1.Level_LEVEL_PUBLIC, Roles: owner}, read, "mean nothing"},
		"the unspecified role":              {text, &optionsv1.Access{Level: optionsv1.Level_LEVEL_ACCOUNT, Roles: []optionsv1.Role{0}}, read, "which is none"},
		"an operator in an account":         {text, &optionsv1.Access{Level: optionsv1.Level_LEVEL_ACCOUNT, Roles: admin}, read, "no role at level account"},
		"an owner on the platform":          {0, &optionsv1.Access{Level: optionsv1.Level_LEVEL_PLATFORM, Roles: owner}, read, "no role at level platform"},
		"services at another level":         {text, &optionsv1.Access{Level: optionsv1.Level_LEVEL_ACCOUNT, Roles: owner, Services: []string{"gateway"}}, read, "lists services"},
		"a scope where no key gets":         {0, &optionsv1.Access{Level: optionsv1.Level_LEVEL_PERSON, Scope: "s"}, read, "no API key"},
		"a key without a caller":            {0, &optionsv1.Access{Level: optionsv1.Level_LEVEL_PUBLIC}, key, "a public method has none"},
		"an account's method without one":   {0, account, read, "no plain string field account_id"},
		"an account's method with a number": {number, account, read, "no plain string field account_id"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			table, err := access.NewTable(service(t, c.field, c.access, c.repeated))
			if c.want == "" {
				if err != nil || table == nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "test.v1.Service.Do") {
				t.Fatalf("got %v, want it to name the method and say %q", err, c.want)
			}
		})
	}
}

// whole is the table of the whole contract.
func whole(t testing.TB) *access.Table {
	t.Helper()
	table, err := access.NewTable(access.Contract()...)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestContract_has_every_service_once_and_always_in_the_same_order(t *testing.T) {
	services := access.Contract()
	if len(services) < 30 {
		t.Errorf("only %d services were found", len(services))
	}
	for i := 1; i < len(services); i++ {
		// Each has a file of its own.
		if before, file := services[i-1].ParentFile().Path(), services[i].ParentFile().Path(); before >= file {
			t.Errorf("%s comes before %s", before, file)
		}
	}
}

func TestNewTable_reads_the_whole_contract(t *testing.T) {
	table := whole(t)
	rule, found := table.Rule("/primecloud.storage.v1.BucketService/CreateBucket")
	if !found || rule.Level != access.Account || rule.Scope != "storage.write" || rule.Idempotency != access.Key ||
		strings.Join(rule.Roles, ",") != "owner,admin,developer" || rule.WhileSuspended {
		t.Fatalf("read %+v", rule)
	}
	if _, found := table.Rule("/primecloud.storage.v1.BucketService/Nonesuch"); found {
		t.Fatal("a method that does not exist has a rule")
	}
	if scopes := strings.Join(table.Scopes(), " "); !strings.Contains(scopes, "storage.read") || !strings.Contains(scopes, "storage.write") {
		t.Fatalf("scopes are %s", scopes)
	}
}

func TestFind_refuses_what_is_not_in_the_build(t *testing.T) {
	for _, name := range []string{"primecloud.nonesuch.v1.Service", "primecloud.storage.v1.Bucket"} {
		if _, err := access.Find(name); err == nil {
			t.Errorf("%s was found", name)
		}
	}
	if found, err := access.Find("primecloud.storage.v1.BucketService"); err != nil || len(found) != 1 {
		t.Fatal(err)
	}
}

func TestRoleName_and_RoleOf_are_inverse(t *testing.T) {
	for value := range optionsv1.Role_name {
		role := optionsv1.Role(value)
		if got := access.RoleOf(access.RoleName(role)); got != role {
			t.Errorf("%s became %s", role, got)
		}
	}
	if access.RoleOf("nonesuch") != optionsv1.Role_ROLE_UNSPECIFIED {
		t.Error("an unknown name has a role")
	}
}

func TestWriteMatrix_has_a_row_for_every_method_and_is_stable(t *testing.T) {
	table := whole(t)
	var once, twice strings.Builder
	if err := access.WriteMatrix(&once, table); err != nil {
		t.Fatal(err)
	}
	if err := access.WriteMatrix(&twice, table); err != nil {
		t.Fatal(err)
	}
	if once.String() != twice.String() {
		t.Fatal("two renderings differ")
	}
	for _, rule := range table.Rules() {
		_, method, _ := strings.Cut(rule.Method[1:], "/")
		if !strings.Contains(once.String(), "\n| "+method+" | ") {
			t.Errorf("%s has no row", rule.Method)
		}
	}
	want := "| CreateBucket | `POST /v1/accounts/{account_id}/buckets` | account | ● | ● | ● |  |  |  | `storage.write` | no | key |"
	if !strings.Contains(once.String(), want) {
		t.Errorf("no row %s in\n%s", want, once.String())
	}
}
