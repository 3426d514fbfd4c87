#!/usr/bin/env bash
# Types the web service of the README as a newcomer does: a new program beside anyio, with what the README has for its Cargo.toml and
# its main.rs. Then asks it by curl, on both back ends, and ends it by a signal.
#
# Environment: ANYIO_TEST_BACKENDS=poll on a host without io_uring.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p "${CARGO_TARGET_DIR:-target}"
CARGO_TARGET_DIR=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
export CARGO_TARGET_DIR
. ci/serving.sh

# block LANGUAGE: the first block of code in that language in the README's section about a web service.
block() {
    sed -n '/^## A web service$/,/^## /p' README.md | sed -n "/^\`\`\`$1/,/^\`\`\`\$/p" | sed '/^```$/q' | sed '/^```/d'
}

ln -s "$PWD" "$work/anyio"
cargo new --quiet --vcs none "$work/newcomer-service"
cd "$work/newcomer-service"
# Nothing newer than elsewhere is fetched.
cp "$work/anyio/Cargo.lock" .
manifest=$(cd "$work/anyio" && block toml)
[ -n "$manifest" ] || fail "the README has no Cargo.toml for a web service"
sed -i '/^\[dependencies\]/d' Cargo.toml
echo "$manifest" >>Cargo.toml
(cd "$work/anyio" && block rust) >src/main.rs
grep -q 'fn main' src/main.rs || fail "the README has no web service"
# As typed, but for the port, which others may have.
port=$((20000 + RANDOM % 10000))
sed -i "s/127\.0\.0\.1:8080/127.0.0.1:$port/" src/main.rs
grep -q "$port" src/main.rs || fail "the service of the README does not listen on port 8080"
cargo build --quiet --profile test

IFS=, read -r -a backends <<<"${ANYIO_TEST_BACKENDS:-uring,poll}"
for backend in "${backends[@]}"; do
    # With job control, since without it the shell makes what runs in the background ignore signals of the keyboard.
    set -m
    ANYIO_BACKEND=$backend "$CARGO_TARGET_DIR/debug/newcomer-service" &
    server=$!
    set +m
    answer=$(curl --silent --show-error --retry 50 --retry-delay 1 --retry-connrefused --max-time 60 "http://127.0.0.1:$port/")
    # Else another program has the port.
    kill -0 "$server" 2>/dev/null || fail "on $backend it ended at once"
    expect "the answer on $backend" hello "$answer"
    stop TERM
    echo "the service of the README works on $backend"
done
