//! The parent's ends of a child's standard streams.

use crate::{
    error::Result,
    pipe::Sending,
    receiving::{FromPipe, Receiving},
    streams::{AttributeRequest, Attributes, ByteReceiveStream, ByteSendStream, RawDescriptor},
};
use anyio_driver::{Chunk, IoBuf, IoBufMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// What a child process reads. Dropping it closes the pipe, so that the child sees the end.
#[derive(Debug)]
pub struct ChildStdin(Sending);

impl ChildStdin {
    pub(super) fn new(pipe: OwnedFd) -> Self {
        Self(Sending::new(pipe))
    }

    /// Sends all bytes of a buffer.
    ///
    /// # Errors
    /// [`Error::BrokenResource`](crate::Error::BrokenResource) if nobody reads any more: the child has closed its end, or
    /// ended. (There is no `SIGPIPE` as long as the program ignores it, which Rust programs do.)
    /// [`Error::BusyResource`](crate::Error::BusyResource) if another task is sending.
    /// [`Error::Cancelled`](crate::Error::Cancelled) if the scope is cancelled.
    ///
    /// # Cancel safety
    /// When the scope is cancelled half-way, or the future is dropped, a part of the bytes may have been sent.
    pub async fn send(&self, data: impl IoBuf) -> Result<()> {
        self.0.send_buf(data).await.0
    }

    /// Sends all bytes of a buffer and gives it back.
    ///
    /// # Errors
    /// As for [`send`](Self::send); the buffer comes back all the same.
    ///
    /// # Cancel safety
    /// As for [`send`](Self::send). When the future is dropped the buffer is lost.
    pub async fn send_buf<B: IoBuf>(&self, data: B) -> (Result<()>, B) {
        self.0.send_buf(data).await
    }

    /// Closes the pipe and waits until that is done. The child sees the end.
    ///
    /// # Errors
    /// What the operating system reports; the pipe is closed all the same.
    ///
    /// # Cancel safety
    /// The pipe is closed in any case, also in a cancelled scope and when the future is dropped.
    pub async fn close(self) -> Result<()> {
        self.0.close().await
    }

    /// Gives the bare pipe away, in blocking mode.
    ///
    /// # Errors
    /// Gives the stream back if an operation is in flight on it.
    pub fn into_owned(self) -> std::result::Result<OwnedFd, Self> {
        self.0.into_owned().map_err(Self)
    }
}

impl AsFd for ChildStdin {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl ByteSendStream for ChildStdin {
    async fn send_buf<B: IoBuf>(&mut self, data: B) -> (Result<()>, B) {
        self.0.send_buf(data).await
    }

    async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
        self.0.send_some(data).await
    }

    async fn close_sending(self) -> Result<()> {
        self.close().await
    }
}

/// Knows its [`RawDescriptor`].
impl Attributes for ChildStdin {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide::<RawDescriptor>(|| self.as_fd().as_raw_fd());
    }
}

macro_rules! output {
    ($(#[$doc:meta])* $stream:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $stream(Receiving<FromPipe>);

        impl $stream {
            pub(super) fn new(pipe: OwnedFd) -> Self {
                Self(Receiving::of_pipe(pipe))
            }

            /// Receives some bytes, at least one. `Ok(None)` is the end: all who had the other end have closed it, the
            /// child and whom it left it to.
            ///
            /// # Errors
            /// [`Error::BusyResource`](crate::Error::BusyResource) if another task is receiving,
            /// [`Error::Cancelled`](crate::Error::Cancelled) if the scope is cancelled.
            ///
            /// # Cancel safety
            /// No byte is lost, whether the scope is cancelled or the future dropped: the next call gets it.
            pub fn receive(&self) -> impl Future<Output = Result<Option<Chunk>>> {
                self.0.receive()
            }

            /// Receives at least one and at most `max_bytes` bytes. `Ok(None)` is the end.
            ///
            /// # Errors
            /// As for [`receive`](Self::receive).
            ///
            /// # Cancel safety
            /// As for [`receive`](Self::receive).
            ///
            /// # Panics
            /// If `max_bytes` is 0.
            pub async fn receive_at_most(&self, max_bytes: usize) -> Result<Option<Chunk>> {
                self.0.receive_at_most(max_bytes).await
            }

            /// Receives into the caller's own buffer, from its beginning, and gives it back with the number of bytes. 0 is
            /// the end (or a buffer without room).
            ///
            /// # Errors
            /// As for [`receive`](Self::receive); the buffer comes back all the same.
            ///
            /// # Cancel safety
            /// When the scope is cancelled the kernel is asked to cancel, and its answer counts: what was received comes
            /// out, else nothing was. When the future is dropped the buffer is lost, and bytes that arrive at the same
            /// moment may be.
            pub async fn receive_into<B: IoBufMut>(&self, buffer: B) -> (Result<usize>, B) {
                self.0.receive_into(buffer).await
            }

            /// Closes the pipe and waits until that is done. A child that goes on writing gets `SIGPIPE`.
            ///
            /// # Errors
            /// What the operating system reports; the pipe is closed all the same.
            ///
            /// # Cancel safety
            /// The pipe is closed in any case, also in a cancelled scope and when the future is dropped.
            pub async fn close(self) -> Result<()> {
                self.0.close().await
            }

            /// Gives the bare pipe away, in blocking mode, for example as the standard input of another process.
            ///
            /// # Errors
            /// Gives the stream back if something was, or is being, received that nobody has taken.
            pub fn into_owned(self) -> std::result::Result<OwnedFd, Self> {
                self.0.into_owned().map_err(Self)
            }
        }

        impl AsFd for $stream {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl ByteReceiveStream for $stream {
            async fn receive(&mut self) -> Result<Option<Chunk>> {
                self.0.receive().await
            }

            async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
                self.0.receive_at_most(max_bytes).await
            }

            async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
                self.0.receive_into(buffer).await
            }

            async fn close_receiving(self) -> Result<()> {
                self.close().await
            }
        }

        /// Knows its [`RawDescriptor`].
        impl Attributes for $stream {
            fn provide(&self, request: &mut AttributeRequest<'_>) {
                request.provide::<RawDescriptor>(|| self.as_fd().as_raw_fd());
            }
        }
    };
}

output! {
    /// What a child process writes to its standard output. Dropping it closes the pipe.
    ChildStdout
}

output! {
    /// What a child process writes to its standard error. Dropping it closes the pipe.
    ChildStderr
}
