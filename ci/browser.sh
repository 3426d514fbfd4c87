#!/usr/bin/env bash
# Has Chromium, headless, load a page from the file server over TLS, on both back ends. Passed over where there is no
# chromium and none can be installed.
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

work=$(mktemp -d)
server=
end() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
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
done
