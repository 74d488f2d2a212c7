#!/usr/bin/env bash
# The brain as JavaScript, for bin/sluice. Tests run the TypeScript itself.
set -euo pipefail
rm -rf build/js
npx tsc --project setup/brain.json
