#!/usr/bin/env bash
# Tests clients of databases and of HTTP that are made for tokio, against servers that the tests start on ports of their own.
# Installs Debian's postgresql and redis-server if it may; tests whose server is not to be had are left out, with a message.
# Arguments are passed on.
#
# Environment: ANYIO_TEST_BACKENDS=poll on a host without io_uring.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" -eq 0 ] && ! { [ -d /usr/lib/postgresql ] && command -v redis-server >/dev/null; }; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql redis-server ||
        echo "some servers cannot be installed, and their tests are left out" >&2
fi
cargo test --locked --package anyio-tokio-databases --all-targets "$@"
cargo test --locked --package anyio-tokio --features postgres,redis --doc
