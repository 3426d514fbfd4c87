#!/usr/bin/env bash
# Runs the tests on rings that lack operations, one after the other, as those of older kernels do: what is missing costs only
# itself, and a thread or a call does it. It runs the programs that `cargo test` has built.
#
#     ci/lacking.sh [KINDS]...        all that may be missing, each by itself, and then all at once; or what is named:
#                                     "Open Status" is a ring that lacks both
#
# Environment: LACKING_AREAS="files processes" for some areas, LACKING_LIMIT for the seconds that one area may take (300).
set -euo pipefail
cd "$(dirname "$0")/.."

ulimit -n "$(ulimit -Hn)" || echo "the limit of descriptors stays at $(ulimit -n)"
read -ra areas <<<"${LACKING_AREAS:-files streams processes network runtime leftovers}"
# Those that `tests/files/lacking.rs` has, and the ways to receive that came later.
all=(Shutdown Open Synchronize Status Truncate Allocate Advise Unlink Rename MakeDirectory Link SymbolicLink WaitProcess
    ReceiveMultishot ReceiveMessages "ReceivePooled ReceiveMultishot ReceiveMessages")
rings=("$@")
[ $# -gt 0 ] || rings=("${all[@]}" "${all[*]}")
declare -A programs
while read -r area program; do
    programs[$area]=$program
done < <(cargo test --no-run $(printf -- '--test=%s ' "${areas[@]}") 2>&1 |
    tee /dev/stderr | sed -n 's|.*Executable tests/\([a-z_]*\)/main.rs (\(.*\))|\1 \2|p')
failed=()
for ring in "${rings[@]}"; do
    for area in "${areas[@]}"; do
        echo "=== $area without $ring"
        # Without cargo in between, which would leave it behind. One test asks how often a kernel that has all found no buffer.
        CARGO_MANIFEST_DIR=$PWD ANYIO_TEST_BACKENDS=uring ANYIO_TEST_LACKING=$ring \
            timeout --kill-after 5 "${LACKING_LIMIT:-300}" "${programs[$area]}" --quiet --skip=million --skip=thousand \
            --skip=a_burst_is_received_whole ||
            failed+=("$area without $ring")
    done
done
if [ "${#failed[@]}" -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[@]}"
    exit 1
fi
