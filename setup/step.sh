# How the steps of a set-up are run; sourced by setup.sh.

# step NAME OUTPUT SCRIPT [INPUT...]
# Runs SCRIPT, unless OUTPUT is there and SCRIPT and every INPUT (files, folders) are what they were when it last
# succeeded.
step() {
  local name=$1 output=$2 script=$3
  shift 2
  local stamp content
  stamp=build/setup/$(basename "$script" .sh).stamp
  content=$(find "$@" -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
  if [[ -e $output && -e $stamp && $(<"$stamp") == "$content" ]]; then return; fi
  rm -f "$stamp"
  always "$name" "$script"
  echo "$content" >"$stamp"
}

# always NAME SCRIPT: runs SCRIPT, which knows by itself when there is nothing to do.
always() {
  local name=$1 script=$2 log started=$SECONDS
  log=build/setup/$(basename "$script" .sh).log
  if ! "$script" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "setup: $name failed; all it said is in $log" >&2
    exit 1
  fi
  local took=$((SECONDS - started))
  if ((took > 1)); then echo "setup: $name ($took s)"; fi
}

# all_of FUNCTION...: runs them side by side and fails when one has failed.
all_of() {
  local job jobs=() failed=0
  for job in "$@"; do
    "$job" &
    jobs+=("$!")
  done
  for job in "${jobs[@]}"; do wait "$job" || failed=1; done
  return "$failed"
}
