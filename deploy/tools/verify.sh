#!/bin/sh
# Regenerates all that is generated and fails when that changes a file: what is checked in is what the sources say.
# Work in progress is no failure; only what the regeneration itself changes is.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
cd "$root"
state() { git status --porcelain --untracked-files=all; git diff HEAD; }
before=$(state | cksum)
make --no-print-directory gen mod
if [ "$(state | cksum)" != "$before" ]; then
	git status --short
	git --no-pager diff HEAD --stat
	echo "verify: regenerating changed the files above; run 'make gen mod' and commit what it writes" >&2
	exit 1
fi
echo "verify: what is generated is up to date"
