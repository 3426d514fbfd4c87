#!/usr/bin/env bash
# Tries all interleavings of the threads in the tests called `interleavings`, by means of loom, up to a bound of threads that
# are interrupted where they could go on. Arguments are passed on, such as the name of a test.
#
# It is built into a folder of its own, as other cfgs build everything anew: minutes the first time, later
# seconds.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/loom
export RUSTFLAGS="${RUSTFLAGS:-} --cfg loom"
cargo test --locked -p anyio-driver -p anyio --lib "${@:-interleavings}"
