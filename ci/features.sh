#!/bin/sh
# Type-checks the library alone with each set of features that a user may choose, and without any; warnings are errors.
#
#     ci/features.sh
#
# AWS-LC is compiled from C once, which takes a minute; after that the whole takes some seconds for each set whose
# crates have changed.
#
# Environment: CARGO_TARGET_DIR as usual.
set -eu

cd "$(dirname "$0")/.."
export RUSTFLAGS="-D warnings"
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/features
export CARGO_TARGET_DIR
for features in "" tls-core tls-ring tls-aws-lc-rs tls-ring,tls-aws-lc-rs tls-core,tls-native-roots \
    tls-aws-lc-rs,tls-native-roots,tls-webpki-roots tokio-io; do
    echo "checking anyio with ${features:-no features}"
    cargo check --quiet --locked -p anyio --lib --no-default-features --features "$features"
done
