#!/usr/bin/env bash
# The file server among the examples beside nginx and ServeDir on tokio: processor time of the server for a request, and
# requests per second, with files of 1 KB, 100 KB and 4 MiB on connections that are kept. All servers are there from the
# start and have the first processor; the load (wrk), on the second, goes from one to the next. At the end come the medians
# of what each took divided by what nginx took in the same round. Needs wrk, and nginx (Debian: nginx-light); a server
# that is not there is named and left out.
#
#     cargo build --release --example file_server
#     cargo build --release -p anyio-benches --example serve_dir
#     benches/file-server.sh [SECONDS] [ROUNDS] [CELL...]       such as 2 5 1Kx50 4Mx500
set -euo pipefail
seconds=${1:-2} rounds=${2:-5}
shift $(($# > 2 ? 2 : $#))
cells=("${@:-}")
[ -n "${cells[0]}" ] || cells=(1Kx50 100Kx50 4Mx50 1Kx500 100Kx500 4Mx500)
top=$(cd "$(dirname "$0")/.." && pwd)
examples=${CARGO_TARGET_DIR:-$top/target}/release/examples
[ -x "$examples/file_server" ] || { echo "build it first: cargo build --release --example file_server"; exit 1; }
command -v wrk >/dev/null || { echo "wrk is not installed (Debian: wrk)"; exit 1; }

work=$(mktemp -d)
chmod 755 "$work"
declare -A process port
trap 'kill -KILL "${process[@]}" 2>/dev/null; rm -rf "$work"' EXIT
mkdir "$work/files"
head -c 1024 /dev/urandom >"$work/files/1K"
head -c 102400 /dev/urandom >"$work/files/100K"
head -c 4194304 /dev/urandom >"$work/files/4M"
ticks=$(getconf CLK_TCK)

# start NAME COMMAND...: a server at the port of that name
start() {
    taskset -c 0 "${@:2}" >/dev/null 2>&1 &
    process[$1]=$!
    names+=("$1")
    curl --silent --fail --retry 50 --retry-connrefused --retry-delay 0 --output /dev/null \
        "http://127.0.0.1:${port[$1]}/1K"
}

names=()
port=([nginx]=18101 [anyio-uring]=18102 [anyio-poll]=18103 [serve-dir]=18104)
if command -v nginx >/dev/null; then
    cat >"$work/nginx.conf" <<CONF
master_process off; daemon off; pid $work/nginx.pid; error_log $work/nginx.log;
events { worker_connections 4096; }
http {
    sendfile on; tcp_nopush on; access_log off; keepalive_requests 1000000000; default_type application/octet-stream;
    open_file_cache max=1000; open_file_cache_valid 1s;
    server { listen 127.0.0.1:${port[nginx]}; root $work/files; }
}
CONF
    start nginx nginx -c "$work/nginx.conf"
else
    echo "nginx is not installed (Debian: nginx-light), and is left out"
fi
for backend in uring poll; do
    start anyio-$backend "$examples/file_server" "$work/files" --port "${port[anyio-$backend]}" --backend $backend --quiet \
        --idle-timeout 600
done
if [ -x "$examples/serve_dir" ]; then
    start serve-dir "$examples/serve_dir" "$work/files" "${port[serve-dir]}"
else
    echo "serve_dir is not built, and is left out"
fi

# The processor time of a process so far, in ticks
used() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

# measure CELL NAME: microseconds of processor time for each request, and requests per second
measure() {
    local before after requests rate
    before=$(used "${process[$2]}")
    read -r requests rate < <(taskset -c 1 wrk -t1 -c"${1#*x}" -d"${seconds}s" "http://127.0.0.1:${port[$2]}/${1%x*}" |
        awk '/requests in/ { n = $1 } /Requests\/sec/ { print n, $2 }')
    after=$(used "${process[$2]}")
    awk -v ticks="$ticks" -v used=$((after - before)) -v requests="$requests" -v rate="$rate" \
        'BEGIN { print used * 1e6 / ticks / requests, rate }'
}

for cell in "${cells[@]}"; do
    for ((round = 0; round < rounds; round++)); do
        for name in $(printf '%s\n' "${names[@]}" | shuf); do
            echo "$cell $round $name $(measure "$cell" "$name")"
        done
    done
done | tee "$work/figures"

echo
awk -v reference="${names[0]}" '
    function median(list, n, sorted, i, j, kept) {
        n = split(list, sorted, " ")
        for (i = 2; i <= n; i++) for (j = i; j > 1 && sorted[j] + 0 < sorted[j - 1] + 0; j--) {
            kept = sorted[j]; sorted[j] = sorted[j - 1]; sorted[j - 1] = kept
        }
        return n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
    }
    { cost[$1, $2, $3] = $4; rate[$1, $2, $3] = $5; cells[$1]; rounds[$2]; names[$3] }
    END {
        printf "%-10s %-12s %12s %12s\n", "cell", "server", "CPU ÷ " reference, "requests/s ÷"
        for (cell in cells) for (name in names) {
            costs = rates = ""
            for (round in rounds) {
                costs = costs " " cost[cell, round, name] / cost[cell, round, reference]
                rates = rates " " rate[cell, round, name] / rate[cell, round, reference]
            }
            printf "%-10s %-12s %12.2f %12.2f\n", cell, name, median(costs), median(rates) | "sort"
        }
    }' "$work/figures"
