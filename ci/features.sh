#!/bin/sh
# Lints the library alone with each set of features that a user may choose, and without any, and so anyio-tonic; warnings
# are errors. Tests what only a build with the feature `tracing` has.
#
#     ci/features.sh [--aws-lc]
#
# With --aws-lc also the sets with AWS-LC, which is compiled from C first: that takes minutes.
#
# Environment: CARGO_TARGET_DIR as usual.
set -eu

cd "$(dirname "$0")/.."
sets="none tls-core tls-ring tls-core,tls-native-roots tls-ring,tls-native-roots,tls-webpki-roots
    tls-core,tls-platform-verifier tls-ring,tls-platform-verifier,tls-webpki-roots tokio-io tracing"
case ${1:-} in
    --aws-lc) sets="$sets tls-aws-lc-rs tls-ring,tls-aws-lc-rs tls-aws-lc-rs,tls-native-roots" ;;
    "") ;;
    *)
        echo "usage: ci/features.sh [--aws-lc]" >&2
        exit 2
        ;;
esac
for features in $sets; do
    echo "checking anyio with $features"
    [ "$features" != none ] || features=
    cargo clippy --quiet --locked -p anyio --lib --no-default-features --features "$features" -- -D warnings
done
for features in none tls reflection; do
    echo "checking anyio-tonic with $features"
    [ "$features" != none ] || features=
    cargo clippy --quiet --locked -p anyio-tonic --lib --no-default-features --features "$features" -- -D warnings
done
echo "testing spans"
cargo test --quiet --locked -p anyio --features tracing --test spans
