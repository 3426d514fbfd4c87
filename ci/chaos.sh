#!/usr/bin/env bash
# Runs areas of the tests on an operating system that does, by seeds, all that it may.
#
#     ci/chaos.sh [SEED...]
#
# Environment: CHAOS_AREAS="structure sync" for some areas, CHAOS_LIMIT for the seconds that one area may take (300);
# ANYIO_TEST_BACKENDS as ever.
set -euo pipefail
cd "$(dirname "$0")/.."

ulimit -n "$(ulimit -Hn)" || echo "the limit of descriptors stays at $(ulimit -n)"
areas=${CHAOS_AREAS:-structure sync streams network files}
tests=()
for area in $areas; do
    tests+=(--test "$area")
done
cargo test --no-run "${tests[@]}"
for seed in "${@:-1}"; do
    for area in $areas; do
        echo "=== $area with seed $seed"
        ANYIO_TEST_CHAOS=$seed timeout "${CHAOS_LIMIT:-300}" cargo test --quiet --test "$area"
    done
done
