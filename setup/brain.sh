#!/usr/bin/env bash
# The brain as JavaScript, for bin/sluice, with the files that it reads beside its code. Single tests run the TypeScript.
set -euo pipefail
rm -rf build/js
npx tsc --project setup/brain.json
cd xds-server
find . -type f ! -name '*.ts' -exec cp --parents -t ../build/js/xds-server {} +
