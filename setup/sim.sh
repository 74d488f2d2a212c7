#!/usr/bin/env bash
# The simulation as JavaScript, like the brain: through tsx each closure costs a definition more.
set -euo pipefail
rm -rf build/sim
npx tsc --project setup/sim.json
