//! Streams of objects as what the combinators of other crates take, and the other way round.
//!
//! [`ObjectItems`] and [`ObjectSink`] make a receiving stream a [`futures_core::Stream`] and a sending stream a
//! [`futures_sink::Sink`]. [`ItemStream`], [`TryItemStream`] and [`SinkStream`] make streams of objects out of these.
//! [`ObjectBytes`] makes a stream of bytes out of a stream of objects that are pieces of bytes.
//!
//! ```
//! use anyio::{
//!     Result,
//!     streams::{ObjectReceiveStream, objects::{ItemStream, ObjectItems}},
//! };
//! use futures_util::{StreamExt, stream};
//!
//! # anyio::run(async || -> Result<()> {
//! let mut numbers = ItemStream::new(stream::iter(1..=3));
//! assert_eq!(numbers.receive().await?, Some(1));
//! let rest: Vec<Result<i32>> = ObjectItems::new(numbers).collect().await;
//! assert_eq!(rest.len(), 2);
//! # Ok(()) }).unwrap();
//! ```

mod bytes;
mod item_stream;
mod items;
mod sink;
mod sink_stream;

pub use bytes::ObjectBytes;
pub use item_stream::{ItemStream, TryItemStream};
pub use items::ObjectItems;
pub use sink::ObjectSink;
pub use sink_stream::SinkStream;
