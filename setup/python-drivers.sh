#!/usr/bin/env bash
# The Python drivers that the end-to-end tests connect with.
set -euo pipefail
setup/venv.sh
build/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --requirement test/e2e/requirements.txt
build/venv/bin/python -c 'import asyncmy, asyncpg, mysql.connector, nacl, pg8000, psycopg, psycopg2, pymysql'
