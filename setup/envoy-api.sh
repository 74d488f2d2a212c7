#!/usr/bin/env bash
# The pinned Envoy API, as descriptors and as TypeScript types.
set -euo pipefail
npx tsx protos/build.ts
