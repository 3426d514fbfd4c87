#!/usr/bin/env bash
# Builds the documentation of what is built by default; warnings are errors.
set -euo pipefail
cd "$(dirname "$0")/.."

RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
