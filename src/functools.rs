//! Caching what asynchronous functions give, and reducing streams to one value.
//!
//! The attributes [`#[cache]`](macro@cache) and [`#[lru_cache]`](macro@lru_cache) make a function remember its values, with a
//! cache of its own in each run. The same as a value, for closures and methods, is a [`Cache`]:
//!
//! ```
//! use anyio::{Result, functools, lowlevel};
//!
//! # anyio::run(async || -> Result<()> {
//! let lengths = functools::lru_cache(async |word: &String| {
//!     lowlevel::checkpoint().await?;
//!     anyio::Ok(word.len())
//! });
//! for _ in 0..3 {
//!     assert_eq!(lengths.call("word".to_owned()).await?, 4);
//! }
//! let info = lengths.info();
//! assert_eq!((info.hits, info.misses, info.current_size), (2, 1, 1));
//! # Ok(()) }).unwrap();
//! ```

mod entries;
mod lru_cache;
mod reduce;
mod returns_result;

pub use anyio_macros::{cache, lru_cache};
pub use lru_cache::{Cache, CacheInfo, CacheParameters, cache, lru_cache};
pub use reduce::{reduce, reduce_from};
#[doc(hidden)]
pub use returns_result::ReturnsResult;
