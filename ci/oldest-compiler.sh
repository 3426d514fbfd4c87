#!/bin/sh
# Type-checks the packages with the oldest compiler that they promise to work with: the one of Debian stable.
#
#     ci/oldest-compiler.sh
#
# The compiler and the C library that it needs come from Debian; they are fetched once, by apt-get in a folder of their
# own, without changing the machine's package sources. This machine's cargo and linker are used. Everything is kept
# under target/oldest-compiler: the first run downloads some 100 MB.
#
# Ends with 77 if the packages are not to be had.
#
# Environment: SUITE, the Debian suite (trixie); CARGO_TARGET_DIR as usual.
set -eu

cd "$(dirname "$0")/.."
suite=${SUITE:-trixie}
mkdir -p "${CARGO_TARGET_DIR:-target}/oldest-compiler"
cache=$(cd "${CARGO_TARGET_DIR:-target}/oldest-compiler" && pwd)
root=$cache/$suite
. ci/debian-packages.sh

# Fetches and unpacks the packages into this folder.
fetch() {
    own_apt apt-get update || return
    version=$(own_apt apt-cache show --no-all-versions rustc | sed -nE 's/^Version: ([0-9]+\.[0-9]+).*/\1/p')
    needed=$(own_apt apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances "libstd-rust-$version" | grep -E '^lib[a-z0-9.+-]+$' | grep -v '^libstd-rust' | sort -u)
    rm -rf "$1" "$cache/packages"
    mkdir -p "$cache/packages"
    # shellcheck disable=SC2086 # each word is a package
    (cd "$cache/packages" && own_apt apt-get download rustc "libstd-rust-$version" libstd-rust-dev $needed) || return
    for package in "$cache"/packages/*.deb; do
        dpkg-deb -x "$package" "$1" || return
    done
}

if [ ! -d "$root" ]; then
    if ! fetch "$root.part"; then
        echo "the compiler of Debian $suite is not to be had here" >&2
        exit 77
    fi
    mv "$root.part" "$root"
fi

libraries=$root/usr/lib/$(uname -m)-linux-gnu
cat >"$cache/rustc" <<COMPILER
#!/bin/sh
exec "$libraries/$(basename "$(ls "$libraries"/ld-linux-*.so.* | head -n 1)")" --library-path "$libraries" \\
    "$root/usr/bin/rustc" --sysroot "$root/usr" "\$@"
COMPILER
chmod +x "$cache/rustc"
# All features but AWS-LC, which is C and takes a minute; beside ring nothing of our own is built for it.
features=$(sed -n '/^\[features\]/,/^$/s|^\([a-z-]*\) = .*|anyio/\1|p' Cargo.toml | grep -v aws-lc | paste -sd,)
RUSTC=$cache/rustc RUSTFLAGS="-D warnings" CARGO_TARGET_DIR=$cache/build \
    cargo check --locked --features "$features" -p anyio -p anyio-driver -p anyio-fallback -p anyio-uring -p anyio-macros
