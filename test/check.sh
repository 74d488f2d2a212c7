#!/usr/bin/env bash
# Everything that can be known of the sources without running them. All checks run, then the outcome is given.
set -uo pipefail
cd "$(dirname "$0")/.."

failed=()

check() {
  local name=$1
  shift
  local output
  if output=$("$@" 2>&1); then
    echo "ok      $name"
  else
    echo "FAILED  $name: $*"
    echo "$output" | tail -n 60
    failed+=("$name")
  fi
}

rust() {
  local component=$1
  shift
  if ! cargo "$component" --version >/dev/null 2>&1; then
    echo "missing: rustup component add ${component/fmt/rustfmt}"
    return 1
  fi
  cargo "$component" --manifest-path filters/Cargo.toml "$@"
}

check 'format and lint' node_modules/.bin/biome ci --colors=off --error-on-warnings
check 'types' node_modules/.bin/tsc --noEmit
check 'imports' node --import tsx --test test/architecture.test.ts
check 'generated files' node --import tsx --test xds-server/pure/spec/json-schema.test.ts
check 'filters: format' rust fmt --all --check
check 'filters: lint' rust clippy --quiet --locked --workspace --all-targets -- --deny warnings

if ((${#failed[@]})); then
  printf '%s failed: %s\n' "${#failed[@]}" "$(IFS=,; echo "${failed[*]}")"
  exit 1
fi
