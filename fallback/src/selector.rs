//! The kernel's list of descriptors to watch.
//!
//! # Contract
//! The list's own descriptor is lent only while the list lives.

use mio::{Events, Interest, Poll, Registry, Token, Waker, event::Source, unix::SourceFd};
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
    time::Duration,
};

/// The waker's events carry this; no descriptor has such a number.
const WAKER: Token = Token(usize::MAX);

/// Whether the host only emulates edges, so that a descriptor must be registered again for each wait.
pub(crate) const REARM: bool = !cfg!(any(
    target_os = "android",
    target_os = "illumos",
    target_os = "linux",
    target_os = "redox",
    target_vendor = "apple",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
));

/// How many events one look at the kernel takes at most; the others come with the next.
const EVENTS: usize = 1024;

/// What the kernel says about one descriptor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) fd: RawFd,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer sends no more, or the connection is gone.
    pub(crate) ended: bool,
    pub(crate) urgent: bool,
}

pub(crate) struct Selector(Poll);

/// The events of one look, and how far they have been dealt with.
pub(crate) struct Collected {
    room: Events,
    events: Vec<Event>,
    next: usize,
    /// Whether the last look took as many events as it could.
    full: bool,
}

impl Selector {
    pub(crate) fn new() -> io::Result<(Self, Waker, Collected)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let events = Vec::with_capacity(EVENTS);
        Ok((
            Self(poll),
            waker,
            Collected { room: Events::with_capacity(EVENTS), events, next: 0, full: false },
        ))
    }

    /// Registers a descriptor, which may be registered already.
    pub(crate) fn register(&self, fd: RawFd) -> io::Result<()> {
        match with(fd, |source, token| source.register(self.registry(), token, interests())) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.register_again(fd),
            result => result,
        }
    }

    /// Makes sure that a descriptor believed to be registered is. What it is ready for is reported anew.
    pub(crate) fn verify(&self, fd: RawFd) -> io::Result<()> {
        match self.register_again(fd) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                with(fd, |source, token| source.register(self.registry(), token, interests()))
            }
            result => result,
        }
    }

    fn register_again(&self, fd: RawFd) -> io::Result<()> {
        with(fd, |source, token| source.reregister(self.registry(), token, interests()))
    }

    /// A descriptor that is readable while there are events to be had.
    pub(crate) fn event_source(&self) -> io::Result<OwnedFd> {
        // SAFETY: the descriptor is that of the poll, which lives meanwhile.
        unsafe { BorrowedFd::borrow_raw(self.0.as_raw_fd()) }.try_clone_to_owned()
    }

    pub(crate) fn deregister(&self, fd: RawFd) {
        // A failure says that the descriptor is not registered, which is what is wanted.
        let _ = with(fd, |source, _| source.deregister(self.registry()));
    }

    fn registry(&self) -> &Registry {
        self.0.registry()
    }

    /// Waits for events, when all earlier ones have been dealt with, and says whether there was a call to wake
    /// up. An interruption by a signal ends the wait without any.
    #[inline]
    pub(crate) fn wait(&mut self, collected: &mut Collected, timeout: Option<Duration>) -> io::Result<bool> {
        collected.events.clear();
        collected.next = 0;
        collected.full = false;
        match self.0.poll(&mut collected.room, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            result => result?,
        }
        let mut called = false;
        let mut count = 0;
        for event in &collected.room {
            count += 1;
            if event.token() == WAKER {
                called = true;
                continue;
            }
            let (error, ended) = (event.is_error(), event.is_read_closed());
            collected.events.push(Event {
                fd: event.token().0 as RawFd,
                readable: event.is_readable() || ended || error,
                writable: event.is_writable() || event.is_write_closed() || error,
                ended: ended || error,
                urgent: event.is_priority(),
            });
        }
        collected.full = count == EVENTS;
        Ok(called)
    }
}

impl Collected {
    /// Whether all events have been dealt with.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.next == self.events.len()
    }

    /// Whether there may be events to deal with of which the kernel does not tell anew.
    #[inline]
    pub(crate) fn may_be_more(&self) -> bool {
        self.full || !self.is_empty()
    }

    /// The next event to deal with.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Event> {
        let event = *self.events.get(self.next)?;
        self.next += 1;
        Some(event)
    }
}

fn with(fd: RawFd, action: impl FnOnce(&mut SourceFd<'_>, Token) -> io::Result<()>) -> io::Result<()> {
    action(&mut SourceFd(&fd), Token(fd as usize))
}

fn interests() -> Interest {
    crate::host::with_urgent_data(Interest::READABLE | Interest::WRITABLE)
}
