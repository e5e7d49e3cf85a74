package testkit

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/rpc"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
)

// Caller is one column of the permission matrix: somebody who tries every method.
type Caller struct {
	// Name says who, for the test's output.
	Name string
	// Is is who the service should take them for; the anonymous kind shows no login.
	Is principal.Principal
	// Refused is the reason for which their login does not count at all, such as TOKEN_REVOKED.
	Refused string
	// Conn is the connection that they call over, Peer the process that it belongs to.
	Conn grpc.ClientConnInterface
	Peer string
	// Login returns a context that shows their login. It is asked before every call, for a
	// call that is allowed may end it.
	Login func() context.Context
}

// Permissions makes every caller try every method of the proto packages for the account, and
// holds the outcome against what the method's access option declares. The requests say nothing
// but the account, and carry an idempotency key that is none, so that an allowed call ends
// there as far as it can: what is held is whether it was refused, and why.
//
// What to expect is worked out here from the contract's options alone, and not by the code
// that decides. A method that the service does not offer fails the test.
func Permissions(t *testing.T, account string, packages []protoreflect.FullName, callers []Caller) {
	t.Helper()
	count := 0
	for _, method := range methodsOf(packages) {
		access, _ := proto.GetExtension(method.Options(), optionsv1.E_Access).(*optionsv1.Access)
		for _, caller := range callers {
			count++
			want, got := expected(access, caller, account), outcome(caller, method, account)
			if got == "UNIMPLEMENTED" {
				t.Errorf("%s is in the contract and not offered", method.FullName())
			}
			if !slices.Contains(refusals, got) {
				got = ""
			}
			if got != want {
				t.Errorf("%s as %s: refused with %q, want %q", method.FullName(), caller.Name, got, want)
			}
		}
	}
	t.Logf("%d cells", count)
	if count == 0 {
		t.Error("no method was tried")
	}
}

// refusals are the reasons that access is refused for.
var refusals = []string{
	"LOGIN_REQUIRED", "TOKEN_INVALID", "TOKEN_REVOKED", "NOT_FOUND", "ROLE_NOT_ALLOWED", "SCOPE_MISSING", "CALLER_NOT_ALLOWED", "MEMBERS_ONLY",
	"ACCOUNT_SUSPENDED", "ACCOUNT_PENDING", "ACCOUNT_CLOSING", "ACCOUNT_CLOSED",
}

func methodsOf(packages []protoreflect.FullName) []protoreflect.MethodDescriptor {
	var methods []protoreflect.MethodDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if !slices.Contains(packages, file.Package()) {
			return true
		}
		for i := range file.Services().Len() {
			for j := range file.Services().Get(i).Methods().Len() {
				methods = append(methods, file.Services().Get(i).Methods().Get(j))
			}
		}
		return true
	})
	return methods
}

// expected returns the reason that the options lead to, or "".
func expected(access *optionsv1.Access, c Caller, account string) string {
	p := c.Is
	switch access.GetLevel() {
	case optionsv1.Level_LEVEL_PUBLIC:
		return ""
	case optionsv1.Level_LEVEL_SERVICE:
		if c.Peer == "" || len(access.GetServices()) > 0 && !slices.Contains(access.GetServices(), c.Peer) {
			return "CALLER_NOT_ALLOWED"
		}
		return ""
	default:
	}
	machine := p.Kind == principal.Machine
	role := optionsv1.Role(optionsv1.Role_value["ROLE_"+strings.ToUpper(p.Role)])
	inAccount, onPlatform := access.GetLevel() == optionsv1.Level_LEVEL_ACCOUNT, access.GetLevel() == optionsv1.Level_LEVEL_PLATFORM
	switch {
	case c.Refused != "":
		return c.Refused
	case p.Kind == principal.Anonymous:
		return "LOGIN_REQUIRED"
	case onPlatform && p.Kind != principal.Operator, access.GetLevel() == optionsv1.Level_LEVEL_PERSON && machine:
		return "CALLER_NOT_ALLOWED"
	case inAccount && p.AccountID != account:
		return "NOT_FOUND"
	case access.GetMembersOnly() && p.Kind == principal.Operator:
		return "MEMBERS_ONLY"
	case (inAccount || onPlatform) && !slices.Contains(access.GetRoles(), role):
		return "ROLE_NOT_ALLOWED"
	case machine && access.GetScope() == "":
		return "CALLER_NOT_ALLOWED"
	case machine && !slices.Contains(p.Scopes, access.GetScope()):
		return "SCOPE_MISSING"
	case p.AccountState != "" && p.AccountState != "active" && !access.GetWhileSuspended():
		return "ACCOUNT_" + strings.ToUpper(p.AccountState)
	default:
		return ""
	}
}

// outcome makes the call and returns the reason that it ended with, or "".
func outcome(c Caller, method protoreflect.MethodDescriptor, account string) string {
	request := dynamicpb.NewMessage(method.Input())
	if field := method.Input().Fields().ByName("account_id"); field != nil && field.Kind() == protoreflect.StringKind {
		request.Set(field, protoreflect.ValueOfString(account))
	}
	ctx, cancel := context.WithCancel(rpc.WithIdempotencyKey(c.Login(), "no idempotency key has spaces"))
	defer cancel()
	name := "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
	var err error
	if method.IsStreamingServer() {
		err = firstOf(ctx, c.Conn, name, request, dynamicpb.NewMessage(method.Output()))
	} else {
		err = c.Conn.Invoke(ctx, name, request, dynamicpb.NewMessage(method.Output()))
	}
	if err == nil {
		return ""
	}
	return errs.ReasonOf(rpc.FromStatus(err))
}

// firstOf asks for a stream and waits for its first message, or its end.
func firstOf(ctx context.Context, conn grpc.ClientConnInterface, name string, request, response proto.Message) error {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, name)
	if err != nil {
		return err
	}
	// A stream that was refused says why when it is read.
	if err := stream.SendMsg(request); err == nil {
		_ = stream.CloseSend()
	}
	if err := stream.RecvMsg(response); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
