//! What every stream of bytes can do.

use super::file_content::{FileContent, read_part};
use crate::error::{Error, Result};
use anyio_driver::{Chunk, IoBuf, IoBufMut};
use bytes::BufMut;
use std::{
    io::{self, IoSlice},
    ops::Range,
    task::{Context, Poll},
};

/// How many bytes are read and sent at a time where they have to be copied.
const PART: usize = 64 * 1024;

/// Where bytes come from.
#[expect(async_fn_in_trait, reason = "everything stays on its thread, so no `Send` is missing")]
pub trait ByteReceiveStream {
    /// Receives some bytes, at least one. `Ok(None)` is the end of the stream.
    ///
    /// # Errors
    /// [`Error::BrokenResource`] if the link was lost, [`Error::BusyResource`] if another task is receiving,
    /// [`Error::Cancelled`] if the scope is cancelled.
    ///
    /// # Cancel safety
    /// No byte is lost, whether the scope is cancelled or the future dropped: the next call gets it.
    async fn receive(&mut self) -> Result<Option<Chunk>>;

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
    async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>>;

    /// Receives into the caller's own buffer, from its beginning, and gives it back with the number of bytes. 0 is the end
    /// of the stream (or a buffer without room).
    ///
    /// # Errors
    /// As for [`receive`](Self::receive); the buffer comes back all the same.
    ///
    /// # Cancel safety
    /// When the scope is cancelled, a result that is there already comes out, else nothing was received. When the future is
    /// dropped, the buffer is lost, and bytes that arrive at the same moment may be.
    async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B);

    /// Receives what is there into the room that the caller's buffer has left, and gives the number of bytes, by which that has
    /// advanced. 0 is the end of the stream (or a buffer without room). A slice is a buffer, too: `&mut &mut bytes[..]`.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where [`receive`](Self::receive) would wait, [`Error::Unsupported`] if this kind of stream
    /// cannot tell, as by default, and those of [`receive`](Self::receive); no byte was received then.
    fn receive_nowait(&mut self, buffer: &mut (impl BufMut + ?Sized)) -> Result<usize> {
        let _ = buffer;
        Err(Error::Unsupported("receiving without waiting"))
    }

    /// Receives some bytes as [`receive`](Self::receive) does, for what is polled and would have to keep a future of that for
    /// as long as it takes. The task of the last poll is woken.
    ///
    /// # Errors
    /// Those of [`receive`](Self::receive), and [`Error::Unsupported`] if this stream can only receive by a future, as by
    /// default.
    ///
    /// # Cancel safety
    /// Who polls may stop at any time, and no byte is lost: whoever receives next gets it.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        let _ = cx;
        Poll::Ready(Err(Error::Unsupported("receiving without a future")))
    }

    /// Receives until the buffer's room is filled.
    ///
    /// # Errors
    /// [`Error::IncompleteRead`] if the stream ends before. What had come until then is in the buffer: its length for one
    /// that grows.
    ///
    /// # Cancel safety
    /// What had come before a cancellation is in the buffer that comes back. When the future is dropped it is lost.
    async fn receive_exactly_into<B: IoBufMut>(&mut self, mut buffer: B) -> (Result<()>, B) {
        let total = buffer.capacity();
        let mut filled = 0;
        while filled < total {
            let (result, part) = self.receive_into(buffer.room(filled, total - filled)).await;
            buffer = part.into_inner();
            match result {
                Ok(0) => return (Err(Error::IncompleteRead), buffer),
                Ok(count) => filled += count,
                Err(error) => return (Err(error), buffer),
            }
        }
        (Ok(()), buffer)
    }

    /// Closes what bytes come from and waits until that is done. What has no more to do than to be dropped leaves this as it
    /// is. A stream in both directions is closed by [`ByteStream::close`]; a borrowed one stays open.
    ///
    /// # Errors
    /// What the operating system reports; the stream is closed all the same.
    ///
    /// # Cancel safety
    /// The stream is closed in any case, also in a cancelled scope and when the future is dropped.
    async fn close_receiving(self) -> Result<()>
    where
        Self: Sized,
    {
        Ok(())
    }
}

/// Where bytes go.
#[expect(async_fn_in_trait, reason = "everything stays on its thread, so no `Send` is missing")]
pub trait ByteSendStream {
    /// Sends all bytes of a buffer.
    ///
    /// # Errors
    /// [`Error::BrokenResource`] if the link was lost, [`Error::ClosedResource`] after the end was sent,
    /// [`Error::BusyResource`] if another task is sending, [`Error::Cancelled`] if the scope is cancelled.
    ///
    /// # Cancel safety
    /// When the scope is cancelled half-way, or the future is dropped, a part of the bytes may have been sent.
    /// [`send_some`](Self::send_some) tells which.
    async fn send(&mut self, data: impl IoBuf) -> Result<()> {
        self.send_buf(data).await.0
    }

