#!/usr/bin/env bash
# Runs all tests, on both back ends, as the README says: `cargo test`. Arguments are passed on.
#
# Environment: ANYIO_TEST_BACKENDS=poll on a host without io_uring.
set -euo pipefail
cd "$(dirname "$0")/.."

# Some tests open thousands of descriptors.
ulimit -n "$(ulimit -Hn)" || echo "the limit of descriptors stays at $(ulimit -n)"
cargo test "$@"
