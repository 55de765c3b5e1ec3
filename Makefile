# Ringboot. "make help" lists what can be made.

SHELL   := /bin/bash
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
NODE    ?= frege
AGENT   := imagebuilder/agent/firstboot
LOOK    := imagebuilder/agent/preflight
STANDIN := rehearsal/base/embedded/standin
SETUP   := rehearsal/base/embedded/installer
GO      ?= go
export GOFLAGS ?= -buildvcs=false

.PHONY: all help bin image practice-iso test test-busy check bench fuzz figures pictures rehearse lint dist clean FORCE

all: bin ## build mkimage, rehearse, firstboot, peers and ringkeeper into build/bin

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# The agent travels inside mkimage, so it is built first, for the machines
# that it will run on. It is rewritten only when it changed.
# What looks before the installer travels the same way. Nothing in the agent
# speaks HTTP/2: its servers switch it off, and it stays out of the binary.
$(AGENT): $(LOOK)
$(LOOK): FORCE
	@CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build -trimpath -ldflags '-s -w' -o $@.new ./cmd/preflight
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(AGENT): FORCE
	@CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build -trimpath -tags nethttpomithttp2 -ldflags '$(LDFLAGS)' -o $@.new ./cmd/firstboot
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(STANDIN): FORCE
	@CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build -trimpath -ldflags '-s -w' -o $@.new ./rehearsal/machine/pvestandin
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(SETUP): FORCE
	@CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build -trimpath -ldflags '-s -w' -o $@.new ./rehearsal/installer/practiceinstaller
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

bin: $(AGENT) $(STANDIN) $(SETUP)
	@mkdir -p build/bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o build/bin/ ./cmd/mkimage ./cmd/peers ./cmd/rehearse ./cmd/ringkeeper
	@cp $(AGENT) build/bin/firstboot

# An ISO that is not there is said before anything is built.
image: ## make one image: make image NODE=frege [ISO=proxmox-ve_9.2-1.iso | ISO=practice]
	@[ -z "$(ISO)" ] || [ "$(ISO)" = practice ] || [ -e "$(ISO)" ] || { echo "there is no $(ISO): get it from proxmox.com, leave ISO= out to have it downloaded, or practise with ISO=practice" >&2; exit 4; }
	@$(MAKE) --no-print-directory bin
	build/bin/mkimage --node $(NODE) $(if $(ISO),--iso $(ISO))

practice-iso: bin ## make the practice ISO (root, on Debian): an installer to practise with, without Proxmox VE
	build/bin/rehearse practice-iso

rehearse: bin ## play the whole trip in virtual machines, and then every drill: make rehearse [ISO=...] [DRILL=name]
	build/bin/rehearse --fresh --dir build/rehearsal $(if $(ISO),--iso $(ISO)) $(if $(DRILL),--drill $(DRILL))
	$(if $(DRILL),,build/bin/rehearse --fresh --dir build/drills $(if $(ISO),--iso $(ISO)) --drill all)

test: bin ## run every test (root, KVM-less QEMU and namespaces are used where they are)
	.ci/stages

check: $(AGENT) $(STANDIN) $(SETUP) ## fast tests for every save, under three minutes
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) build ./... && GOOS=windows $(GO) build ./cmd/mkimage ./cmd/peers
	$(GO) test -short ./...

test-busy: bin ## every test three times in a row beside a load of 8: make test-busy [GROUP=ring] [SHORT=1]
	.ci/busy

bench: bin ## measure: ratios against a peer or the limit, in one run
	.ci/bench

fuzz: ## run every fuzz target for FUZZTIME each (default 20s)
	.ci/fuzz

figures: bin ## run all that measures, or what GROUP names, and collect the numbers in build/figures.txt
	.ci/figures

pictures: ## make docs/pictures anew (chromium)
	.ci/pictures

dist: bin ## archives, package, formula, container file, checksums and list of contents in build/dist, reproducible
	.ci/dist

lint: $(AGENT) $(STANDIN) $(SETUP) ## golangci-lint, shellcheck and govulncheck, the first and the last pinned in .ci/tools
	.ci/lint

clean: ## remove what was built
	rm -rf build $(AGENT) $(LOOK) $(STANDIN) $(SETUP)
