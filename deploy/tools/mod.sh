#!/bin/sh
# Brings go.work and every go.mod of the workspace in order; a second run changes nothing.
#
# `go mod tidy` ignores go.work, so each module carries a require and a replace line for every local module that it
# reaches, directly or not. Those lines are generated here from what the code imports, then versions are made equal
# across the workspace, then each module is tidied on its own.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
cd "$root"
prefix=github.com/primecloud/primecloud
modules=$(go list -m -f '{{.Dir}}' | sed "s|^$root/||" | sort)

# up DIR prints the way from DIR to the root: one ../ per path element.
up() { echo "$1" | sed 's|[^/][^/]*|..|g'; }

for module in $modules; do
	packages=$(go list -deps -test "./$module/..." | grep "^$prefix/" | sed 's/ .*//' || true)
	for other in $modules; do
		[ "$other" != "$module" ] || continue
		if echo "$packages" | grep -qE "^$prefix/$other(/|\$)"; then
			(cd "$module" && GOWORK=off go mod edit -require="$prefix/$other@v0.0.0" -replace="$prefix/$other=$(up "$module")/$other")
		else
			(cd "$module" && GOWORK=off go mod edit -droprequire="$prefix/$other" -dropreplace="$prefix/$other")
		fi
	done
done

go work sync
for module in $modules; do
	(cd "$module" && GOWORK=off go mod tidy)
done
