#!/bin/sh
# Type-checks the packages for hosts other than this one: macOS and FreeBSD unless targets are given. Not their tests, whose
# cryptography needs a C compiler of the target.
#
#     ci/check-targets.sh [TARGET ...]
#
# There is no std for those targets on this machine, so it is checked from source along with them. Debian's
# rust-src of the same version has the source; it is fetched once, by apt-get in a folder of its own, without
# changing the machine's package sources. Everything is kept under target/check-targets: the first run takes
# about two minutes (some of it for the download of rust-src, the rest about 30 s for each target), later ones
# a few seconds.
#
# Environment: SUITE, the Debian suite that has rust-src of this version (trixie-backports); PACKAGES, what is
# checked; CARGO_TARGET_DIR as usual.
set -eu

cd "$(dirname "$0")/.."
suite=${SUITE:-trixie-backports}
packages=${PACKAGES:-anyio-driver anyio-fallback anyio}
if [ $# -eq 0 ]; then
    set -- x86_64-apple-darwin aarch64-apple-darwin x86_64-unknown-freebsd
fi
mkdir -p "${CARGO_TARGET_DIR:-target}/check-targets"
cache=$(cd "${CARGO_TARGET_DIR:-target}/check-targets" && pwd)
version=$(rustc --version | cut -d' ' -f2)
source=$cache/rust-src-$version
toolchain=$cache/toolchain-$version

. ci/debian-packages.sh

if [ ! -d "$source" ]; then
    own_apt apt-get update
    package=$(own_apt apt-cache madison rust-src | awk -v version="$version" \
        '{ print $3 }' | grep -F "$version" | head -n 1)
    if [ -z "$package" ]; then
        echo "Debian $suite has no rust-src $version" >&2
        exit 1
    fi
    (cd "$cache" && own_apt apt-get download "rust-src=$package")
    rm -rf "$source.part"
    dpkg-deb -x "$cache"/rust-src_*.deb "$source.part"
    mv "$source.part" "$source"
fi

# A copy of the toolchain that has the source where cargo looks for it. Hard links suffice where they can be made.
if [ ! -d "$toolchain" ]; then
    rm -rf "$toolchain.part"
    sysroot=$(rustc --print sysroot)
    cp -al "$sysroot" "$toolchain.part" 2>/dev/null || {
        rm -rf "$toolchain.part"
        cp -a "$sysroot" "$toolchain.part"
    }
    mkdir -p "$toolchain.part/lib/rustlib/src/rust"
    rm -rf "$toolchain.part/lib/rustlib/src/rust/library"
    ln -s "$source/usr/src/rustc-$version/library" "$toolchain.part/lib/rustlib/src/rust/library"
    mv "$toolchain.part" "$toolchain"
fi

selected=
for package in $packages; do
    selected="$selected -p $package"
done
for target in "$@"; do
    echo "checking $packages for $target"
    # shellcheck disable=SC2086 # the package options are words
    PATH="$toolchain/bin:$PATH" RUSTC_BOOTSTRAP=1 RUSTFLAGS="-D warnings" CARGO_TARGET_DIR="$cache/build" \
        "$toolchain/bin/cargo" check --locked -Zbuild-std=std,panic_abort,proc_macro --target "$target" $selected
done
