#!/usr/bin/env bash
# The pinned APIs of Envoy and etcd, as descriptors and as TypeScript types.
set -euo pipefail
npx tsx protos/build.ts
