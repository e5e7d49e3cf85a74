// Pins the modules that hold the third-party .proto files; ../third-party-protos.sh reads them.
// There is no Go code here, so `go mod tidy` would empty this file: leave it out of that.
module github.com/primecloud/primecloud/deploy/tools/protos

go 1.26

require (
	// google/api/annotations, http, httpbody; google/rpc
	github.com/grpc-ecosystem/grpc-gateway v1.16.0
	// google/api/field_behavior, resource
	github.com/google/gnostic v0.7.1
	// buf/validate
	github.com/bufbuild/protovalidate v1.2.2
)
