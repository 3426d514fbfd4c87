//! What the compiler refuses; each example differs from one that works in a single point.
//!
//! ```
//! #[anyio::main(backend = "poll", spin_us = 1, receive_buffers = 16, worker_threads = 1, teardown_limit_ms = 100)]
//! async fn main() {}
//! ```
//!
//! ```compile_fail
//! #[anyio::main]
//! fn main() {}
//! ```
//!
//! ```compile_fail
//! #[anyio::main(backend = "epoll")]
//! async fn main() {}
//! ```
//!
//! ```compile_fail
//! #[anyio::main(backend = Poll)]
//! async fn main() {}
//! ```
//!
//! ```compile_fail
//! #[anyio::main]
//! async fn main(core: &anyio::Core) {}
//! ```
//!
//! A program on several cores gives `()` or a `Result`:
//!
//! ```compile_fail
//! #[anyio::main(cores = 2)]
//! async fn main() -> usize { 1 }
//! ```
//!
//! Options are of the types that the builder takes:
//!
//! ```compile_fail
//! #[anyio::main(ring_entries = "many")]
//! async fn main() {}
//! ```
//!
//! ```
//! #[anyio::functools::lru_cache(max_size = None, always_checkpoint)]
//! async fn number(_of: u8) -> anyio::Result<u8> { Ok(1) }
//! ```
//!
//! ```compile_fail
//! #[anyio::functools::lru_cache(size = 3)]
//! async fn number(_of: u8) -> anyio::Result<u8> { Ok(1) }
//! ```
//!
//! ```compile_fail
//! #[anyio::functools::cache]
//! fn number(_of: u8) -> anyio::Result<u8> { Ok(1) }
//! ```
//!
//! ```compile_fail
//! #[anyio::functools::cache]
//! async fn number(_of: f64) -> anyio::Result<u8> { Ok(1) }
//! ```
