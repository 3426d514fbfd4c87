//! A file as a stream of bytes, at its cursor.

use super::File;
use crate::{
    error::{Error, Result},
    fs::attribute,
    lowlevel::take_chunk,
    streams::{AttributeRequest, Attributes, ByteReceiveStream, ByteSendStream},
};
use anyio_driver::{Chunk, IoBuf, IoBufMut};
use std::os::fd::AsRawFd;

impl File {
    async fn receive_chunk(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
        let chunk = take_chunk();
        let room = chunk.spare_capacity().min(max_bytes);
        let (result, chunk) = self.read(chunk.room(0, room)).await;
        Ok((result? > 0).then(|| chunk.into_inner()))
    }
}

/// Of what has no positions, as a pipe, bytes may be lost if a future is dropped; none are by a cancellation.
/// [`FileReadStream`](crate::fs::FileReadStream) reads ahead, and in longer pieces.
impl ByteReceiveStream for File {
    async fn receive(&mut self) -> Result<Option<Chunk>> {
        self.receive_chunk(usize::MAX).await
    }

    async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
        assert!(max_bytes > 0, "receiving at most 0 bytes");
        self.receive_chunk(max_bytes).await
    }

    async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
        self.read(buffer).await
    }

    async fn close_receiving(self) -> Result<()> {
        self.close().await
    }
}

impl ByteSendStream for File {
    async fn send_buf<B: IoBuf>(&mut self, data: B) -> (Result<()>, B) {
        let (result, data) = self.write_all(data).await;
        (result.map_err(|failed| Error::of_lost_link(failed.error)), data)
    }

    async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
        let (result, data) = self.write(data).await;
        (result.map_err(Error::of_lost_link), data)
    }

    async fn close_sending(self) -> Result<()> {
        self.close().await
    }
}

impl Attributes for File {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide_if_known::<attribute::Path>(|| self.path().map(Into::into));
        request.provide::<attribute::RawDescriptor>(|| self.as_raw_fd());
    }
}
