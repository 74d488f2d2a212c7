#!/usr/bin/env bash
# The client that the end-to-end tests run with the drivers for Go. Since 1.21 a Go fetches the version that go.mod
# asks for by itself; for an older one (Debian 12 has 1.19) that version is fetched the same way here: as a module.
set -euo pipefail
wanted=$(sed -n 's/^go //p' test/e2e/clients/go/go.mod)
go=go
if ! grep -q 'GOTOOLCHAIN=' <(go env); then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  printf 'module scratch\n' >"$scratch/go.mod"
  module=golang.org/toolchain@v0.0.1-go$wanted.$(go env GOOS)-$(go env GOARCH)
  (cd "$scratch" && go mod download "$module")
  root=$(go env GOMODCACHE)/$module
  # A module has no programs, says the older Go.
  chmod +x "$root"/bin/* "$root"/pkg/tool/*/*
  export GOROOT=$root
  go=$root/bin/go
fi
out=$PWD/build/clients/go-client
cd test/e2e/clients/go
# By the C library's resolver, which the tests give the services' names to.
CGO_ENABLED=1 "$go" build -mod=readonly -buildvcs=false -trimpath -o "$out" .
