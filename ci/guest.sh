#!/usr/bin/env bash
# Runs anyio's own tests as guests of tokio's, on both back ends. Arguments are passed on.
#
# Environment: ANYIO_TEST_BACKENDS=poll on a host without io_uring.
set -euo pipefail
cd "$(dirname "$0")/.."

# Some tests open thousands of descriptors.
ulimit -n "$(ulimit -Hn)" || echo "the limit of descriptors stays at $(ulimit -n)"
cargo test --locked --package anyio-tokio-suite --tests "$@"
