# What the scripts share that start a server and try it from outside. Sourced: $work is a folder for what they need, and $server
# the server that runs, if one does. At the end of the script both are gone.

work=$(mktemp -d)
server=
end() {
    if [ -n "$server" ]; then
        kill -KILL "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap end EXIT

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# expect WHAT EXPECTED ACTUAL
expect() {
    [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

# Stops $server by a signal, and expects it to end well.
stop() {
    local status=0
    kill "-$1" "$server"
    for _ in $(seq 200); do
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    # One that goes on all the same is killed, which is not the status expected.
    kill -KILL "$server" 2>/dev/null || true
    wait "$server" || status=$?
    server=
    expect "the exit status after SIG$1" 0 "$status"
}
