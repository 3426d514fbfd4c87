#!/usr/bin/env bash
# Runs the tests on an operating system that does, by seeds, all that it may. It runs the programs that `cargo test` has
# built. A failure tells the line that repeats it with the fewest faults. In the end it says how often each fault has
# happened, and fails if one never has. With odd seeds tasks are polled in another order, too, by the same seed.
#
#     ci/chaos.sh [SEED | FIRST-LAST]...        the seeds 1, 2 and 3 unless others are named
#
# Areas that take long are run with the first seed only, and without what gains little: how cancel_everywhere itself goes
# about it and what asks no driver, TLS there (which has chaos among the network), and what of the file server waits for
# the real time. What makes very many of something, and what compares with models and asks no driver, is run with the first
# seed only, too. Areas that are named in CHAOS_AREAS are run as a whole with each seed. Not run is backend_choice: it starts
# programs that choose their drivers and looks which they have got, so no test of it is in a run.
#
# With thousands of seeds, give it a folder to CHAOS_KEEP. What the tests say is kept there for those alone that fail
# (`AREA-SEED.log`), with a line for each area and seed (`runs`: area, seed, passed, failed, seconds) and the counts
# (`tally`). Seeds that have their line are not run again, so a run that was stopped goes on. Copies of the programs are run,
# so what is built meanwhile changes nothing. What makes very many of something is left out with all seeds but the first.
#
# Environment: CHAOS_AREAS="structure sync" for some areas, CHAOS_LIMIT for the seconds that one area may take (300);
# CHAOS_SECONDS for all, after which no other seed is begun; CHAOS_SHUFFLE, which seeds shuffle tasks, too: odd, all or none;
# ANYIO_TEST_BACKENDS as ever. The tests of the file server start an example, which has to be built.
set -euo pipefail
cd "$(dirname "$0")/.."

ulimit -n "$(ulimit -Hn)" || echo "the limit of descriptors stays at $(ulimit -n)"
keep=${CHAOS_KEEP:-}
shuffled=${CHAOS_SHUFFLE:-odd}
case $shuffled in
    odd | all | none) ;;
    *)
        echo "CHAOS_SHUFFLE is odd, all or none, not $shuffled"
        exit 1
        ;;
esac
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
    [structure]="thousand those_that_start_each_other"
    [sync]="models million random_programs"
    [streams]="conform"
    [runtime]="million"
    [leftovers]="million thousand"
)
if [ -n "${CHAOS_AREAS:-}" ] && [ -z "$keep" ]; then
    left_out_later=()
fi
seeds=()
for named in ${*:-1 2 3}; do
    seeds+=($(seq "${named%-*}" "${named#*-}"))
done
if [ -n "$keep" ]; then
    mkdir -p "$keep"
    keep=$(cd "$keep" && pwd)
    touch "$keep/runs"
fi
declare -A programs
while read -r area program; do
    programs[$area]=$program
    if [ -n "$keep" ]; then
        # In the same folder, as tests look from there for the examples.
        programs[$area]=$(dirname "$program")/kept-$(tr -c 'a-z0-9\n' - <<<"$keep")-$area
        cp --remove-destination "$program" "${programs[$area]}"
    fi
done < <(cargo test --no-run $(printf -- '--test=%s ' "${areas[@]}" ${once[@]+"${once[@]}"}) 2>&1 |
    tee /dev/stderr | sed -n 's|.*Executable tests/\([a-z_]*\)/main.rs (\(.*\))|\1 \2|p')
for area in "${areas[@]}" ${once[@]+"${once[@]}"}; do
    [ -n "${programs[$area]:-}" ] || {
        echo "FAILED: the tests of $area are not built"
        exit 1
    }
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tally=${keep:-$scratch}/tally
touch "$tally"
failed=()

# Adds up what the tests have noted, which would become long.
sum_up() {
    touch "$scratch/noted"
    awk '{ counts[$1] += $2 } END { for (name in counts) print name, counts[name] }' "$tally" "$scratch/noted" |
        sort >"$scratch/sum"
    rm "$scratch/noted"
    cp "$scratch/sum" "$tally"
}

# Whether tasks are shuffled with this seed.
shuffles() {
    [ "$shuffled" = all ] || [ "$shuffled$(($1 % 2))" = odd1 ]
}

# Runs an area with a seed, but for the tests whose names have these words: run AREA SEED WORDS
run() {
    local words order=
    read -ra words <<<"$3"
    ! shuffles "$2" || order=$2
    # Without cargo in between, which would leave it behind.
    CARGO_MANIFEST_DIR=$PWD ANYIO_TEST_CHAOS=$2 ANYIO_TEST_SHUFFLE=$order ANYIO_TEST_CHAOS_TALLY=$scratch/noted \
        timeout --kill-after 5 "${CHAOS_LIMIT:-300}" "${programs[$1]}" --quiet ${words[@]+"${words[@]/#/--skip=}"}
}

# The same, of which what fails is kept, or all is shown.
try() {
    local area=$1 seed=$2 begun=$SECONDS
    if [ -z "$keep" ]; then
        echo "=== $area with seed $seed"
        run "$@" || failed+=("$area with seed $seed")
        return
    fi
    ! grep -q "^$area $seed " "$keep/runs" || return 0
    if ! run "$@" >"$scratch/said" 2>&1; then
        failed+=("$area with seed $seed")
        mv "$scratch/said" "$keep/$area-$seed.log"
        ln -s "$keep/$area-$seed.log" "$scratch/said"
        echo "=== $area with seed $seed has failed: $keep/$area-$seed.log"
    fi
    awk -v area="$area" -v seed="$seed" -v seconds=$((SECONDS - begun)) '
        /^test result: / { passed = $4; failed = $6 }
        END { print area, seed, passed + 0, passed == "" ? "?" : failed, seconds }
    ' "$scratch/said" >>"$keep/runs"
    rm "$scratch/said"
    sum_up
}

for area in "${areas[@]}"; do
    try "$area" "${seeds[0]}" ""
done
for area in ${once[@]+"${once[@]}"}; do
    try "$area" "${seeds[0]}" "${left_out[$area]:-}"
done
for seed in "${seeds[@]:1}"; do
    for area in "${areas[@]}"; do
        [ "$SECONDS" -lt "${CHAOS_SECONDS:-1000000}" ] || break 2
        try "$area" "$seed" "${left_out_later[$area]:-}"
    done
done
echo "=== what has happened"
sum_up
[ -s "$tally" ] || failed+=("nothing is known of any fault")
for seed in "${seeds[@]}"; do
    if shuffles "$seed" && ! grep -q '^shuffled ' "$tally"; then
        failed+=("no test has had its tasks shuffled")
        break
    fi
done
cat "$tally"
if [ -n "$keep" ]; then
    awk '{ seeds[$1]++; passed[$1] += $3; failed[$1] += $4; seconds[$1] += $5 }
        END { for (area in seeds)
            printf "%s: %d seeds, %d passed, %d failed, %d s\n", area, seeds[area], passed[area], failed[area], seconds[area] }
    ' "$keep/runs" | sort
fi
# Each kind of call is refused by tests/leftovers/refused_calls.rs; here only those are met that the tests make.
while read -r fault; do
    failed+=("no test has met the fault: $fault")
done < <(awk '!$2 && $1 !~ /^call:/ { print $1 }' "$tally")
if [ "${#failed[@]}" -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[@]}"
    exit 1
fi
