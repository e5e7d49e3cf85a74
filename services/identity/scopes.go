package identity

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/primecloud/primecloud/pkg/access"
	// An API key may be given the scopes of every service, so the whole contract must be known here.
	_ "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// scopes returns every scope that some method of the contract asks for.
func scopes() ([]string, error) {
	var services []protoreflect.ServiceDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(string(file.Package()), "primecloud.") {
			return true
		}
		for i := range file.Services().Len() {
			services = append(services, file.Services().Get(i))
		}
		return true
	})
	table, err := access.NewTable(services...)
	if err != nil {
		return nil, err
	}
	return table.Scopes(), nil
}
