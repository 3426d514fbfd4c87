//! What streams of both families, and their halves, have in common.

/// Implements the methods and traits of a stream that is a `Socket` behind one field.
macro_rules! stream {
    ($stream:ident, $receive_half:ident, $send_half:ident, $family:literal) => {
        impl $stream {
            #[doc = concat!("Receives some bytes, at least one. `Ok(None)` is the end of the ", $family, " stream.")]
            ///
            /// It takes `&self`, so that one task can receive while another sends.
            ///
            /// # Errors
            /// [`Error::BrokenResource`] if the link was lost, [`Error::BusyResource`] if another task is receiving,
            /// [`Error::Cancelled`] if the scope is cancelled.
            ///
            /// # Cancel safety
            /// No byte is lost, whether the scope is cancelled or the future dropped: the next call gets it.
            #[inline]
            pub fn receive(&self) -> impl Future<Output = Result<Option<Chunk>>> {
                self.socket.receive()
            }

            /// Receives at least one and at most `max_bytes` bytes. `Ok(None)` is the end of the stream.
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
                self.socket.receive_at_most(max_bytes).await
            }

            /// Receives into the caller's own buffer, from its beginning, and gives it back with the number of bytes. 0 is
            /// the end of the stream (or a buffer without room).
            ///
            /// # Errors
            /// As for [`receive`](Self::receive); the buffer comes back all the same.
            ///
            /// # Cancel safety
            /// When the scope is cancelled the kernel is asked to cancel, and its answer counts: what was received comes
            /// out, else nothing was. When the future is dropped the buffer is lost, and bytes that arrive at the same
            /// moment may be.
            pub async fn receive_into<B: IoBufMut>(&self, buffer: B) -> (Result<usize>, B) {
                self.socket.receive_into(buffer).await
            }

            /// Sends all bytes of a buffer.
            ///
            /// # Errors
            /// [`Error::BrokenResource`] if the link was lost, [`Error::ClosedResource`] after the end was sent,
            /// [`Error::BusyResource`] if another task is sending, [`Error::Cancelled`] if the scope is cancelled.
            ///
            /// # Cancel safety
            /// When the scope is cancelled half-way, or the future is dropped, a part of the bytes may have been sent.
            /// [`send_some`](Self::send_some) tells which.
            #[inline]
            pub fn send(&self, data: impl IoBuf) -> impl Future<Output = Result<()>> {
                self.socket.send(data)
            }

            /// Sends all bytes of a buffer and gives it back.
            ///
            /// # Errors
            /// As for [`send`](Self::send); the buffer comes back all the same.
            ///
            /// # Cancel safety
            /// As for [`send`](Self::send). When the future is dropped the buffer is lost.
            pub fn send_buf<B: IoBuf>(&self, data: B) -> impl Future<Output = (Result<()>, B)> {
                self.socket.send_buf(data)
            }

            /// Sends some bytes of a buffer, as many as there is room for, at least one, and gives the buffer back with
            /// their number. Whoever must know what was sent when a scope is cancelled sends like this, in a loop.
            ///
            /// # Errors
            /// As for [`send`](Self::send), and then no byte was sent; the buffer comes back all the same.
            ///
            /// # Cancel safety
            /// When the scope is cancelled, either the number comes out or nothing was sent. When the future is dropped,
            /// the buffer is lost and some bytes may have been sent.
            pub async fn send_some<B: IoBuf>(&self, data: B) -> (Result<usize>, B) {
                self.socket.send_some(data).await
            }

            /// Sends a part of a file. Tells how many bytes were sent, whatever the result. On Linux the kernel sends what it
            /// has in memory by itself, by `sendfile`; what it has not is read and sent as other bytes are, so that nobody
            /// waits for a disk.
            ///
            /// ```
            /// use anyio::{Result, fs::File, net::UnixStream};
            ///
            /// # anyio::run(async || -> Result<()> {
            /// let (client, server) = UnixStream::pair()?;
            /// let file = File::open("Cargo.toml").await?;
            /// let (result, sent) = server.send_file(&file, 0..9).await;
            /// result?;
            /// assert_eq!((client.receive().await?.unwrap().len(), sent), (9, 9));
            /// # Ok(()) }).unwrap();
            /// ```
            ///
            /// # Errors
            /// As for [`send`](Self::send), those of reading, and [`Error::IncompleteRead`] if the file ends before the range.
            ///
            /// # Cancel safety
            /// When the scope is cancelled, the number says how many bytes were sent: whoever goes on from there loses none
            /// and sends none twice. When the future is dropped, some may have been sent.
            pub async fn send_file(
                &self,
                file: &(impl FileContent + ?Sized),
                range: Range<u64>,
            ) -> (Result<()>, u64) {
                self.socket.send_file(&[], file, range).await
            }

            /// Sends some bytes, such as the head of an answer, and a part of a file behind them, together as far as the
            /// system can do that. Tells how many bytes of both were sent, whatever the result.
            ///
            /// # Errors
            /// As for [`send_file`](Self::send_file).
            ///
            /// # Cancel safety
            /// As for [`send_file`](Self::send_file).
            pub async fn send_file_after(
                &self,
                head: &[u8],
                file: &(impl FileContent + ?Sized),
                range: Range<u64>,
            ) -> (Result<()>, u64) {
                self.socket.send_file(head, file, range).await
            }

            /// Says that nothing more will be sent. Receiving goes on. Does nothing the second time.
            ///
            /// # Errors
            /// [`Error::BrokenResource`] if the link was lost, [`Error::BusyResource`] if another task is sending.
            ///
            /// # Cancel safety
            /// Nothing is lost; it may be called again.
            pub async fn send_eof(&self) -> Result<()> {
                self.socket.send_eof().await
            }

            /// Closes the stream and waits until that is done. Dropping it closes it too, at once.
            ///
            /// # Errors
            /// What the operating system reports; the stream is closed all the same.
            ///
            /// # Cancel safety
            /// The stream is closed in any case, also in a cancelled scope and when the future is dropped.
            pub async fn close(self) -> Result<()> {
                self.socket.close().await
            }

            /// Splits the stream into two halves that can go to different tasks. Tasks that can borrow need not split:
            /// receiving and sending take `&self`.
            pub fn split(self) -> ($receive_half, $send_half) {
                let stream = Rc::new(self);
                ($receive_half(stream.clone()), $send_half(stream))
            }

            /// Takes over a connected socket. Outside of a run that is an error.
            ///
            /// # Errors
            /// If the descriptor is no connected stream socket of this family.
            pub fn from_owned(descriptor: OwnedFd) -> Result<Self> {
                Self::adopt(descriptor)
            }

            /// Gives the bare socket away, in blocking mode.
            ///
            /// # Errors
            /// Gives the stream back if something was, or is being, received that nobody has taken, if a send whose future
            /// was dropped has not ended, or if something that was taken over is not sent.
            #[expect(clippy::result_large_err, reason = "the error is the stream itself")]
            pub fn into_owned(self) -> std::result::Result<OwnedFd, Self> {
                self.socket.into_owned().map_err(|socket| Self { socket })
            }
        }

        impl AsFd for $stream {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.socket.descriptor().as_fd()
            }
        }

        impl ByteReceiveStream for $stream {
            fn receive(&mut self) -> impl Future<Output = Result<Option<Chunk>>> {
                self.socket.receive()
            }

            async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
                self.socket.receive_at_most(max_bytes).await
            }

            async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
                self.socket.receive_into(buffer).await
            }

            fn receive_nowait(&mut self, buffer: &mut (impl bytes::BufMut + ?Sized)) -> Result<usize> {
                self.socket.receive_nowait(buffer)
            }

            #[inline]
            fn poll_receive(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<Option<Chunk>>> {
                self.socket.receiving().poll_receive(cx)
            }

            async fn close_receiving(self) -> Result<()> {
                self.socket.close().await
            }
        }

        impl ByteSendStream for $stream {
            async fn send(&mut self, data: impl IoBuf) -> Result<()> {
                self.socket.send(data).await
            }

            async fn send_buf<B: IoBuf>(&mut self, data: B) -> (Result<()>, B) {
                self.socket.send_buf(data).await
            }

            async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
                self.socket.send_some(data).await
            }

            fn send_nowait(&mut self, buffers: &[std::io::IoSlice<'_>]) -> Result<usize> {
                self.socket.send_nowait(buffers)
            }

            fn send_soon(
                &mut self,
                cx: &mut std::task::Context<'_>,
                buffers: &[std::io::IoSlice<'_>],
            ) -> Result<usize> {
                self.socket.send_soon(cx, buffers)
            }

            fn poll_sent(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<()>> {
                self.socket.poll_sent(cx)
            }

            fn poll_sent_or_sending(&mut self, _cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<bool>> {
                self.socket.poll_sent_or_sending()
            }

            async fn send_file(&mut self, file: &impl FileContent, range: Range<u64>) -> (Result<()>, u64) {
                self.socket.send_file(&[], file, range).await
            }

            async fn send_eof(&mut self) -> Result<()> {
                self.socket.send_eof().await
            }

            async fn close_sending(self) -> Result<()> {
                self.socket.close().await
            }
        }

        impl ByteStream for $stream {
            async fn close(self) -> Result<()> {
                self.socket.close().await
            }
        }

        #[doc = concat!("The receiving half of a [`", stringify!($stream), "`].")]
        pub struct $receive_half(Rc<$stream>);

        #[doc = concat!("The sending half of a [`", stringify!($stream), "`].")]
        ///
        /// Dropping it tells the other side that nothing more will be sent.
        pub struct $send_half(Rc<$stream>);

        impl $receive_half {
            #[doc = concat!("Puts the halves together again. Gives them back if they are of different streams.")]
            ///
            /// # Errors
            /// The two halves, if they are of different streams.
            pub fn reunite(self, send: $send_half) -> std::result::Result<$stream, (Self, $send_half)> {
                if !Rc::ptr_eq(&self.0, &send.0) {
                    return Err((self, send));
                }
                let send = std::mem::ManuallyDrop::new(send);
                // SAFETY: the half is not dropped, so its share is given up once, here.
                drop(unsafe { std::ptr::read(&send.0) });
                Ok(Rc::into_inner(self.0).expect("a stream has two halves and no more"))
            }
        }

        impl Drop for $send_half {
            fn drop(&mut self) {
                let socket = &self.0.socket;
                let last = match socket.is_eof_sent() {
                    true => $crate::runtime::Last::Nothing,
                    false => $crate::runtime::Last::End,
                };
                if !socket.soon.end(last) && !socket.is_eof_sent() {
                    // It fails if the link is gone, and then the other side knows.
                    let _ = $crate::runtime::calls::shut_down(socket.descriptor(), std::net::Shutdown::Write);
                }
            }
        }

        impl ByteReceiveStream for $receive_half {
            fn receive(&mut self) -> impl Future<Output = Result<Option<Chunk>>> {
                self.0.socket.receive()
            }

            async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
                self.0.receive_at_most(max_bytes).await
            }

            async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
                self.0.receive_into(buffer).await
            }

            fn receive_nowait(&mut self, buffer: &mut (impl bytes::BufMut + ?Sized)) -> Result<usize> {
                self.0.socket.receive_nowait(buffer)
            }

            #[inline]
            fn poll_receive(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<Option<Chunk>>> {
                self.0.socket.receiving().poll_receive(cx)
            }
        }

        impl ByteSendStream for $send_half {
            async fn send(&mut self, data: impl IoBuf) -> Result<()> {
                self.0.send(data).await
            }

            async fn send_buf<B: IoBuf>(&mut self, data: B) -> (Result<()>, B) {
                self.0.send_buf(data).await
            }

            async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
                self.0.send_some(data).await
            }

            fn send_nowait(&mut self, buffers: &[std::io::IoSlice<'_>]) -> Result<usize> {
                self.0.socket.send_nowait(buffers)
            }

            fn send_soon(
                &mut self,
                cx: &mut std::task::Context<'_>,
                buffers: &[std::io::IoSlice<'_>],
            ) -> Result<usize> {
                self.0.socket.send_soon(cx, buffers)
            }

            fn poll_sent(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<()>> {
                self.0.socket.poll_sent(cx)
            }

            fn poll_sent_or_sending(&mut self, _cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<bool>> {
                self.0.socket.poll_sent_or_sending()
            }

            async fn send_file(&mut self, file: &impl FileContent, range: Range<u64>) -> (Result<()>, u64) {
                self.0.send_file(file, range).await
            }

            async fn send_eof(&mut self) -> Result<()> {
                self.0.send_eof().await
            }
        }

        impl Split for $stream {
            type Receive = $receive_half;
            type Send = $send_half;

            fn split(self) -> ($receive_half, $send_half) {
                self.split()
            }

            fn reunite(
                receive: $receive_half,
                send: $send_half,
            ) -> std::result::Result<Self, ($receive_half, $send_half)> {
                receive.reunite(send)
            }
        }

        /// Those of the whole stream.
        impl Attributes for $receive_half {
            fn provide(&self, request: &mut AttributeRequest<'_>) {
                self.0.provide(request);
            }
        }

        /// Those of the whole stream.
        impl Attributes for $send_half {
            fn provide(&self, request: &mut AttributeRequest<'_>) {
                self.0.provide(request);
            }
        }

        impl std::ops::Deref for $receive_half {
            type Target = $stream;

            fn deref(&self) -> &$stream {
                &self.0
            }
        }

        impl std::ops::Deref for $send_half {
            type Target = $stream;

            fn deref(&self) -> &$stream {
                &self.0
            }
        }

        impl std::fmt::Debug for $receive_half {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($receive_half)).field(&self.0).finish()
            }
        }

        impl std::fmt::Debug for $send_half {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($send_half)).field(&self.0).finish()
            }
        }
    };
}

pub(super) use stream;
