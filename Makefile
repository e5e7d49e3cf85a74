# What a developer, an operator trying the suite, and CI call. `make help` lists it.
SHELL := /bin/sh
.DEFAULT_GOAL := help
INSTALL := sh deploy/tools/install.sh
export PATH := $(CURDIR)/.bin:$(PATH)
# The modules of the workspace, as folders.
MODULES = $(shell go list -m -f '{{.Dir}}')
# One package at a time: each starts servers of its own and keeps the cores busy by itself, and two side by side starve
# each other's deadlines. Argon2 goes without the race detector, which watches all of its 64 MiB a call: that took more
# than half of the processor time of tests with access keys, and it shares no memory with anybody.
GOTEST ?= go test -race -gcflags=golang.org/x/crypto/argon2=-race=false -shuffle=on -timeout=40m -p=1

.PHONY: help up reset demo test faults bench containers containers-demo containers-test tools servers protos gen mod fmt lint verify build ci release

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 25

up: servers ## start the whole suite on this machine; Ctrl-C stops it
	@mkdir -p bin && go build -o bin/stack ./deploy/stack/cmd/stack && exec bin/stack up

reset: ## wipe what `make up` keeps
	@mkdir -p bin && go build -o bin/stack ./deploy/stack/cmd/stack && exec bin/stack reset

demo: servers ## do the main job through the public doors and print each step with its evidence
	@mkdir -p bin && go build -o bin/stack ./deploy/stack/cmd/stack && exec bin/stack demo

test: servers ## every test of every module, with the race detector, against the real servers
	$(GOTEST) work
	cd deploy/thirdparty/caddy && GOWORK=off $(GOTEST) ./form

faults: servers ## break the suite on purpose and print each step with its outcome
	@sh deploy/tools/faults.sh

bench: servers ## measure the suite beside a bare program and write docs/benchmarks.md
	@mkdir -p bin && go build -o bin/bench ./deploy/e2e/cmd/bench && exec bin/bench -write docs/benchmarks.md

containers: ## start the whole suite as containers and wait until it is healthy
	docker compose up --build --detach --wait gateway door
	@echo 'log in at http://127.0.0.1:8080/auth/login; deploy/docker/README.md says what is where'

containers-demo: ## the demo against the suite in containers
	@mkdir -p bin .local/containers && go build -o bin/stack ./deploy/stack/cmd/stack
	docker compose -f docker-compose.yml -f deploy/docker/compose.demo.yml up --detach --wait peephole
	@umask 077 && docker compose run --rm --no-deps -T secrets target >.local/containers/stack.json
	@PRIMECLOUD_STACK_DIR=.local/containers bin/stack demo
	docker compose -f docker-compose.yml -f deploy/docker/compose.demo.yml rm --stop --force peephole

containers-test: ## build the images and hold the suite in containers against its promises
	go run ./deploy/e2e/cmd/containers

tools: ## build or fetch the pinned generators and linters
	@$(INSTALL) tools >/dev/null

servers: ## build or fetch the pinned third-party servers
	@$(INSTALL) servers >/dev/null

protos: ## fetch the third-party protos that the contract imports
	@sh deploy/tools/third-party-protos.sh

gen: tools protos ## regenerate everything that is generated
	buf generate
	go run ./deploy/e2e/cmd/openapi
	go run ./deploy/e2e/cmd/matrix
	for dir in services/*/; do if [ -f $$dir/sqlc.yaml ]; then (cd $$dir && sqlc generate) || exit 1; fi; done

mod: ## bring go.work and all go.mod files in order
	sh deploy/tools/mod.sh

fmt: tools protos ## format Go and proto files
	buf format -w proto
	golangci-lint fmt ./...

lint: tools protos ## check style, rooms and the contract
	buf lint
	buf format --diff --exit-code proto
	buf breaking proto --against proto/released.binpb
	sh deploy/tools/lint.sh

verify: ## regenerate everything; the tree must stay as it is
	@sh deploy/tools/verify.sh

build: ## build and vet each module on its own
	@for dir in $(MODULES); do echo "build $$dir" | sed "s|$(CURDIR)/||"; (cd $$dir && GOWORK=off go build ./... && GOWORK=off go vet ./...) || exit 1; done

release: tools protos ## freeze the contract: later changes are held against it
	buf build proto -o proto/released.binpb

ci: verify lint build test ## what CI runs
