#!/bin/sh
# Runs golangci-lint over every module of the workspace with the one configuration in the root.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
cd "$root"
status=0
for module in $(go list -m -f '{{.Dir}}'); do
	[ -n "$(cd "$module" && go list ./... 2>/dev/null)" ] || continue # a module that holds no Go yet
	echo "lint ${module#"$root"/}"
	(cd "$module" && "$root/.bin/golangci-lint" run --config "$root/.golangci.yml" ./...) || status=1
done
# The door's own handlers live outside the workspace, with Caddy's dependencies.
echo "lint deploy/thirdparty/caddy"
(cd "$root/deploy/thirdparty/caddy" && GOWORK=off "$root/.bin/golangci-lint" run --config "$root/.golangci.yml" ./...) || status=1
exit $status
