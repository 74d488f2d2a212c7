#!/usr/bin/env bash
# The pinned APIs of Envoy and etcd, as descriptors and as TypeScript types; our own as a descriptor.
set -euo pipefail
npx tsx protos/build.ts
