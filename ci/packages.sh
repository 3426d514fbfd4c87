#!/usr/bin/env bash
# Packs each package that is to be published, in the order in which they need each other. Nothing is published, and nothing
# is built from what was packed; with VERIFY=1 it is, which takes as long as building everything.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=()
for package in anyio-driver anyio-uring anyio-fallback anyio-chaos anyio-macros anyio anyio-http anyio-tokio anyio-metrics \
    anyio-tonic-macros anyio-tonic; do
    packages+=(--package "$package")
done
verify=--no-verify
[ -z "${VERIFY:-}" ] || verify=
cargo package --locked --allow-dirty ${verify:+"$verify"} "${packages[@]}"
