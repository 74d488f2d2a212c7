#!/usr/bin/env bash
# The services that `make bench` compares decisions with, as JavaScript like the brain: tsx would be measured with them.
set -euo pipefail
rm -rf build/bench
npx tsc --project setup/decision-server.json
