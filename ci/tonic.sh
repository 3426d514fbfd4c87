#!/usr/bin/env bash
# Tests gRPC: servers and clients of tonic's on anyio. Arguments are passed on to the tests.
#
#     ci/tonic.sh --generate     generates anew what the tests and the example speak, from ecosystem/tonic/proto
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = --generate ]; then
    exec cargo run --locked --package anyio-tonic-generator
fi
# Together with the protocols, so that what both need is built once, with the same features.
packages=(--package anyio-tonic --package anyio-protocols)
cargo test --locked "${packages[@]}" --test tonic --example greeter "$@"
cargo test --locked "${packages[@]}" --lib
cargo test --locked "${packages[@]}" --doc