    /// Sends all bytes of a buffer and gives it back.
    ///
    /// # Errors
    /// As for [`send`](Self::send); the buffer comes back all the same.
    ///
    /// # Cancel safety
    /// As for [`send`](Self::send). When the future is dropped the buffer is lost.
    async fn send_buf<B: IoBuf>(&mut self, mut data: B) -> (Result<()>, B) {
        let (length, mut sent) = (data.length(), 0);
        loop {
            let (result, rest) = self.send_some(data.slice(sent..)).await;
            data = rest.into_inner();
            match result {
                Ok(0) if sent < length => {
                    return (Err(Error::BrokenResource(io::ErrorKind::WriteZero.into())), data);
                }
                Ok(count) => sent = length.min(sent + count),
                Err(error) => return (Err(error), data),
            }
            if sent == length {
                return (Ok(()), data);
            }
        }
    }

    /// Sends some bytes of a buffer, as many as there is room for, at least one (unless there is none), and gives the
    /// buffer back with their number. Whoever must know what was sent when a scope is cancelled sends like this, in a loop.
    ///
    /// # Errors
    /// As for [`send`](Self::send), and then no byte was sent; the buffer comes back all the same.
    ///
    /// # Cancel safety
    /// When the scope is cancelled, either the number comes out or nothing was sent. When the future is dropped, the buffer
    /// is lost and some bytes may have been sent.
    async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B);

    /// Sends the beginning of what lies in some buffers, one after the other, as far as that can be done at once, and gives
    /// the number of bytes. The buffers are only looked at, so what is sent like this is not copied.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where [`send_some`](Self::send_some) would wait, [`Error::Unsupported`] if this kind of stream
    /// cannot tell, as by default, and those of [`send`](Self::send); no byte was sent then.
    fn send_nowait(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize> {
        let _ = buffers;
        Err(Error::Unsupported("sending without waiting"))
    }

    /// Takes over the beginning of what lies in some buffers, by a copy, to be sent together with what else the run has for the
    /// system, and gives the number of bytes. That saves a call of the system, and the poll of a task to hear that it went well:
    /// this one is woken only if there is something to do about it.
    ///
    /// They go out by themselves from then on, as soon as there is room for them, whether anybody asks or the scope is cancelled.
    /// If that fails the task is woken, and the next call tells why. A stream that goes before has them sent at once, as far as
    /// there is room. Until they are sent nothing else can be sent, but for what is taken over, too, before they leave.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if this kind of stream cannot do that or would gain nothing by it, as by default,
    /// [`Error::BusyResource`] while something is sent that goes before, and those of [`send`](Self::send); nothing was taken over
    /// then.
    fn send_soon(&mut self, cx: &mut Context<'_>, buffers: &[IoSlice<'_>]) -> Result<usize> {
        let _ = (cx, buffers);
        Err(Error::Unsupported("sending with the next turn"))
    }

    /// Waits until all is sent that was [taken over](Self::send_soon).
    ///
    /// # Errors
    /// Those of [`send`](Self::send). After a cancellation it goes out all the same, after any other error it is given up.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// Tells whether all is sent that was [taken over](Self::send_soon), but does not wait for what goes out without anybody's
    /// doing: that is false. The task is woken only if there is something to do about it.
    ///
    /// # Errors
    /// As for [`poll_sent`](Self::poll_sent).
    fn poll_sent_or_sending(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        self.poll_sent(cx).map_ok(|()| true)
    }

    /// Sends a part of a file, without its bytes going through this process where the system can do that. Tells how many
    /// bytes were sent, whatever the result.
    ///
    /// As it is here it reads and sends one part after the other.
    ///
    /// # Errors
    /// As for [`send`](Self::send), those of reading, and [`Error::IncompleteRead`] if the file ends before the range.
    ///
    /// # Cancel safety
    /// When the scope is cancelled, the number says how many bytes were sent: whoever goes on from there loses none and sends
    /// none twice. When the future is dropped, some may have been sent.
    async fn send_file(&mut self, file: &impl FileContent, range: Range<u64>) -> (Result<()>, u64) {
        copy_file(self, file, range).await
    }

    /// Says that nothing more will be sent. If the stream also receives, that goes on. Does nothing the second time.
    ///
    /// What ends by being closed or dropped, as a pipe does, need not have another way, and by default there is none.
    ///
    /// # Errors
    /// [`Error::BrokenResource`] if the link was lost, [`Error::Unsupported`] if this kind of stream cannot do it.
    ///
    /// # Cancel safety
    /// Nothing is lost; it may be called again.
    async fn send_eof(&mut self) -> Result<()> {
        Err(Error::Unsupported("an end of a stream that can only be closed"))
    }

    /// Says that nothing more will be sent, closes what bytes go to, and waits until that is done. As it is here it calls
    /// [`send_eof`](Self::send_eof), if there is one, and drops the stream. A stream in both directions is closed by
    /// [`ByteStream::close`]; a borrowed one stays open.
    ///
    /// # Errors
    /// Of bytes that were sent and did not get where they should; what the operating system reports. The stream is closed
    /// all the same.
    ///
    /// # Cancel safety
    /// The stream is closed in any case, also in a cancelled scope and when the future is dropped.
    async fn close_sending(mut self) -> Result<()>
    where
        Self: Sized,
    {
        end(&mut self).await
    }
}

