#!/usr/bin/env bash
# Debian packages: a linker for the filters, a C++ compiler for their fuzzer; database servers and clients for the tests
# and the demo. Tests start servers of their own; a server that Debian would start while installing is kept from starting.
#
#   setup/system-packages.sh [servers] [drivers] [mysql] [bench]    also what these parts of the set-up need (setup.sh)
set -euo pipefail

packages=()

# needs PACKAGE TEST...: the package is wanted when the test fails.
needs() {
  local package=$1
  shift
  if ! "$@" >/dev/null 2>&1; then packages+=("$package"); fi
}

needs gcc command -v cc
needs g++ command -v c++
needs libc6-dev test -e /usr/include/stdlib.h

if [[ " $* " == *' servers '* ]]; then
  needs postgresql compgen -G '/usr/lib/postgresql/*/bin/postgres'
  needs postgresql-client command -v psql
  needs mariadb-server test -x /usr/sbin/mariadbd
  needs mariadb-client command -v mariadb
  needs libnss-wrapper compgen -G '/usr/lib/*/libnss_wrapper.so'
  needs haproxy test -x /usr/sbin/haproxy
  needs etcd-server command -v etcd
  needs openssl command -v openssl
  needs python3-venv python3 -c 'import ensurepip, venv'
fi
if [[ " $* " == *' drivers '* ]]; then
  needs golang-go command -v go
  needs openjdk-17-jdk-headless command -v javac
  needs maven command -v mvn
  needs libmariadb-dev test -e /usr/include/mariadb/mysql.h
  needs pkg-config command -v pkg-config
  needs python3-dev compgen -G '/usr/include/python3.*/Python.h'
  needs sysbench command -v sysbench
  needs libfaketime compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1'
fi
if [[ " $* " == *' bench '* ]]; then needs pgbouncer test -x /usr/sbin/pgbouncer; fi
if [[ " $* " == *' mysql '* ]]; then
  needs libaio1 compgen -G '/lib/*/libaio.so.1'
  needs libnuma1 compgen -G '/lib/*/libnuma.so.1'
  needs libncurses6 compgen -G '/lib/*/libncurses.so.6'
fi

if ((${#packages[@]} == 0)); then exit 0; fi

if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
  echo "setup: missing Debian packages, as root: apt-get install ${packages[*]}" >&2
  exit 1
fi

log=build/setup/system-packages.log
echo "setup: apt-get install ${packages[*]}"

# Asked by every package before it starts a service (Debian policy 9.3.3); 101 is "no".
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update && apt-get install --yes --no-install-recommends "${packages[@]}"; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "setup: could not install Debian packages; as root: apt-get update && apt-get install ${packages[*]}" >&2
  exit 1
fi

# Nor shall they start with the machine from now on.
if command -v systemctl >/dev/null; then
  for package in "${packages[@]}"; do
    case $package in
      postgresql) systemctl disable --quiet postgresql >>"$log" 2>&1 || true ;;
      etcd-server) systemctl disable --quiet etcd >>"$log" 2>&1 || true ;;
      haproxy) systemctl disable --quiet haproxy >>"$log" 2>&1 || true ;;
      pgbouncer) systemctl disable --quiet pgbouncer >>"$log" 2>&1 || true ;;
      mariadb-server) systemctl disable --quiet mariadb >>"$log" 2>&1 || true ;;
    esac
  done
fi
