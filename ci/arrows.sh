#!/bin/sh
# Checks that the modules of each package need each other in one direction: see ci/arrows/src/main.rs. What it prints
# are the layers of the modules in the house's map (ARCHITECTURE.md). Then it checks that the library calls the system through
# the seam alone, of which chaos hears; ci/arrows/beside-the-seam.txt has the exceptions.
#
#     ci/arrows.sh
#
# The parts of an executor are one: each acts on others by way of `Core`.
set -eu

cd "$(dirname "$0")/.."
cargo test --locked --quiet -p arrows
cargo run --locked --quiet -p arrows -- --layers --one crate::runtime src/lib.rs driver/src/lib.rs uring/src/lib.rs \
    fallback/src/lib.rs chaos/src/lib.rs macros/src/lib.rs benches/src/main.rs
cargo run --locked --quiet -p arrows -- --seam crate::runtime::calls ci/arrows/beside-the-seam.txt src/lib.rs