/// Says that nothing more will be sent by a stream that is closed right afterwards, which alone says it for some kinds.
pub(super) async fn end(stream: &mut impl ByteSendStream) -> Result<()> {
    match stream.send_eof().await {
        Err(Error::Unsupported(_)) => Ok(()),
        ended => ended,
    }
}

/// Bytes in both directions.
#[expect(async_fn_in_trait, reason = "everything stays on its thread, so no `Send` is missing")]
pub trait ByteStream: ByteReceiveStream + ByteSendStream {
    /// Closes the stream and waits until that is done.
    ///
    /// # Errors
    /// What the operating system reports; the stream is closed all the same.
    ///
    /// # Cancel safety
    /// The stream is closed in any case, also in a cancelled scope and when the future is dropped.
    async fn close(self) -> Result<()>;
}

impl<S: ByteReceiveStream + ?Sized> ByteReceiveStream for &mut S {
    async fn receive(&mut self) -> Result<Option<Chunk>> {
        (**self).receive().await
    }

    async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
        (**self).receive_at_most(max_bytes).await
    }

    async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
        (**self).receive_into(buffer).await
    }

    fn receive_nowait(&mut self, buffer: &mut (impl BufMut + ?Sized)) -> Result<usize> {
        (**self).receive_nowait(buffer)
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        (**self).poll_receive(cx)
    }
}

impl<S: ByteSendStream + ?Sized> ByteSendStream for &mut S {
    async fn send(&mut self, data: impl IoBuf) -> Result<()> {
        (**self).send(data).await
    }

    async fn send_buf<B: IoBuf>(&mut self, data: B) -> (Result<()>, B) {
        (**self).send_buf(data).await
    }

    async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
        (**self).send_some(data).await
    }

    fn send_nowait(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize> {
        (**self).send_nowait(buffers)
    }

    fn send_soon(&mut self, cx: &mut Context<'_>, buffers: &[IoSlice<'_>]) -> Result<usize> {
        (**self).send_soon(cx, buffers)
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        (**self).poll_sent(cx)
    }

    fn poll_sent_or_sending(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        (**self).poll_sent_or_sending(cx)
    }

    async fn send_file(&mut self, file: &impl FileContent, range: Range<u64>) -> (Result<()>, u64) {
        (**self).send_file(file, range).await
    }

    async fn send_eof(&mut self) -> Result<()> {
        (**self).send_eof().await
    }

    async fn close_sending(self) -> Result<()> {
        Ok(())
    }
}

/// Sends a part of a file through a buffer.
async fn copy_file(
    stream: &mut (impl ByteSendStream + ?Sized),
    file: &impl FileContent,
    range: Range<u64>,
) -> (Result<()>, u64) {
    let mut sent = 0;
    let result = async {
        let mut buffer = Vec::new();
        let length = range.end.saturating_sub(range.start);
        while sent < length {
            let wanted = usize::try_from(length - sent).map_or(PART, |left| left.min(PART));
            buffer = read_part(file, buffer, range.start + sent, wanted).await?;
            let mut used = 0;
            while used < buffer.len() {
                let (result, rest) = stream.send_some(buffer.slice(used..)).await;
                buffer = rest.into_inner();
                let count = result?;
                used += count;
                sent += count as u64;
            }
        }
        Ok(())
    };
    let result = result.await;
    (result, sent)
}
