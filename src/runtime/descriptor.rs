//! Descriptors that are shared with the operations in flight on them.

use super::{Answer, Core, Operation, Payload, Refusal, WaitReason};
use anyio_driver::{Driver, Op, prefetch};
use std::{
    fmt, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
    rc::Rc,
};

/// A descriptor, counted by its owner and by the operations that use it. It is closed when the last lets go, so a number
/// that an operation names is never used for something else meanwhile.
#[derive(Clone)]
pub(crate) struct Descriptor {
    shared: Rc<Shared>,
    /// The descriptor's number, which it has as long as anybody shares it. As wide as a word: with a gap behind it, what lies
    /// there would be copied in pieces whenever something is moved that holds a descriptor, which stalls the processor.
    number: i64,
}

const _: () = assert!(size_of::<Descriptor>() == size_of::<usize>() + 8);

/// The descriptor, until it is closed or given away.
struct Shared(Option<OwnedFd>);

impl Descriptor {
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        let number = descriptor.as_raw_fd().into();
        Self { shared: Rc::new(Shared(Some(descriptor))), number }
    }

    /// Takes over what an operation has opened.
    ///
    /// # Safety
    /// The number is a descriptor that nobody else owns.
    pub(crate) unsafe fn from_answer(number: u32) -> Self {
        // SAFETY: the caller's promise.
        Self::new(unsafe { OwnedFd::from_raw_fd(number as RawFd) })
    }

    #[inline]
    pub(crate) fn raw(&self) -> RawFd {
        self.number as RawFd
    }

    /// Has fetched what another share is counted in, because one will be taken soon.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch(Rc::as_ptr(&self.shared));
    }

    /// Closes the descriptor and tells how that went. If operations are still in flight on it, it is closed when the
    /// last of them has ended, and the result is a success.
    ///
    /// # Cancel safety
    /// The descriptor is closed in any case.
    pub(crate) async fn close(self) -> io::Result<()> {
        match Rc::try_unwrap(self.shared).map(|mut shared| shared.0.take()) {
            Ok(Some(descriptor)) => Operation::shielded(Close { descriptor: Some(descriptor) }).await,
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Whether nobody holds it but its owner, who does so `shares` times: then no operation is in flight on it.
    pub(crate) fn is_unused(&self, shares: usize) -> bool {
        Rc::strong_count(&self.shared) == shares
    }

    /// Takes over a descriptor that may have been used before, under whose number the driver may know another.
    pub(crate) fn adopt(descriptor: OwnedFd) -> Self {
        Core::try_with(|core| core.driver_mut().forget(descriptor.as_raw_fd()));
        Self::new(descriptor)
    }

    /// Gives the bare descriptor away.
    ///
    /// # Errors
    /// Gives the shared one back if operations are in flight on it.
    pub(crate) fn into_owned(self) -> Result<OwnedFd, Self> {
        let Self { shared, number } = self;
        let mut shared = Rc::try_unwrap(shared).map_err(|shared| Self { shared, number })?;
        let descriptor = shared.0.take().expect("a descriptor is there until it is taken");
        Core::try_with(|core| core.driver_mut().forget(descriptor.as_raw_fd()));
        Ok(descriptor)
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.0.as_ref().expect("a descriptor is there until it is taken").as_fd()
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.raw(), f)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut descriptor = self.0.take();
        Core::try_with(|core| core.close_in_background(&mut descriptor));
        // Outside of a run it is closed at once, by dropping it.
    }
}

impl Core {
    /// Has the driver close a descriptor, if it can be reached just now.
    pub(crate) fn close_in_background(&self, descriptor: &mut Option<OwnedFd>) {
        if let Some(mut driver) = self.try_driver_mut() {
            if let Some(descriptor) = descriptor.take() {
                driver.close(descriptor);
            }
        }
    }
}

struct Close {
    /// Taken when the operation is handed to the driver; if that never happens, dropping it closes it.
    descriptor: Option<OwnedFd>,
}

// SAFETY: the descriptor is the operation's alone; no memory is named.
unsafe impl Payload for Close {
    const REASON: WaitReason = WaitReason::Close;

    type Output = io::Result<()>;
    const REPEATABLE: bool = false;

    fn op(&mut self) -> Op {
        Op::Close { fd: self.descriptor.take().map_or(-1, IntoRawFd::into_raw_fd) }
    }

    fn finish(self, answer: Answer) -> io::Result<()> {
        match answer {
            // The number is free after an interruption, too.
            Ok(_) | Err(Refusal::System(libc::EINTR)) => Ok(()),
            Err(refusal) => Err(refusal.into_io()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Builder, testing::test_backends};

    #[test]
    fn a_descriptor_is_closed_when_awaited_when_dropped_and_when_never_polled() {
        for backend in test_backends() {
            let readers = Builder::new().backend(backend).run(async || {
                let mut readers = Vec::new();
                for way in 0..3 {
                    let (reader, writer) = io::pipe().unwrap();
                    let descriptor = Descriptor::new(writer.into());
                    match way {
                        0 => descriptor.close().await.unwrap(),
                        1 => drop(descriptor),
                        _ => drop(descriptor.close()),
                    }
                    readers.push(reader);
                }
                readers
            });
            // The end of the pipe is seen only when its writer is closed.
            for mut reader in readers.unwrap() {
                assert_eq!(io::Read::read(&mut reader, &mut [0]).unwrap(), 0);
            }
        }
    }
}
