//! Sending files without their bytes going through this process.
//!
//! # Contract
//! The kernel is asked to send pages that it has in memory, right where that is called, and never to wait: so nothing of the
//! caller's is in its hands while a task waits, and a head may be borrowed. What is not in memory is read by an operation as
//! other files are, and what there is no room for waits until the socket is writable.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod other;

#[cfg(any(target_os = "linux", target_os = "android"))]
use linux as system;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use other as system;

use super::{send_mode::Mode, sending::send_some, socket::Socket};
use crate::{
    error::{Error, Result},
    lowlevel::{checkpoint, wait_writable},
    runtime::{Core, Refusal, nothing_to_do},
    streams::{FileContent, read_part},
};
use anyio_driver::IoBuf as _;
use std::{
    ops::Range,
    os::fd::{AsFd, BorrowedFd},
};
use system::Moved;

/// How many bytes are sent before others have their turn.
const TURN: u64 = 1 << 20;

/// How many bytes are read and sent at a time where they have to be copied.
const PART: u64 = 64 * 1024;

/// What is still to be sent.
struct Rest<'a> {
    head: &'a [u8],
    content: Range<u64>,
    sent: u64,
    /// Whether the kernel may be asked to send it by itself, and how.
    mode: Option<Mode>,
}

impl Socket {
    /// Sends a head and a part of a file. Tells how many bytes of both were sent, whatever the result.
    pub(super) async fn send_file(
        &self,
        head: &[u8],
        file: &(impl FileContent + ?Sized),
        content: Range<u64>,
    ) -> (Result<()>, u64) {
        let mode = self.file_mode.get_or_init(|| Mode::of(self.descriptor().as_fd()));
        let mut rest = Rest { head, content, sent: 0, mode: *mode };
        let result = self.send_rest(&mut rest, file).await;
        (result, rest.sent)
    }

    async fn send_rest(&self, rest: &mut Rest<'_>, file: &(impl FileContent + ?Sized)) -> Result<()> {
        let _reserved = self.reserve_sending()?;
        nothing_to_do().await?;
        loop {
            let before = rest.sent;
            let (socket, file_to_send) = (self.descriptor().as_fd(), file.descriptor());
            match Core::with(|core| rest.move_directly(core, socket, file_to_send)) {
                Moved::All => return Ok(()),
                Moved::Part if rest.is_empty() => return Ok(()),
                Moved::Part => checkpoint().await?,
                Moved::NoRoom => {
                    wait_writable(self.descriptor()).await?;
                    if rest.sent > before {
                        nothing_to_do().await?;
                    }
                }
                Moved::Ended => return Err(Error::IncompleteRead),
                Moved::Absent => self.copy_part(rest, file).await?,
                Moved::Unable => rest.mode = None,
                Moved::Failed(number) => return self.judge_sent(Err(Refusal::System(number))).map(drop),
            }
        }
    }

    /// Reads some bytes of the file and sends them.
    async fn copy_part(&self, rest: &mut Rest<'_>, file: &(impl FileContent + ?Sized)) -> Result<()> {
        let wanted = (rest.content.end - rest.content.start).min(PART) as usize;
        let mut part = read_part(file, Vec::new(), rest.content.start, wanted).await?;
        let mut used = 0;
        while used < part.len() {
            let (answer, slice) = send_some(self.descriptor(), part.slice(used..)).await;
            part = slice.into_inner();
            let count = self.judge_sent(answer)?;
            used += count;
            rest.note(count as u64);
        }
        Ok(())
    }
}

impl Rest<'_> {
    fn is_empty(&self) -> bool {
        self.head.is_empty() && self.content.is_empty()
    }

    fn note(&mut self, content: u64) {
        self.content.start += content;
        self.sent += content;
    }

    /// Sends as much as there is room for, as far as the kernel can do it by itself and without waiting.
    fn move_directly(&mut self, core: &Core, socket: BorrowedFd<'_>, file: Option<BorrowedFd<'_>>) -> Moved {
        while !self.head.is_empty() {
            match system::send_now(core, socket, self.head, !self.content.is_empty()) {
                Ok(count) => {
                    self.head = &self.head[count..];
                    self.sent += count as u64;
                }
                Err(moved) => return moved,
            }
        }
        if self.content.is_empty() {
            return Moved::All;
        }
        let (Some(file), Some(mode)) = (file, self.mode) else { return Moved::Absent };
        let length = (self.content.end - self.content.start).min(TURN);
        if !system::is_in_memory(core, file, self.content.start, length) {
            return Moved::Absent;
        }
        let (count, moved) = system::send_pages(core, socket, mode, file, self.content.start, length);
        self.note(count);
        moved
    }
}
