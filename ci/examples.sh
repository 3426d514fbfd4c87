#!/usr/bin/env bash
# Builds the examples and tries them: the HTTP servers by curl and the echo server by bash's own sockets, on both back
# ends; the others by running them.
#
# Environment: ANYIO_TEST_BACKENDS=poll on a host without io_uring.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --locked --examples --profile test
cargo build --locked --package anyio --example spans --features tracing --profile test
programs=${CARGO_TARGET_DIR:-target}/debug/examples

. ci/serving.sh

# Starts an example as $server, and sets $address to what its first line says it listens on.
start() {
    local program=$1
    shift
    : >"$work/output"
    # With job control, since without it the shell makes what runs in the background ignore SIGINT.
    set -m
    "$programs/$program" "$@" >"$work/output" &
    server=$!
    set +m
    address=
    for _ in $(seq 100); do
        address=$(grep -oE -m 1 '127\.0\.0\.1:[0-9]+' "$work/output" || true)
        if [ -n "$address" ]; then
            return
        fi
        kill -0 "$server" 2>/dev/null || fail "$program ended at once"
        sleep 0.1
    done
    fail "$program does not say where it listens"
}

# The status, and headers if asked for, of a request.
status() {
    curl --silent --show-error --max-time 20 --output /dev/null --write-out '%{http_code}' "$@"
}
header() {
    local name=$1
    shift
    curl --silent --show-error --max-time 20 --output /dev/null --write-out "%header{$name}" "$@"
}
content() {
    curl --silent --show-error --max-time 20 "$@"
}

try_file_server() {
    local root=$work/root url
    mkdir -p "$root/folder with space"
    echo "a secret" >"$work/secret"
    printf 0123456789 >"$root/digits.txt"
    head -c 3000000 /dev/urandom >"$root/random.bin"
    ln -sf ../secret "$root/link"

    start file_server --port 0 --backend "$1" "$root"
    url=http://$address
    expect "a file" 0123456789 "$(content "$url/digits.txt")"
    expect "its type" "text/plain; charset=utf-8" "$(header content-type "$url/digits.txt")"
    content "$url/random.bin" | cmp - "$root/random.bin" || fail "a larger file is not the same"
    expect "HEAD" "200 10" "$(status --head "$url/digits.txt") $(header content-length --head "$url/digits.txt")"
    expect "a range" 234 "$(content --range 2-4 "$url/digits.txt")"
    expect "its status" 206 "$(status --range 2-4 "$url/digits.txt")"
    expect "several ranges" 206 "$(status --range 0-1,5-6 "$url/digits.txt")"
    expect "a range beyond the end" 416 "$(status --range 10- "$url/digits.txt")"
    expect "a file the client has" 304 \
        "$(status --header "If-None-Match: $(header etag "$url/digits.txt")" "$url/digits.txt")"
    expect "what is not there" 404 "$(status "$url/none")"
    expect "a way out" 403 "$(status --path-as-is "$url/../secret")"
    expect "an encoded way out" 403 "$(status --path-as-is "$url/%2e%2e/secret")"
    expect "a link out" 403 "$(status "$url/link")"
    expect "another method" 405 "$(status --request DELETE "$url/digits.txt")"
    expect "a request with a body" 405 "$(status --data text "$url/digits.txt")"
    expect "a folder without slash" "/folder%20with%20space/" "$(header location "$url/folder%20with%20space")"
    content --location "$url/folder%20with%20space" >/dev/null
    content "$url/" | grep -q 'href="./digits.txt"' || fail "the file is not in the list"
    expect "connections for three requests" 1 "$(curl --silent --max-time 20 --output /dev/null \
        --write-out '%{num_connects}\n' "$url/digits.txt" --output /dev/null "$url/" --output /dev/null "$url/none" |
        awk '{ count += $1 } END { print count }')"
    try_pipelining
    stop TERM
    grep -q '"GET /digits.txt HTTP/1.1" 200 10$' "$work/output" || fail "the request is not in the log"

    start file_server --port 0 --backend "$1" "$root" --cores 2 --quiet
    expect "a file from one of two cores" 0123456789 "$(content "http://$address/digits.txt")"
    stop INT
    try_https "$1" "$root"
}

# The same over TLS, and a certificate that is replaced.
try_https() {
    local url
    make_certificate
    start file_server --port 0 --backend "$1" "$2" --certificate "$work/certificate.pem" --key "$work/key.pem"
    url=https://localhost:${address##*:}
    expect "a file over TLS" 0123456789 "$(content --cacert "$work/certificate.pem" "$url/digits.txt")"
    content --cacert "$work/certificate.pem" "$url/random.bin" | cmp - "$2/random.bin" ||
        fail "a larger file is not the same over TLS"
    expect "a range over TLS" 206 "$(status --cacert "$work/certificate.pem" --range 2-4 "$url/digits.txt")"
    expect "a server that is not trusted" 000 "$(status "$url/digits.txt" 2>/dev/null || true)"
    expect "a request that is not encrypted" 000 "$(status "http://$address/" 2>/dev/null || true)"
    make_certificate
    kill -HUP "$server"
    for _ in $(seq 50); do
        status --cacert "$work/certificate.pem" "$url/digits.txt" >/dev/null 2>&1 && break
        sleep 0.1
    done
    expect "a file under the new certificate" 200 "$(status --cacert "$work/certificate.pem" "$url/digits.txt")"
    stop TERM
}

