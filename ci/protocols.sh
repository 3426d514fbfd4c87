#!/usr/bin/env bash
# Tests protocols and event loops of others on anyio's sockets: QUIC by quinn-proto, libcurl's multi interface, DNS messages.
# Arguments are passed on.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo test --locked --package anyio-protocols --all-targets "$@"
