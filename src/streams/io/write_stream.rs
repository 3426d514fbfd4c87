//! A stream out of something to write to.

use super::plausible;
use crate::{
    error::{Error, Result},
    scope::foreign,
    streams::{Attributes, ByteSendStream},
};
use anyio_driver::IoBuf;
use futures_io::AsyncWrite;
use std::{future::poll_fn, io, pin::Pin};

/// Makes a stream of bytes out of something to write to. A send ends when all bytes were written and flushed.
#[derive(Debug)]
pub struct WriteStream<W> {
    writer: W,
}

impl<W> WriteStream<W> {
    /// Sends to this writer.
    pub fn new(writer: W) -> Self {
        Self { writer }
    }

    /// The writer.
    pub fn into_inner(self) -> W {
        self.writer
    }
}

impl<W: AsyncWrite + Unpin> WriteStream<W> {
    async fn write_all(&mut self, mut bytes: &[u8]) -> Result<()> {
        let failed = |error| Error::of_stream(error, "write");
        while !bytes.is_empty() {
            let write = poll_fn(|cx| Pin::new(&mut self.writer).poll_write(cx, bytes));
            match foreign(write).await?.map_err(failed)? {
                0 => return Err(failed(io::ErrorKind::WriteZero.into())),
                count => bytes = &bytes[plausible(count, bytes.len(), "written").map_err(failed)?..],
            }
        }
        foreign(poll_fn(|cx| Pin::new(&mut self.writer).poll_flush(cx))).await?.map_err(failed)
    }

    /// Closes the writer, which says that nothing more will come.
    ///
    /// # Errors
    /// Those of the writer. [`Error::Cancelled`] if the scope is cancelled.
    ///
    /// # Cancel safety
    /// It may be called again.
    pub async fn close(&mut self) -> Result<()> {
        let closed = foreign(poll_fn(|cx| Pin::new(&mut self.writer).poll_close(cx))).await?;
        closed.map_err(|error| Error::of_stream(error, "close"))
    }
}

impl<W: AsyncWrite + Unpin> ByteSendStream for WriteStream<W> {
    async fn send_buf<B: IoBuf>(&mut self, data: B) -> (Result<()>, B) {
        (self.write_all(data.bytes()).await, data)
    }
}

impl<W> Attributes for WriteStream<W> {}