# A certificate for localhost that has signed itself.
make_certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout "$work/new-key.pem" -out "$work/new-certificate.pem" 2>/dev/null
    mv "$work/new-key.pem" "$work/key.pem"
    mv "$work/new-certificate.pem" "$work/certificate.pem"
}

# Two requests at once on one connection, the second of which is the last.
try_pipelining() {
    local answers
    exec 3<>"/dev/tcp/${address/://}"
    printf 'GET /digits.txt HTTP/1.1\r\nHost: h\r\n\r\nGET /none HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n' >&3
    answers=$(timeout 20 cat <&3 | grep -a -o 'HTTP/1.1 [0-9]*' | tr '\n' ' ')
    exec 3>&-
    expect "pipelined requests" "HTTP/1.1 200 HTTP/1.1 404 " "$answers"
}

try_echo_server() {
    local answer
    start echo_server --port 0 --backend "$1"
    exec 3<>"/dev/tcp/${address/://}"
    echo "hello" >&3
    read -r -t 20 answer <&3
    exec 3>&-
    expect "an echo" hello "$answer"
    stop INT
}

try_sharded_store() {
    local answers
    start sharded_store --port 0 --backend "$1"
    exec 3<>"/dev/tcp/${address/://}"
    printf 'set name Ada\nset other a value of words\nget name\nget other\nremove name\nget name\ncount\n' >&3
    answers=$(timeout 20 head -n 7 <&3 | tr '\n' '|')
    exec 3>&-
    expect "the answers of the store" "ok|ok|Ada|a value of words|Ada||1|" "$answers"
    stop TERM
}

try_http_servers() {
    start axum_hello 0
    expect "a handler that waits" "visit 1" "$(content "http://$address/")"
    expect "JSON" "hello Ada" \
        "$(content --header 'Content-Type: application/json' --data '{"name": "Ada"}' "http://$address/hello")"
    expect "HTTP/2" "visit 2" "$(content --http2-prior-knowledge "http://$address/")"
    stop INT
    start on_cores 0
    content "http://$address/" | grep -q '^request 1 of core' || fail "no core answers"
    stop INT
}

# What build_runner writes and how it ends: with a failure if a command fails or takes too long.
try_build_runner() {
    local status=0
    ANYIO_BACKEND=$1 timeout 60 "$programs/build_runner" 'echo out; echo oh no >&2' 'printf unfinished' >"$work/build"
    for line in '[0]| out' '[0]! oh no' '[1]| unfinished' '0 of 2 commands failed'; do
        grep -qxF -- "$line" "$work/build" || fail "build_runner does not write '$line': $(cat "$work/build")"
    done
    ANYIO_BACKEND=$1 timeout 60 "$programs/build_runner" --timeout 0.3 --grace 5 'sleep 1000' 'exit 3' >"$work/build" ||
        status=$?
    expect "build_runner's exit status after failures" 1 "$status"
    grep -q '^\[0\] ended after 0.* since its time was over$' "$work/build" || fail "the slow command was not ended"
    grep -q '^\[1\] exit status: 3 after' "$work/build" || fail "the failed command is not reported"
    grep -qxF '2 of 2 commands failed' "$work/build" || fail "build_runner does not count failures"
    status=0
    ANYIO_BACKEND=$1 timeout 60 "$programs/build_runner" --jobs 2 --fail-fast 'sleep 1000' 'exit 3' 'echo never' \
        >"$work/build" || status=$?
    expect "build_runner's exit status after the first failure" 1 "$status"
    ! grep -q never "$work/build" || fail "build_runner went on after a failure"
}

# Sums of files, the same as by another program, and a file that cannot be read.
try_hash_tree() {
    local tree=$work/tree status=0
    mkdir -p "$tree/folder"
    echo one >"$tree/one"
    : >"$tree/folder/empty"
    head -c 1000000 /dev/urandom >"$tree/folder/random"
    ANYIO_BACKEND=$1 timeout 60 "$programs/hash_tree" "$tree" 2>"$work/progress" | sort >"$work/sums"
    find "$tree" -type f -exec sha256sum {} + | sort | cmp - "$work/sums" || fail "hash_tree gives other sums"
    ANYIO_BACKEND=$1 timeout 60 "$programs/hash_tree" "$tree/none" >"$work/sums" 2>/dev/null || status=$?
    expect "hash_tree's exit status without a folder" 1 "$status"
}

for source in examples/*.rs examples/*/main.rs; do
    name=${source#examples/}
    name=${name%.rs}
    name=${name%/main}
    "$programs/$name" --help | grep -q Usage || fail "$name has no help"
done
IFS=, read -r -a backends <<<"${ANYIO_TEST_BACKENDS:-uring,poll}"
for backend in "${backends[@]}"; do
    echo "trying the examples on $backend"
    try_file_server "$backend"
    try_echo_server "$backend"
    try_sharded_store "$backend"
    ANYIO_BACKEND=$backend try_http_servers
    try_build_runner "$backend"
    try_hash_tree "$backend"
    ANYIO_BACKEND=$backend "$programs/tour" >"$work/tour"
    ANYIO_BACKEND=$backend "$programs/connection_pool" >"$work/pool"
    grep -q 'over 4 connections; after a pause 0 are open' "$work/pool" || fail "the pool kept its connections"
    ANYIO_BACKEND=$backend "$programs/spans" 2>"$work/spans"
    grep -q 'scope cancelled.*Deadline' "$work/spans" || fail "the spans do not tell of the deadline"
    grep -q 'a tree of tasks has 16 leaves' "$work/tour" || fail "the tour stopped half-way"
done
