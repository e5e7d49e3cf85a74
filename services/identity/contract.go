package identity

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/primecloud/primecloud/pkg/access"
	// An API key may be given the scopes of every service, and access to all of them is explained here.
	_ "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

// contract returns the rules of every method of the suite.
func contract() (*access.Table, error) {
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
	return access.NewTable(services...)
}
