//! Streams of objects out of `futures_sink::Sink`s.

use crate::{
    error::{Error, Result},
    scope::foreign,
    streams::{Attributes, ObjectSendStream},
};
use futures_sink::Sink;
use std::{future::poll_fn, pin::Pin};

/// Makes a stream of objects out of a [`futures_sink::Sink`]. A send ends when the sink was flushed.
///
/// # Cancel safety
/// A send that is cancelled before the sink was ready has not sent the object. Later than that the sink has it, and it goes
/// out with the next one.
#[derive(Debug)]
pub struct SinkStream<W> {
    sink: W,
}

impl<W> SinkStream<W> {
    /// Sends to this sink. (One that is not `Unpin` is pinned with `Box::pin` before.)
    pub fn new(sink: W) -> Self {
        Self { sink }
    }

    /// The sink.
    pub fn into_inner(self) -> W {
        self.sink
    }
}

impl<T, W: Sink<T, Error: Into<Error>> + Unpin> ObjectSendStream<T> for SinkStream<W> {
    async fn send(&mut self, item: T) -> Result<()> {
        foreign(poll_fn(|cx| Pin::new(&mut self.sink).poll_ready(cx))).await?.map_err(Into::into)?;
        Pin::new(&mut self.sink).start_send(item).map_err(Into::into)?;
        foreign(poll_fn(|cx| Pin::new(&mut self.sink).poll_flush(cx))).await?.map_err(Into::into)
    }

    /// Closes the sink.
    async fn send_eof(&mut self) -> Result<()> {
        foreign(poll_fn(|cx| Pin::new(&mut self.sink).poll_close(cx))).await?.map_err(Into::into)
    }
}

impl<W> Attributes for SinkStream<W> {}
