#!/usr/bin/env bash
# The Python driver that wraps the C client library; PyPI has its source alone.
set -euo pipefail
build/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
  --no-binary mysqlclient --requirement test/e2e/requirements-built.txt
build/venv/bin/python -c 'import MySQLdb'
