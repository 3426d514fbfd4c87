//! Files as what is sent.

use crate::error::{Error, Result};
use anyio_driver::IoBufMut;
use std::os::fd::BorrowedFd;

/// What can be read at any position: an [`fs::File`](crate::fs::File), or what stands for one. Streams
/// [send](super::ByteSendStream::send_file) it.
#[expect(async_fn_in_trait, reason = "everything stays on its thread, so no `Send` is missing")]
pub trait FileContent {
    /// Reads from a position on into a buffer, at most as many bytes as it has room for, and gives their number: 0 at the
    /// end. The buffer's contents are replaced by what was read.
    ///
    /// # Errors
    /// A cancellation, and what the system says.
    ///
    /// # Cancel safety
    /// What was read before the cancellation came is given. The buffer of a future that is dropped is lost.
    async fn read_at<B: IoBufMut>(&self, buffer: B, position: u64) -> (Result<usize>, B);

    /// The file of the operating system that has the same bytes at the same positions, if there is one. Then the kernel may
    /// send them by itself.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl<F: FileContent + ?Sized> FileContent for &F {
    async fn read_at<B: IoBufMut>(&self, buffer: B, position: u64) -> (Result<usize>, B) {
        (**self).read_at(buffer, position).await
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        (**self).descriptor()
    }
}

/// Reads up to so many bytes, at least one.
pub(crate) async fn read_part(
    file: &(impl FileContent + ?Sized),
    mut buffer: Vec<u8>,
    position: u64,
    wanted: usize,
) -> Result<Vec<u8>> {
    buffer.clear();
    buffer.reserve_exact(wanted);
    let (read, room) = file.read_at(buffer.room(0, wanted), position).await;
    match read? {
        0 => Err(Error::IncompleteRead),
        _ => Ok(room.into_inner()),
    }
}
