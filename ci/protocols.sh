#!/usr/bin/env bash
# Tests protocols and event loops of others on anyio's sockets: QUIC by quinn-proto, libcurl's multi interface, DNS messages.
# Arguments are passed on. (That of gRPC is in ci/tonic.sh, and is named here so that what both need is built once, with the same
# features.)
set -euo pipefail
cd "$(dirname "$0")/.."

cargo test --locked --package anyio-protocols --package anyio-tonic --test protocols --example quic_echo "$@"
