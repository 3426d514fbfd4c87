//! The attributes `#[anyio::main]` and `#[anyio::test]`.
