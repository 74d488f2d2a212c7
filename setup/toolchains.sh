#!/usr/bin/env bash
# What has to be on the machine before: it is not installed from here, because everybody has his own way.
set -euo pipefail

missing=0

# needs COMMAND WHAT_AND_WHERE
needs() {
  if ! command -v "$1" >/dev/null; then
    echo "setup: missing $1: $2" >&2
    missing=1
  fi
}

needs node 'Node.js 20 or newer, https://nodejs.org'
needs npm 'comes with Node.js, https://nodejs.org'
needs python3 'Python 3.11 or newer, as root: apt-get install python3'
needs cargo 'Rust 1.75 or newer, https://rustup.rs'
if ((missing)); then exit 1; fi

node_major=$(node --print 'process.versions.node.split(".")[0]')
if ((node_major < 20)); then
  echo "setup: Node.js 20 or newer is needed, $(node --version) was found: https://nodejs.org" >&2
  exit 1
fi
