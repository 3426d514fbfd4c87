//! Reading at once what is in the page cache.
//!
//! A ring tries the same within the call that submits to it, and only what the cache does not have takes longer. So
//! trying it right away blocks no longer than the ring would, and saves the way through it. Other back ends are saved
//! the way to another thread.
//!
//! # Contract
//! The kernel writes only into the room that the buffer says it has, during the call.

use crate::runtime::{Core, calls};
use anyio_driver::IoBufMut;
use std::{cell::Cell, os::fd::RawFd};

/// The most room of a buffer that is read into at once, in bytes, since copying takes the time of other tasks.
const MOST_ROOM: usize = 64 << 10;

/// The most reads for which it is not tried again after it was in vain.
const LONGEST_PAUSE: u8 = 64;

/// The cache holds whole blocks of at least this many bytes, so what ends elsewhere ends with the file.
const SMALLEST_BLOCK: u64 = 512;

/// What is known of a file's being in the cache.
#[derive(Debug, Clone, Default)]
pub(super) struct Cached {
    /// How many reads are to go by before it is tried again.
    pause: Cell<u8>,
    /// How often it was in vain: the next pause.
    next_pause: Cell<u8>,
    /// Whether the file knows no such thing.
    never: Cell<bool>,
}

impl Cached {
    /// Whether it is worth a try to read so many bytes.
    pub(super) fn is_likely(&self, room: usize) -> bool {
        if room == 0 || room > MOST_ROOM || self.never.get() {
            return false;
        }
        let pause = self.pause.get();
        self.pause.set(pause.saturating_sub(1));
        pause == 0
    }

    /// Reads what the cache has into the buffer's room behind its first `skip` bytes. Tells how many bytes that was, and
    /// whether there is nothing more to read: the room is full, or the file has ended.
    pub(super) fn read<B: IoBufMut>(
        &self,
        core: &Core,
        file: RawFd,
        buffer: &mut B,
        skip: usize,
        position: u64,
    ) -> (usize, bool) {
        assert!(skip <= buffer.capacity(), "more is skipped than there is room");
        let room = buffer.capacity() - skip;
        let mut count = 0;
        let complete = loop {
            // SAFETY: what is skipped is at most the capacity, as was just checked, and so is what was read into the rest.
            let pointer = unsafe { buffer.pointer_mut().add(skip + count) };
            // SAFETY: there is this much room behind the pointer.
            match unsafe { calls::read_cached(core, file, pointer, room - count, position + count as u64) } {
                Ok(0) => break true,
                Ok(more) => count += more,
                Err(error) => {
                    self.note_failure(error);
                    break false;
                }
            }
            let end = position + count as u64;
            if count == room || end % SMALLEST_BLOCK != 0 {
                break true;
            }
        };
        if complete {
            self.next_pause.set(0);
        }
        // SAFETY: the skipped bytes were initialised, and the kernel has filled `count` behind them.
        unsafe { buffer.set_filled(skip + count) };
        (count, complete)
    }

    fn note_failure(&self, error: i32) {
        if error == libc::EAGAIN {
            let pause = (2 * self.next_pause.get()).clamp(1, LONGEST_PAUSE);
            self.pause.set(pause);
            self.next_pause.set(pause);
        } else if matches!(error, libc::EOPNOTSUPP | libc::ENOSYS | libc::EPERM) {
            self.never.set(true);
        }
        // Other errors come again when the driver reads, and are told then.
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Backend, Builder};
    use std::{io::Write, os::fd::AsRawFd};

    fn in_run<T>(read: impl FnOnce(&Core) -> T) -> T {
        Builder::new().backend(Backend::Poll).run(async || Core::with(read)).unwrap()
    }

    #[test]
    fn what_was_just_written_is_read_at_once_up_to_the_end_of_the_file() {
        let path = std::env::temp_dir().join(format!("anyio-cached-{}", std::process::id()));
        let mut file = std::fs::File::create_new(&path).unwrap();
        file.write_all(b"hello").unwrap();
        let file = std::fs::File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let cached = Cached::default();
        assert!(cached.is_likely(64));
        let mut buffer = Vec::with_capacity(64);
        let read = in_run(|core| cached.read(core, file.as_raw_fd(), &mut buffer, 0, 1));
        // Some file systems do not know this kind of reading; then they must say so.
        if cached.never.get() {
            assert_eq!(read, (0, false));
            assert!(!cached.is_likely(64));
        } else {
            assert_eq!((read, &buffer[..]), ((4, true), &b"ello"[..]));
        }
    }

    #[test]
    fn pauses_grow_while_it_is_in_vain() {
        let cached = Cached::default();
        let tries = (0..200).filter(|_| {
            let likely = cached.is_likely(1);
            if likely {
                cached.note_failure(libc::EAGAIN);
            }
            likely
        });
        assert_eq!(tries.collect::<Vec<_>>(), [0, 2, 5, 10, 19, 36, 69, 134, 199]);
    }

    #[test]
    fn a_pipe_is_left_alone_once_it_has_refused() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let cached = Cached::default();
        let mut buffer = Vec::with_capacity(8);
        let (count, complete) = in_run(|core| cached.read(core, reader.as_raw_fd(), &mut buffer, 0, 0));
        assert_eq!((count, complete), (0, false));
    }
}
