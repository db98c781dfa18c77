# Every target does all its own set-up. `make demo` needs Go; `make test` installs
# the rest from the distribution (tools/setup-test).

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help build demo test e2e check race fuzz bench bench-fanout web fmt clips soak

# A Node.js that tools/setup-test had to install, if any, comes first.
export PATH := $(CURDIR)/.cache/node/bin:$(PATH)

ARGS ?= # more arguments for the program that a target runs

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the relay into bin/
	go build -o bin/relay ./cmd/relay

demo: build ## show the main job: a table, its game server and a browser page; needs only Go
	@exec bin/relay demo $(ARGS)

test: ## install what the tests need and pass them all, short browser cases included (under 20 minutes)
	@tools/setup-test
	@go run ./tools/runtests

e2e: ## the long cases: browsers (1,000 markers for each codec, joins, stalls, 1080p60), bad networks, encoders in trouble, windows
	@tools/setup-test
	@go run ./tools/runtests portable e2e network-full source-full windows-full

check: ## gofmt, go vet, staticcheck, builds for macOS and Windows, house rules
	@go run ./tools/runtests check portable
	go test ./internal/house

race: ## unit tests under the race detector
	@go run ./tools/runtests race

fuzz: ## every fuzz target with some thousand inputs
	@go run ./tools/runtests fuzz

bench: ## benchmarks with allocations
	go test -run '^$$' -bench . -benchmem $(ARGS) ./...

bench-fanout: ## the cost per packet and viewer beside plain pion and the floor, into docs/performance.md (about 20 minutes)
	go run ./bench/fanout -all -report docs $(ARGS)

web: ## build the SDK and the pages into web/dist and test them
	@tools/setup-test --web
	cd web && npm run --silent build
	@go run ./tools/runtests web

fmt: ## format the Go code
	gofmt -w $$(git ls-files --cached --others --exclude-standard '*.go')

clips: ## draw and encode the studio's clips again (needs ffmpeg; the results are committed)
	go run ./internal/studio/clips/make

soak: ## 20 minutes, or FOR=2m, at 60% of the processors: memory, goroutines and drops; and the demo watched meanwhile
	@tools/soak $(FOR)
