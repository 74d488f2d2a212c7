#!/usr/bin/env bash
# libpq 18 out of psycopg's wheel, for Debian's pgbench: its own one cannot begin with TLS, and a plain Envoy understands
# nothing else. The program stays Debian's; `build/libpq` goes into its LD_LIBRARY_PATH.
set -euo pipefail
libraries=(build/venv/lib/python3*/site-packages/psycopg_binary.libs)
rm -rf build/libpq
cp -a "${libraries[0]}" build/libpq
newest=(build/libpq/libpq-*.so.5.*)
ln -s "$(basename "${newest[0]}")" build/libpq/libpq.so.5
# The program's own libcrypto must be the one that this libpq brings: two of them in one process corrupt each other.
for library in crypto ssl; do
  bundled=(build/libpq/lib"$library"-*.so.3)
  ln -s "$(basename "${bundled[0]}")" "build/libpq/lib$library.so.3"
done
