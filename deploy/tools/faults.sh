#!/bin/sh
# Breaks the suite on purpose and prints, for every fault, what was done and what came of it: storage-provisioning
# killed at each step of a call, MinIO in trouble at each request of one (all cells, of which a test run takes a
# sample), random sequences of all of it, then the whole suite in both shapes with its servers killed, frozen, stopped and
# wiped. What else the tests say is shown only when one fails.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
cd "$root"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# list ARGS… runs tests and prints their lines that begin with a bar, as they come.
list() {
	{
		if go test -race -v -count=1 -timeout=60m "$@" 2>&1; then echo yes >"$work/passed"; else echo no >"$work/passed"; fi
	} | tee "$work/log" | awk '/^\|/ { sub(/^\| ?/, ""); print; fflush() }'
	if [ "$(cat "$work/passed")" != yes ]; then
		echo "a fault did not come out as promised:" >&2
		grep -v '^|' "$work/log" >&2
		exit 1
	fi
}

(export PRIMECLOUD_FAULTS=all && list ./services/storage-provisioning/internal/faults)
echo "the whole suite, all in one process and as separate processes"
echo
list -run 'Away|Killed|Stopped|BehindOurBack' ./deploy/e2e/suite
echo
echo "every step converged"
