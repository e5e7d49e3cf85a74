#!/bin/sh
# Copies the third-party .proto files that our contract imports from pinned modules in the Go module cache into the
# ignored folder .third_party_proto/ in the repository root. They are not checked in: the pins are.
# Runs in well under a second when nothing changed, and replaces the folder as a whole when a pin did.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
root=$(CDPATH='' cd -- "$here/../.." && pwd -P)
out=$root/.third_party_proto
export GOWORK=off GOFLAGS=-mod=readonly

digest() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }
stamp=$(cat "$0" "$here/protos/go.mod" "$here/protos/go.sum" "$here/go.mod" | digest)
[ "$(cat "$out/.stamp" 2>/dev/null || true)" != "$stamp" ] || exit 0

command -v go >/dev/null || { echo "third-party-protos: Go 1.26 or later is needed" >&2; exit 1; }
echo "fetching the third-party protos…" >&2

# folder PINS MODULE prints where MODULE lies in the module cache, at the version that PINS/go.mod says.
folder() {
	(cd "$1" && go mod download "$2" && go list -m -f '{{.Dir}}' "$2")
}

tmp=$out.tmp.$$
trap 'rm -rf "$tmp"' EXIT
rm -rf "$tmp"
put() { # FOLDER FILE...: the files keep their path below FOLDER
	from=$1
	shift
	for file in "$@"; do
		mkdir -p "$tmp/$(dirname "$file")"
		cp "$from/$file" "$tmp/$file"
		chmod 644 "$tmp/$file"
	done
}

# Its error_details.proto is older than ErrorInfo, so it is left behind: details travel as Any and come from Go.
googleapis=$(folder "$here/protos" github.com/grpc-ecosystem/grpc-gateway)/third_party/googleapis
put "$googleapis" google/api/annotations.proto google/api/http.proto google/api/httpbody.proto \
	google/rpc/code.proto google/rpc/status.proto

gnostic=$(folder "$here/protos" github.com/google/gnostic)/cmd/protoc-gen-openapi/examples
put "$gnostic" google/api/field_behavior.proto google/api/resource.proto

validate=$(folder "$here/protos" github.com/bufbuild/protovalidate)/proto/protovalidate
put "$validate" buf/validate/validate.proto

openapi=$(folder "$here" github.com/grpc-ecosystem/grpc-gateway/v2)
put "$openapi" protoc-gen-openapiv2/options/annotations.proto protoc-gen-openapiv2/options/openapiv2.proto

echo "$stamp" >"$tmp/.stamp"
rm -rf "$out"
mv "$tmp" "$out"
trap - EXIT
