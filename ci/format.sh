#!/usr/bin/env bash
# Checks that the code is formatted as rustfmt.toml says. `cargo fmt --all` does the formatting.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --all --check
