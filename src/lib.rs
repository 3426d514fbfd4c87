//! anyio
