#!/usr/bin/env bash
# The load generator of `make bench`.
set -euo pipefail
cargo build --quiet --release --locked --manifest-path test/bench/load/Cargo.toml --target-dir build/load
cp -f build/load/release/sluice-load build/bin/sluice-load
