# For other scripts to source: packages of another Debian suite, without changing this machine's package sources.
# Wants `suite` and `cache`, a folder to keep everything in.

# Where this machine's own Debian packages come from.
mirror=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null |
    sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb (\[[^]]*\] )?([^ ]+) .*/\2/p' | head -n 1)

# Runs an apt command with lists, caches and sources of its own.
own_apt() {
    apt=$cache/apt
    mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/sources"
    cat >"$apt/sources/$suite.sources" <<SOURCES
Types: deb
URIs: $mirror
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
    # What this machine has installed is of no concern: it may come from elsewhere.
    : >"$apt/status"
    command=$1
    shift
    "$command" -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$apt/sources" \
        -o Dir::State::Lists="$apt/lists" -o Dir::State::status="$apt/status" \
        -o Dir::Cache="$apt" -o Dir::Cache::archives="$apt/archives" \
        -o APT::Sandbox::User="$(id -un)" "$@"
}
