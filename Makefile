# Ringboot. "make help" lists what can be made.

SHELL   := /bin/bash
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
NODE    ?= frege
AGENT   := imagebuilder/agent/firstboot
STANDIN := rehearsal/base/embedded/standin
SETUP   := rehearsal/base/embedded/installer
GO      ?= go
export GOFLAGS ?= -buildvcs=false

.PHONY: all help bin image practice-iso test check bench fuzz figures rehearse practice-iso lint dist clean FORCE

all: bin ## build mkimage, firstboot and peers into build/bin

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# The agent travels inside mkimage, so it is built first, for the machines
# that it will run on. It is rewritten only when it changed. It speaks HTTP/1.1
# alone, so it is built without what it would need for HTTP/2; and it waits most
# of its life, so it is built without inlining, which is a tenth of its size.
$(AGENT): FORCE
	@CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build -tags nethttpomithttp2 -gcflags=all=-l -trimpath -ldflags '$(LDFLAGS)' -o $@.new ./cmd/firstboot
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(STANDIN): FORCE
	@CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build -trimpath -ldflags '-s -w' -o $@.new ./rehearsal/standin/pvestandin
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(SETUP): FORCE
	@CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build -trimpath -ldflags '-s -w' -o $@.new ./rehearsal/installer/practiceinstaller
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

bin: $(AGENT) $(STANDIN) $(SETUP)
	@mkdir -p build/bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o build/bin/ ./cmd/mkimage ./cmd/peers
	@cp $(AGENT) build/bin/firstboot

image: bin ## make one image: make image NODE=frege [ISO=proxmox-ve_9.2-1.iso | ISO=practice]
	build/bin/mkimage --node $(NODE) $(if $(ISO),--iso $(ISO))

practice-iso: bin ## make the practice ISO (root, on Debian): an installer to practise with, without Proxmox VE
	build/bin/mkimage practice-iso

rehearse: bin ## play the whole trip in virtual machines, and then every drill: make rehearse [ISO=...] [DRILL=name]
	build/bin/mkimage rehearse --dir build/rehearsal $(if $(ISO),--iso $(ISO)) $(if $(DRILL),--drill $(DRILL))
	$(if $(DRILL),,build/bin/mkimage rehearse --dir build/drills $(if $(ISO),--iso $(ISO)) --drill all)

test: bin ## run every test (root, KVM-less QEMU and namespaces are used where they are)
	.ci/stages

check: $(AGENT) $(STANDIN) $(SETUP) ## fast tests for every save, under three minutes
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) build ./... && GOOS=windows $(GO) build ./cmd/mkimage ./cmd/peers
	$(GO) test -short ./...

bench: bin ## measure: ratios against a peer or the limit, in one run
	.ci/bench

fuzz: ## run every fuzz target for FUZZTIME each (default 20s)
	.ci/fuzz

figures: bin ## run all that measures and collect the numbers in build/figures.txt
	.ci/figures

dist: bin ## archives, package, checksums and list of contents in build/dist, reproducible
	.ci/dist

lint: ## golangci-lint and shellcheck, where they are installed
	golangci-lint run ./...
	shellcheck .ci/*

clean: ## remove what was built
	rm -rf build $(AGENT) $(STANDIN) $(SETUP)
