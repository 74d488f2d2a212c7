#!/usr/bin/env bash
# Makes a checkout ready to run, build and test; every make target begins with it. What is there already is left
# alone, so a second run costs a second. Each step is a script of its own beside this one; what it says is kept in
# build/setup/ and shown only when it fails.
#
#   setup/setup.sh [servers] [drivers] [mysql] [bench] [sim]
#     without any: what reads, checks and fuzzes the sources: packages of npm and Rust, the Envoy API
#     servers  also what runs: Envoy, the filters and the brain built, database servers, clients in Python
#     drivers  also the clients of the end-to-end tests that have to be compiled: Go, Java, C
#     mysql    also MySQL 8.0, for the optional suite
#     sim      also the simulation, compiled
#     bench    also the other proxies, the load generator, and a libpq for pgbench that can begin with TLS
set -euo pipefail
cd "$(dirname "$0")/.."
source setup/step.sh

mkdir -p build/setup build/bin
# Two runs at once would install into the same folders.
exec 9>build/setup/lock
flock 9

parts=" $* "
part() { [[ $parts == *" $1 "* ]]; }
setup/toolchains.sh
setup/system-packages.sh "$@"

javascript() {
  step 'npm packages' node_modules/.package-lock.json setup/npm-packages.sh package-lock.json .npmrc
  step 'APIs' build/sluice-api/api.json setup/apis.sh package-lock.json protos/build.ts protos/roots.json \
    protos/envoy-api/Cargo.lock protos/etcd-api/Cargo.lock protos/sluice
  if part servers; then
    step 'brain' build/js/xds-server/main.js setup/brain.sh package-lock.json setup/brain.json tsconfig.json \
      protos/roots.json protos/envoy-api/Cargo.lock protos/etcd-api/Cargo.lock xds-server
  fi
}

python() {
  step 'Envoy' build/bin/envoy setup/envoy.sh setup/envoy.txt envoy/VERSION
  step 'Python drivers' build/venv/bin/python setup/python-drivers.sh test/e2e/requirements.txt
  if part drivers; then
    step 'mysqlclient' build/venv/bin/python setup/mysqlclient.sh test/e2e/requirements-built.txt
  fi
}

filters() {
  always 'filters' setup/filters.sh
}

servers() {
  all_of python filters
}

drivers() {
  all_of go_drivers java_drivers
}

go_drivers() {
  step 'Go drivers' build/clients/go-client setup/go-drivers.sh test/e2e/clients/go
}

java_drivers() {
  step 'Java drivers' build/clients/java/Client.class setup/java-drivers.sh setup/java-drivers.txt setup/maven.sh \
    test/e2e/clients/java
}

mysql() {
  step 'MySQL 8.0' build/mysql/bin/mysqld setup/mysql.sh setup/mysql.txt setup/maven.sh
}

bench() {
  always 'load generator' setup/load.sh
}

# Made of TypeScript, below.
sim() { :; }

all_of javascript "$@"
if part sim; then
  step 'simulation' build/sim/test/simulation/main.js setup/sim.sh setup/sim.json tsconfig.json test/simulation \
    xds-server/pure xds-server/shells/control
fi
# They are in the Python environment, or made of the Envoy API: both are there by now.
if part bench; then
  step 'Traefik' build/bin/traefik setup/traefik.sh setup/traefik.txt
  step 'decision server' build/bench/test/bench/decision-server.js setup/decision-server.sh \
    setup/decision-server.json tsconfig.json test/bench/decision-server.ts test/simulation/sketch.ts xds-server \
    protos/roots.json
  step 'libpq' build/libpq/libpq.so.5 setup/libpq.sh test/e2e/requirements.txt
fi
