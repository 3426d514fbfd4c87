//! The tests of anyio, with every run a guest of tokio's: see `Cargo.toml`.
