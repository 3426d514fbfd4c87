#!/usr/bin/env bash
# Runs test programs under the address sanitizer, on the stable compiler. Arguments go to `cargo test`; without any these are
# the tests within the library and those programs that drop, forget and cancel most:
#
#     ci/address-sanitizer.sh
#     ci/address-sanitizer.sh --test hostile_users -- --include-ignored many
#
# It is built into a folder of its own: several minutes the first time. What is forgotten on purpose is no fault here, so
# leaks are not looked for. What the kernel writes is not seen: for that `tests/hostile_users` keeps freed memory back and
# looks at it, where it runs without the sanitizer.
#
# Environment: ASAN_OPTIONS, put behind the options below.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -eq 0 ]; then
    set -- --lib --test hostile_users --test structure --test streams --test leftovers
fi
host=$(rustc -vV | sed -n 's/^host: //p')
options=detect_leaks=0:abort_on_error=1:handle_segv=2:detect_stack_use_after_return=1:allocator_may_return_null=1
ulimit -n "$(ulimit -Hn)" || echo "the limit of descriptors stays at $(ulimit -n)"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/address-sanitizer
# The sanitizer is not yet an option of the stable compiler.
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="${RUSTFLAGS:-} -Zsanitizer=address --cfg address_sanitizer"
export ASAN_OPTIONS="$options:${ASAN_OPTIONS:-}"
cargo test --locked --target "$host" "$@"
