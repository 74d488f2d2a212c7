#!/usr/bin/env bash
# The native module that Envoy loads; cargo knows when it is up to date.
set -euo pipefail
cargo build --quiet --release --locked --manifest-path filters/Cargo.toml
