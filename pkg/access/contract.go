package access

import (
	"cmp"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Contract returns the services of the suite's contract, in the order of their files. It
// knows those whose generated packages are part of the program: whoever wants all of them
// imports the package of each service.
func Contract() []protoreflect.ServiceDescriptor {
	var services []protoreflect.ServiceDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(string(file.Package()), "primecloud.") {
			for i := range file.Services().Len() {
				services = append(services, file.Services().Get(i))
			}
		}
		return true
	})
	slices.SortStableFunc(services, func(a, b protoreflect.ServiceDescriptor) int {
		return cmp.Compare(a.ParentFile().Path(), b.ParentFile().Path())
	})
	return services
}
