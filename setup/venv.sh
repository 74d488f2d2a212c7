#!/usr/bin/env bash
# A Python environment of the project's own: nothing is installed into the system's.
set -euo pipefail
if [[ ! -x build/venv/bin/python ]]; then python3 -m venv build/venv; fi
