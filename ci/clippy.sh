#!/usr/bin/env bash
# Lints everything that is built by default, and the benchmarks; warnings are errors.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo clippy --locked --all-targets -- -D warnings
cargo clippy --locked --all-targets -p anyio-benches --features tonic -- -D warnings
