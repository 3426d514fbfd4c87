#!/usr/bin/env bash
# Runs the tests on an operating system that does, by seeds, all that it may. It runs the programs that `cargo test` has
# built. A failure tells the line that repeats it with the fewest faults. In the end it says how often each fault has
# happened, and fails if one never has.
#
#     ci/chaos.sh [SEED...]        the seeds 1, 2 and 3 unless others are named
#
# Areas that take long are run with the first seed only, and without what gains little: how cancel_everywhere itself goes
# about it and what asks no driver, TLS there (which has chaos among the network), and what of the file server waits for
# the real time. What makes very many of something, and what compares with models and asks no driver, is run with the first
# seed only, too. Areas that are named in CHAOS_AREAS are run as a whole with each seed. Not run is backend_choice: it starts
# programs that choose their drivers and looks which they have got, so no test of it is in a run.
#
# Environment: CHAOS_AREAS="structure sync" for some areas, CHAOS_LIMIT for the seconds that one area may take (300);
# ANYIO_TEST_SHUFFLE and ANYIO_TEST_BACKENDS as ever. The tests of the file server start an example, which has to be built.
set -euo pipefail
cd "$(dirname "$0")/.."

ulimit -n "$(ulimit -Hn)" || echo "the limit of descriptors stays at $(ulimit -n)"
read -ra areas <<<"${CHAOS_AREAS:-structure sync streams network files processes signals runtime leftovers}"
once=()
if [ -z "${CHAOS_AREAS:-}" ]; then
    once=(hostile_users cancel_everywhere file_server)
fi
declare -A left_out=(
    [cancel_everywhere]="mechanism completeness tls names sync structure"
    [file_server]="timeouts shutdown features content"
)
# By the other seeds.
declare -A left_out_later=(
    [structure]="ten_thousand hundred_thousand"
    [sync]="models million random_programs"
    [runtime]="million"
    [leftovers]="million thousand"
)
[ -z "${CHAOS_AREAS:-}" ] || left_out_later=()
read -ra seeds <<<"${*:-1 2 3}"
declare -A programs
while read -r area program; do
    programs[$area]=$program
done < <(cargo test --no-run $(printf -- '--test=%s ' "${areas[@]}" "${once[@]}") 2>&1 |
    tee /dev/stderr | sed -n 's|.*Executable tests/\([a-z_]*\)/main.rs (\(.*\))|\1 \2|p')
for area in "${areas[@]}" "${once[@]}"; do
    [ -n "${programs[$area]:-}" ] || {
        echo "FAILED: the tests of $area are not built"
        exit 1
    }
done
tally=$(mktemp)
trap 'rm -f "$tally"' EXIT
failed=()
# Runs an area with a seed; what follows are arguments for its program.
run() {
    local area=$1 seed=$2
    echo "=== $area with seed $seed"
    # Without cargo in between, which would leave it behind.
    CARGO_MANIFEST_DIR=$PWD ANYIO_TEST_CHAOS=$seed ANYIO_TEST_CHAOS_TALLY=$tally \
        timeout --kill-after 5 "${CHAOS_LIMIT:-300}" "${programs[$area]}" --quiet "${@:3}" ||
        failed+=("$area with seed $seed")
}
# Runs an area with a seed but for the tests whose names have these words.
run_without() {
    local words
    read -ra words <<<"$3"
    run "$1" "$2" ${words[@]+"${words[@]/#/--skip=}"}
}
for area in "${areas[@]}"; do
    run "$area" "${seeds[0]}"
done
for area in "${once[@]}"; do
    run_without "$area" "${seeds[0]}" "${left_out[$area]:-}"
done
for seed in "${seeds[@]:1}"; do
    for area in "${areas[@]}"; do
        run_without "$area" "$seed" "${left_out_later[$area]:-}"
    done
done
echo "=== what has happened"
[ -s "$tally" ] || failed+=("nothing is known of any fault")
awk '{ counts[$1] += $2 } END { for (name in counts) print name, counts[name] }' "$tally" | sort
# Each kind of call is refused by tests/leftovers/refused_calls.rs; here only those are met that the tests make.
while read -r fault; do
    failed+=("no test has met the fault: $fault")
done < <(awk '{ counts[$1] += $2 } END { for (name in counts) if (!counts[name] && name !~ /^call:/) print name }' "$tally")
if [ "${#failed[@]}" -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[@]}"
    exit 1
fi
