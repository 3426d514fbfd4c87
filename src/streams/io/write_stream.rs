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
    /// Writes some bytes, but none if there are none.
    async fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let write = poll_fn(|cx| Pin::new(&mut self.writer).poll_write(cx, bytes));
        match foreign(write).await?.map_err(failed)? {
            0 => Err(failed(io::ErrorKind::WriteZero.into())),
            count => plausible(count, bytes.len(), "written").map_err(failed),
        }
    }

    async fn write_all(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            bytes = &bytes[self.write(bytes).await?..];
        }
        self.flush().await
    }

    async fn write_some(&mut self, bytes: &[u8]) -> Result<usize> {
        let count = self.write(bytes).await?;
        match self.flush().await {
            // What was written is flushed with what follows.
            Err(Error::Cancelled(_)) if count > 0 => Ok(count),
            flushed => flushed.map(|()| count),
        }
    }

    async fn flush(&mut self) -> Result<()> {
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

fn failed(error: io::Error) -> Error {
    Error::of_stream(error, "write")
}

impl<W: AsyncWrite + Unpin> ByteSendStream for WriteStream<W> {
    async fn send_buf<B: IoBuf>(&mut self, data: B) -> (Result<()>, B) {
        (self.write_all(data.bytes()).await, data)
    }

    async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
        (self.write_some(data.bytes()).await, data)
    }

    async fn send_eof(&mut self) -> Result<()> {
        self.close().await
    }
}

impl<W> Attributes for WriteStream<W> {}
