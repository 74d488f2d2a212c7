#!/usr/bin/env bash
# Exactly the versions and contents that package-lock.json names, and never another lock file. Not `npm ci`: that
# refuses a lock file made where the optional packages of other platforms could not be seen.
set -euo pipefail
npm install --no-save --no-progress
