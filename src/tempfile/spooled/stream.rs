//! A spooled file as a stream of bytes, at its cursor.

use super::{Place, SpooledTemporaryFile};
use crate::{
    error::{Error, Result},
    lowlevel::take_chunk,
    streams::{AttributeRequest, Attributes, ByteReceiveStream, ByteSendStream},
};
use anyio_driver::{Chunk, IoBuf, IoBufMut};

/// What is received was read at the cursor. [`BufferedByteStream`](crate::streams::BufferedByteStream) makes
/// [lines](crate::streams::BufferedByteStream::lines) of it.
impl ByteReceiveStream for SpooledTemporaryFile {
    async fn receive(&mut self) -> Result<Option<Chunk>> {
        self.receive_at_most(usize::MAX).await
    }

    async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
        assert!(max_bytes > 0, "receiving at most 0 bytes");
        let chunk = take_chunk();
        let room = chunk.spare_capacity().min(max_bytes);
        let (result, chunk) = self.read(chunk.room(0, room)).await;
        Ok((result? > 0).then(|| chunk.into_inner()))
    }

    async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
        self.read(buffer).await
    }

    async fn close_receiving(self) -> Result<()> {
        self.close().await
    }
}

/// What is sent is written at the cursor.
impl ByteSendStream for SpooledTemporaryFile {
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

/// Those of the file on the disk, as soon as there is one.
impl Attributes for SpooledTemporaryFile {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        if let Place::Disk(file) = &self.place {
            (**file).provide(request);
        }
    }
}
