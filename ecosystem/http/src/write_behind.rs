//! Writes whose end hyper does not wait for.

use anyio::streams::{ByteSendStream, io::ByteWriter};
use futures_io::AsyncWrite;
use std::{
    cell::{Cell, RefCell},
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

/// A writer that hyper and the task of its connection share.
///
/// hyper flushes what it has written and waits for that. Then the end of each write costs a poll of the whole connection,
/// which has nothing to do but to learn of it. So while the connection's task [drives](Self::drive) this, a flush is done at
/// once, and the end of a write is noticed here alone; hyper is polled for it only if it waits for room, or the write has
/// failed.
pub(crate) struct WriteBehind<W> {
    writer: RefCell<ByteWriter<W>>,
    /// What is woken when a write has ended, instead of hyper. `None` while nobody drives.
    driver: RefCell<Option<Waker>>,
    /// Whether something may be on its way.
    is_sending: Cell<bool>,
    /// Whether hyper waits until that has ended.
    is_awaited: Cell<bool>,
    /// Why a write failed that hyper has not been told of.
    failure: Cell<Option<io::Error>>,
}

impl<W> fmt::Debug for WriteBehind<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBehind").field("is_sending", &self.is_sending.get()).finish_non_exhaustive()
    }
}

impl<W> WriteBehind<W> {
    pub(crate) fn into_inner(self) -> ByteWriter<W> {
        self.writer.into_inner()
    }
}

impl<W: ByteSendStream + 'static> WriteBehind<W> {
    pub(crate) fn new(writer: ByteWriter<W>) -> Self {
        Self {
            writer: RefCell::new(writer),
            driver: RefCell::new(None),
            is_sending: Cell::new(false),
            is_awaited: Cell::new(false),
            failure: Cell::new(None),
        }
    }

    fn told(&self) -> io::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.told()?;
        let mut writer = self.writer.borrow_mut();
        let writer = Pin::new(&mut *writer);
        let polled = match &*self.driver.borrow() {
            Some(driver) => writer.poll_write_vectored(&mut Context::from_waker(driver), slices),
            None => writer.poll_write_vectored(cx, slices),
        };
        match polled {
            Poll::Pending => self.is_awaited.set(true),
            Poll::Ready(_) => self.is_sending.set(true),
        }
        polled
    }

    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.told()?;
        if self.driver.borrow().is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut *self.writer.borrow_mut()).poll_flush(cx)
    }

    pub(crate) fn poll_close(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.told()?;
        // From here on it is hyper who waits.
        self.is_sending.set(false);
        self.is_awaited.set(false);
        Pin::new(&mut *self.writer.borrow_mut()).poll_close(cx)
    }
}

/// What the task of a connection sees of its writer.
pub(crate) trait Driven {
    /// Sees to it that what was written is sent. Tells whether hyper has to be polled for it.
    fn drive(&self, cx: &mut Context<'_>) -> bool;

    /// Ends that, once all is sent: from now on flushes wait.
    fn poll_release(&self, cx: &mut Context<'_>) -> Poll<()>;
}

/// Of a connection whose part waits for its writes itself.
pub(crate) struct NotDriven;

impl Driven for NotDriven {
    fn drive(&self, _: &mut Context<'_>) -> bool {
        false
    }

    fn poll_release(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl<W: ByteSendStream + 'static> Driven for WriteBehind<W> {
    fn drive(&self, cx: &mut Context<'_>) -> bool {
        let mut driver = self.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|driver| driver.will_wake(cx.waker())) {
            *driver = Some(cx.waker().clone());
        }
        drop(driver);
        if !self.is_sending.get() {
            return false;
        }
        match Pin::new(&mut *self.writer.borrow_mut()).poll_flush(cx) {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => {
                self.failure.set(Some(error));
                self.is_awaited.set(true);
            }
        }
        self.is_sending.set(false);
        self.is_awaited.take()
    }

    fn poll_release(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_sending.get()
            && let Err(error) = ready!(Pin::new(&mut *self.writer.borrow_mut()).poll_flush(cx))
        {
            self.failure.set(Some(error));
        }
        self.is_sending.set(false);
        self.driver.take();
        Poll::Ready(())
    }
}
