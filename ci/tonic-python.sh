#!/usr/bin/env bash
# Tests gRPC against Python's grpcio, as a client of our server and as a server of our client. It is fetched from PyPI into the
# target folder; where that cannot be, nothing is tested, by exit code 77.
set -euo pipefail
cd "$(dirname "$0")/.."

environment=${CARGO_TARGET_DIR:-target}/tonic-python
python=$environment/bin/python
if ! "$python" -c 'import grpc_tools, grpc_health, grpc_reflection' 2>/dev/null; then
    if ! { python3 -m venv "$environment" && "$python" -m pip install --quiet --disable-pip-version-check \
        grpcio grpcio-tools grpcio-health-checking grpcio-reflection; }; then
        echo "grpcio is not to be had here" >&2
        exit 77
    fi
fi
python=$(cd "$environment/bin" && pwd)/python
export ANYIO_GRPC_PYTHON=$python
cargo test --locked --package anyio-tonic --package anyio-protocols --test tonic python::
