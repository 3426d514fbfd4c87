//! Descriptors that are shared with the operations in flight on them.
//!
//! # Contract
//! A descriptor has one owner (a socket, a file), and every other share belongs to an operation. The futures of operations
//! borrow the owner. So when the owner closes it, each of them was dropped, and its operation is an orphan, or it was
//! forgotten and nothing will ever be done by it again. What was forgotten has a share for ever, so the owner waits for the
//! kernel's answers and not for shares. While an operation is in flight the number is that descriptor's, and it finds the
//! operations.

use super::{Core, WaitQueue, WaitReason, Waiter, closing};
use anyio_driver::{Driver, prefetch};
use std::{
    cell::Cell,
    fmt,
    future::poll_fn,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    rc::Rc,
    task::{Context, Poll},
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

struct Shared {
    /// The descriptor, until it is closed or given away.
    descriptor: Cell<Option<OwnedFd>>,
    /// Who waits until nobody else shares it.
    closing: WaitQueue,
}

impl Descriptor {
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        let number = descriptor.as_raw_fd().into();
        let shared = Shared { descriptor: Cell::new(Some(descriptor)), closing: WaitQueue::new() };
        Self { shared: Rc::new(shared), number }
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

    /// Closes the descriptor when no operation is in flight on it any more, and tells how that went. Afterwards nothing of
    /// this process holds what it led to, if it has no other descriptor for that.
    ///
    /// # Cancel safety
    /// The descriptor is closed in any case; if this future is dropped, when the last operation has ended. One whose future was
    /// forgotten keeps it open then.
    pub(crate) async fn close(self) -> io::Result<()> {
        self.close_after(false).await
    }

    /// The same, and operations whose futures were forgotten are cancelled, as they may wait for ever.
    pub(crate) async fn close_and_cancel(self) -> io::Result<()> {
        self.close_after(true).await
    }

    async fn close_after(self, cancel: bool) -> io::Result<()> {
        let mut last = Last { descriptor: self, waiter: Waiter::new(WaitReason::Close) };
        poll_fn(|cx| {
            if last.descriptor.is_unused(1) {
                return Poll::Ready(());
            }
            let Last { descriptor, waiter } = &mut last;
            Core::with(|core| {
                if !await_operations(core, descriptor.raw(), cancel, cx) {
                    drop(core.waits().forget_operations_on(descriptor.raw()));
                    return Poll::Ready(());
                }
                waiter.poll_shielded(core, &descriptor.shared.closing, cx).map(|_| ())
            })
        })
        .await;
        match last.descriptor.shared.descriptor.take() {
            Some(descriptor) => {
                forget(descriptor.as_raw_fd());
                closing::close(descriptor).await
            }
            None => Ok(()),
        }
    }

    /// Whether nobody holds it but its owner, who does so `shares` times: then no operation is in flight on it.
    pub(crate) fn is_unused(&self, shares: usize) -> bool {
        Rc::strong_count(&self.shared) == shares
    }

    /// Takes over a descriptor that may have been used before, under whose number the driver may know another.
    pub(crate) fn adopt(descriptor: OwnedFd) -> Self {
        forget(descriptor.as_raw_fd());
        Self::new(descriptor)
    }

    /// Gives the bare descriptor away.
    ///
    /// # Errors
    /// Gives the shared one back if operations are in flight on it.
    pub(crate) fn into_owned(mut self) -> Result<OwnedFd, Self> {
        match Rc::get_mut(&mut self.shared).and_then(|shared| shared.descriptor.get_mut().take()) {
            Some(descriptor) => {
                forget(descriptor.as_raw_fd());
                Ok(descriptor)
            }
            None => Err(self),
        }
    }
}

/// Has the driver forget what it knows of a number, which may soon mean something else.
fn forget(number: RawFd) {
    Core::try_with(|core| {
        // In use further up on the stack it cannot be: it calls nobody.
        if let Some(mut driver) = core.try_driver_mut() {
            driver.forget(number);
        }
    });
}

/// Whether operations are in flight on a descriptor of this number. If their futures were forgotten, this task is woken when
/// they end, and they are cancelled if that is wanted. Those that are orphans give their share back when they end.
fn await_operations(core: &Core, number: RawFd, cancel: bool, cx: &Context<'_>) -> bool {
    let operations = core.waits().operations_on(number);
    for &(operation, is_forgotten) in &operations {
        if !is_forgotten {
            continue;
        }
        if cancel && core.waits().ask_cancel(operation) {
            core.cancel_operation(operation.token());
        }
        // Last, as it may call wakers of others.
        core.waits().set_waker(operation, cx.waker());
    }
    !operations.is_empty()
}

/// Who waits to be the last that has a descriptor.
struct Last {
    descriptor: Descriptor,
    waiter: Waiter,
}

impl Drop for Last {
    fn drop(&mut self) {
        self.waiter.withdraw(&self.descriptor.shared.closing);
    }
}

impl Drop for Descriptor {
    #[inline]
    fn drop(&mut self) {
        // The owner may wait for those that operations have.
        if self.shared.closing.may_have_waiters() {
            self.shared.closing.notify_all();
        }
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: it is open as long as its owner is there, who alone lends it: operations only name its number.
        unsafe { BorrowedFd::borrow_raw(self.raw()) }
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.raw(), f)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(descriptor) = self.descriptor.get_mut().take() {
            forget(descriptor.as_raw_fd());
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
