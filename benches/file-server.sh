#!/usr/bin/env bash
# The file server among the examples beside nginx: processor time of the server for a request, and requests per second, with
# files of 1 KB, 100 KB and 4 MiB on connections that are kept. Each server has the first processor, the load (wrk) the
# second. Needs wrk, and nginx (Debian: nginx-light); what is not there is said and left out.
#
#     cargo build --release --example file_server
#     benches/file-server.sh [SECONDS] [ROUNDS]
set -euo pipefail
seconds=${1:-4} rounds=${2:-3}
top=$(cd "$(dirname "$0")/.." && pwd)
program=${FILE_SERVER:-${CARGO_TARGET_DIR:-$top/target}/release/examples/file_server}
[ -x "$program" ] || { echo "build it first: cargo build --release --example file_server"; exit 1; }
command -v wrk >/dev/null || { echo "wrk is not installed (Debian: wrk)"; exit 1; }
command -v nginx >/dev/null || echo "nginx is not installed (Debian: nginx-light), so there is nothing to compare with"

work=$(mktemp -d)
chmod 755 "$work"
server=
trap '[ -z "$server" ] || kill -KILL "$server" 2>/dev/null; rm -rf "$work"' EXIT
mkdir "$work/files"
head -c 1024 /dev/urandom >"$work/files/1K"
head -c 102400 /dev/urandom >"$work/files/100K"
head -c 4194304 /dev/urandom >"$work/files/4M"
port=18100
ticks=$(getconf CLK_TCK)

used() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

measure() { # NAME PID
    local size connections before after requests rate
    for connections in 50 500; do
        for size in 1K 100K 4M; do
            before=$(used "$2")
            read -r requests rate < <(taskset -c 1 wrk -t1 -c"$connections" -d"${seconds}s" \
                "http://127.0.0.1:$port/$size" | awk '/requests in/ { n = $1 } /Requests\/sec/ { print n, $2 }')
            after=$(used "$2")
            awk -v name="$1" -v cell="${size}x$connections" -v ticks="$ticks" -v used=$((after - before)) \
                -v requests="$requests" -v rate="$rate" \
                'BEGIN { printf "%-12s %-9s %8.2f us %9.0f requests/s\n", name, cell, used * 1e6 / ticks / requests, rate }'
        done
    done
}

for ((round = 0; round < rounds; round++)); do
    port=$((port + 1))
    if command -v nginx >/dev/null; then
        cat >"$work/nginx.conf" <<CONF
worker_processes 1; worker_cpu_affinity 01; daemon off; pid $work/nginx.pid; error_log $work/nginx.log;
events { worker_connections 4096; }
http {
    sendfile on; tcp_nopush on; access_log off; keepalive_requests 1000000000; default_type application/octet-stream;
    open_file_cache max=1000; open_file_cache_valid 1s;
    server { listen 127.0.0.1:$port; root $work/files; }
}
CONF
        nginx -c "$work/nginx.conf" 2>/dev/null &
        server=$!
        sleep 1
        measure nginx "$(pgrep -P $server | head -1)"
        kill -TERM $server
        wait $server 2>/dev/null || true
    fi
    for backend in uring poll; do
        port=$((port + 1))
        taskset -c 0 "$program" "$work/files" --port $port --backend $backend --quiet --idle-timeout 600 >/dev/null &
        server=$!
        sleep 1
        measure "anyio-$backend" $server
        kill -TERM $server
        wait $server 2>/dev/null || true
    done
    server=
done
