#!/usr/bin/env bash
# Runs the tests on an operating system that does, by seeds, all that it may. It runs the programs that `cargo test` has
# built. A failure tells the line that repeats it with the fewest faults. In the end it says how often each fault has
# happened, and fails if one never has.
#
#     ci/chaos.sh [SEED...]        the seeds 1, 2 and 3 unless others are named
#
# Environment: CHAOS_AREAS="structure sync" for some areas, CHAOS_LIMIT for the seconds that one area may take (300);
# ANYIO_TEST_SHUFFLE and ANYIO_TEST_BACKENDS as ever.
set -euo pipefail
cd "$(dirname "$0")/.."

ulimit -n "$(ulimit -Hn)" || echo "the limit of descriptors stays at $(ulimit -n)"
read -ra areas <<<"${CHAOS_AREAS:-structure sync streams network files processes signals runtime leftovers cancel_everywhere}"
read -ra seeds <<<"${*:-1 2 3}"
declare -A programs
while read -r area program; do
    programs[$area]=$program
done < <(cargo test --no-run "${areas[@]/#/--test=}" 2>&1 |
    tee /dev/stderr | sed -n 's|.*Executable tests/\([a-z_]*\)/main.rs (\(.*\))|\1 \2|p')
for area in "${areas[@]}"; do
    [ -n "${programs[$area]:-}" ] || {
        echo "FAILED: the tests of $area are not built"
        exit 1
    }
done
tally=$(mktemp)
trap 'rm -f "$tally"' EXIT
failed=()
for seed in "${seeds[@]}"; do
    for area in "${areas[@]}"; do
        echo "=== $area with seed $seed"
        # Without cargo in between, which would leave it behind.
        CARGO_MANIFEST_DIR=$PWD ANYIO_TEST_CHAOS=$seed ANYIO_TEST_CHAOS_TALLY=$tally \
            timeout --kill-after 5 "${CHAOS_LIMIT:-300}" "${programs[$area]}" --quiet || failed+=("$area with seed $seed")
    done
done
echo "=== what has happened"
[ -s "$tally" ] || failed+=("nothing is known of any fault")
awk '{ counts[$1] += $2 } END { for (name in counts) print name, counts[name] }' "$tally" | sort
while read -r fault; do
    failed+=("no test has met the fault: $fault")
done < <(awk '{ counts[$1] += $2 } END { for (name in counts) if (!counts[name]) print name }' "$tally")
if [ "${#failed[@]}" -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[@]}"
    exit 1
fi
