#!/usr/bin/env bash
# Has Chromium, headless, load a page from the file server over TLS, and one of axum's that keeps a WebSocket and
# server-sent events open, on both back ends. Passed over where there is no chromium and none can be installed.
#
# Environment: ANYIO_TEST_BACKENDS=poll on a host without io_uring.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v chromium >/dev/null; then
    if [ "$(id -u)" -ne 0 ] || ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }; then
        echo "passed over: there is no chromium" >&2
        exit 0
    fi
fi
cargo build --locked --example file_server --profile test
cargo build --locked --package anyio-http --example axum_live --profile test

work=$(mktemp -d)
server=
browser=
end() {
    for process in $server $browser; do
        kill -KILL "$process" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap end EXIT

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout "$work/key.pem" -out "$work/certificate.pem" 2>/dev/null
# Chromium trusts this one key.
key=$(openssl x509 -in "$work/certificate.pem" -pubkey -noout | openssl pkey -pubin -outform der |
    openssl dgst -sha256 -binary | base64)
mkdir "$work/root"
cat >"$work/root/page.html" <<'PAGE'
<!doctype html><title>a page</title><p id=text>not run</p><script src=script.js></script>
PAGE
echo 'document.getElementById("text").textContent = `loaded over ${location.protocol}`' >"$work/root/script.js"

IFS=, read -r -a backends <<<"${ANYIO_TEST_BACKENDS:-uring,poll}"
for backend in "${backends[@]}"; do
    "${CARGO_TARGET_DIR:-target}/debug/examples/file_server" --port 0 --backend "$backend" "$work/root" \
        --certificate "$work/certificate.pem" --key "$work/key.pem" >"$work/output" &
    server=$!
    port=
    for _ in $(seq 100); do
        port=$(grep -oE -m 1 'https://127\.0\.0\.1:[0-9]+' "$work/output" | grep -oE '[0-9]+$' || true)
        [ -z "$port" ] || break
        sleep 0.1
    done
    page=$(timeout 60 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" \
        --ignore-certificate-errors-spki-list="$key" --dump-dom "https://localhost:$port/page.html" 2>"$work/errors") || {
        cat "$work/errors" >&2
        echo "FAILED: chromium does not load the page" >&2
        exit 1
    }
    grep -q 'loaded over https:' <<<"$page" || {
        echo "FAILED: the page is not what was served: $page" >&2
        exit 1
    }
    kill -TERM "$server"
    wait "$server"
    server=
    echo "chromium has loaded a page over TLS on $backend"

    # With job control, since without it the shell makes what runs in the background ignore SIGINT.
    set -m
    ANYIO_BACKEND=$backend "${CARGO_TARGET_DIR:-target}/debug/examples/axum_live" 0 >"$work/output" &
    server=$!
    set +m
    address=
    for _ in $(seq 100); do
        address=$(grep -oE -m 1 'http://127\.0\.0\.1:[0-9]+' "$work/output" || true)
        [ -z "$address" ] || break
        sleep 0.1
    done
    # With a port for debuggers it stays.
    timeout 90 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" \
        --remote-debugging-port=0 "$address/" 2>"$work/errors" &
    browser=$!
    for _ in $(seq 600); do
        ! grep -q '^said: somebody has been here for two seconds$' "$work/output" || break
        sleep 0.1
    done
    grep -q '^said: somebody has come$' "$work/output" || {
        cat "$work/errors" >&2
        echo "FAILED: the page has said nothing by its WebSocket" >&2
        exit 1
    }
    grep -q '^said: somebody has been here for two seconds$' "$work/output" || {
        echo "FAILED: the page has not seen the server's events" >&2
        exit 1
    }
    kill -INT "$server"
    wait "$server"
    server=
    kill "$browser" 2>/dev/null || true
    wait "$browser" || true
    browser=
    echo "chromium has held a WebSocket and server-sent events open on $backend"
done
