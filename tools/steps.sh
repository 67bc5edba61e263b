# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the scripts here: steps that are named, timed and reported.  Not for anything else.

# Debian keeps bpftool in /usr/sbin, which is not on the PATH of every user.
export PATH=$PATH:/usr/sbin:/sbin

# run_step NAME COMMAND...: runs it, prints how long it took, returns its status.
run_step() {
  local name=$1 status=0 start=$SECONDS
  shift
  echo "==> $name"
  "$@" || status=$?
  local seconds=$((SECONDS - start)) outcome=ok
  if [[ $status -ne 0 ]]; then
    outcome="failed (exit status $status)"
  fi
  printf '==> %s: %s, %d.%d min\n' "$name" "$outcome" $((seconds / 60)) $((seconds % 60 / 6))
  return "$status"
}

# build_preset NAME [arguments of cmake --build...]: configures and builds build/NAME.
build_preset() {
  local preset=$1 options=() output
  shift
  if [[ -n ${CI:-} ]]; then
    options=(-DWAGGLE_WERROR=ON)
  fi
  if ! output=$(cmake --preset "$preset" "${options[@]}" 2>&1); then
    echo "$output" >&2
    return 1
  fi
  cmake --build --preset "$preset" "$@"
}
