#!/usr/bin/env bash
# Would the tests have found it? Plants faults of the past one after the other (tests/planted/faults), and tells which tests
# find each: without chaos, or with how many seeds. Fails if one is not found, or if those tests fail without any.
#
#     ci/planted.sh [PART OF A NAME...]        all faults unless some are named
#
# Everything is built once; which fault is there is chosen as the tests run. By hand: it takes a quarter of an hour.
#
# Environment: PLANTED_SEEDS, how many seeds are tried (5); PLANTED_LIMIT, for how many seconds tests may run (60): a test
# that hangs has found something, too.
set -euo pipefail
cd "$(dirname "$0")/.."

ulimit -n "$(ulimit -Hn)" || echo "the limit of descriptors stays at $(ulimit -n)"
seeds=${PLANTED_SEEDS:-5}
limit=${PLANTED_LIMIT:-60}
faults=$(grep -v '^#' tests/planted/faults)
if [ $# -gt 0 ]; then
    faults=$(grep -F "${@/#/-e}" <<<"$faults")
fi

# Only the packages of the workspace are built anew, beside those without faults.
export RUSTC_WORKSPACE_WRAPPER=$PWD/tests/planted/rustc
declare -A programs
read -ra areas <<<"$(cut -d'|' -f2 <<<"$faults" | sort -u | tr '\n' ' ')"
while read -r area program; do
    programs[$area]=$program
done < <(printf -- '--test=%s\n' "${areas[@]}" | sed 's/^--test=lib$/--lib/' | xargs cargo test --package anyio --no-run 2>&1 |
    tee /dev/stderr | sed -nE 's@.*Executable (unittests src/|tests/)([a-z_]*)(.rs|/main.rs) \((.*)\)@\2 \4@p')

# passes AREA FILTER, with the environment as it is
passes() {
    CARGO_MANIFEST_DIR=$PWD timeout --kill-after 5 "$limit" "${programs[$1]}" $2 >"$output" 2>&1
}

# What has found it: the first test that failed, or the one that was still at it.
finder() {
    local test
    test=$(sed -n 's/^test \([^ ]*\) .*FAILED$/\1/p' "$output" | head -1)
    echo "${test:-a test that does not end, or the process died}"
}

output=$(mktemp)
trap 'rm -f "$output"' EXIT
missed=0
while IFS='|' read -r name area filter; do
    name=$(xargs <<<"$name") area=$(xargs <<<"$area") filter=$(xargs <<<"$filter")
    if ! ANYIO_TEST_CHAOS='' passes "$area" "$filter"; then
        echo "$area $filter: fails without any fault: $(finder)"
        exit 1
    fi
    export ANYIO_PLANTED=$name
    found=
    if ! ANYIO_TEST_CHAOS='' passes "$area" "$filter"; then
        found="without chaos by $(finder)"
    else
        for ((seed = 1; seed <= seeds; seed++)); do
            if ! ANYIO_TEST_CHAOS=$seed passes "$area" "$filter"; then
                test=$(finder)
                if ! ANYIO_PLANTED='' ANYIO_TEST_CHAOS=$seed passes "$area" "$filter"; then
                    echo "$area $filter: fails with seed $seed without any fault: $(finder)"
                    exit 1
                fi
                found="with chaos, seed $seed, by $test"
                break
            fi
        done
    fi
    unset ANYIO_PLANTED
    [ -n "$found" ] || missed=$((missed + 1))
    echo "$name: ${found:+found }${found:-NOT FOUND}"
done <<<"$faults"
exit $((missed > 0))
