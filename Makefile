# `make demo` and `make test` install what they need on Debian; the other
# targets need only Go, and say so when they need more.

GO       ?= go
FUZZTIME ?= 30s
STACKS   ?= 1000
TOOL      = $(GO) tool -modfile=tools/go.mod
VERSION   = $(shell git describe --tags --always --dirty 2>/dev/null)
SOURCES   = $(shell git ls-files --cached --others --exclude-standard '*.go' ':!:**/testdata/**')

.DEFAULT_GOAL := help
.PHONY: help demo test e2e unit lint cross arm64 fmt fuzz oracle bench build install-deps clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: ## build a real image, slim it by a recorded profile, show what changed
	testdata/run demo

test: ## everything CI runs: lint, unit tests, the core set of real images
	testdata/run test

e2e: ## all real images and every check; slow
	testdata/run e2e

bench: ## pare slim against crane export on an image of about 1 GB; what recording costs
	testdata/run bench

install-deps: ## install the Debian packages that the tests use
	testdata/run install-deps

build: ## bin/pare, static
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/pare ./cmd/pare

unit: ## unit tests; under two minutes on two cores
	$(GO) test -short -timeout 5m ./...

lint: ## gofumpt, vet, fix, staticcheck, deadcode
	@out=$$($(TOOL) gofumpt -l $(SOURCES)); test -z "$$out" || { echo "gofumpt: run make fmt on"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(GO) fix -diff ./...
	$(TOOL) staticcheck ./...
	@$(MAKE) --no-print-directory cross
	@out=$$($(TOOL) deadcode -test ./...); test -z "$$out" || { echo "$$out"; exit 1; }
	cd tools && $(GO) mod verify >/dev/null

# vet compiles everything, tests included, and real images are for Linux only.
cross: ## compile all for the other systems; part of lint
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 $(GO) vet ./...
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) vet $$($(GO) list ./... | grep -v /internal/e2e)
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/pare
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 $(GO) test -c -o /dev/null ./slim/record/sensor

arm64: ## tests of sensor and engine builtin on an arm64 kernel, in qemu; writes docs/arm64.log
	testdata/arm64

fmt: ## format the code
	$(TOOL) gofumpt -w $(SOURCES)

# One target at a time: `go test -fuzz` takes one package and one function.
fuzz: ## every fuzz target for FUZZTIME (30s)
	@git grep -hE '^func Fuzz' >/dev/null || { echo "no fuzz targets found"; exit 1; }
	@git grep -E '^func Fuzz[A-Za-z0-9_]*\(' -- '*_test.go' | sed 's|^\(.*\)/[^/]*:func \(Fuzz[A-Za-z0-9_]*\)(.*|\1 \2|' | while read -r dir name; do \
		echo "== $$dir $$name"; \
		$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x -timeout 30m ./$$dir || exit 1; \
	done

# The log names the commit, so that a result is never taken for another's.
oracle: ## STACKS (1000) random layer stacks compared with umoci; writes docs/oracle.log
	@mkdir -p docs
	@at=$$(git describe --always --dirty --abbrev=40); { echo "commit $$at, $(STACKS) stacks"; \
		CI=true PARE_ORACLE_STACKS=$(STACKS) $(GO) test -count=1 -v -timeout 2h ./internal/oracle; \
		echo "exit $$?"; } 2>&1 | tee docs/oracle.log
	@tail -1 docs/oracle.log | grep -qx 'exit 0'

clean: ## remove what was built here
	rm -rf bin dist
