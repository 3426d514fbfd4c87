//! Readiness of descriptors that are not anyio's: those of other libraries.

use crate::{
    error::{Cancelled, Error, Result},
    reserved::Reserved,
    runtime::{self, Answer, Core, Direction, Operation, Place, Refusal, UntilReady, WaitReason, Watch},
};
use std::{
    cell::{Cell, RefCell},
    fmt,
    future::{Future, poll_fn},
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    pin::Pin,
    task::{Context, Poll},
};

const READING: &str = "waiting for this descriptor to be readable";
const WRITING: &str = "waiting for this descriptor to be writable";

/// Waits until a descriptor is readable: until reading from it, or accepting, would not block, which is also so at its end
/// and after an error.
///
/// It is for sockets, pipes and the like that belong to other libraries. anyio's own streams need no such thing; a read
/// of theirs is the wait. Nothing is read, and the descriptor's mode is left alone. With `&descriptor` the caller keeps it.
///
/// ```
/// use std::{io::Write, os::unix::net::UnixStream};
///
/// # anyio::run(async || -> anyio::Result<()> {
/// let (mut one, other) = UnixStream::pair()?;
/// one.write_all(b"x")?;
/// anyio::lowlevel::wait_readable(&other).await?;
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// [`Error::BusyResource`] if another task waits for the same, [`Error::ClosedResource`] if [`notify_closing`] is called
/// meanwhile, [`Error::Cancelled`] if the scope is cancelled; what the system says of what is no open descriptor.
///
/// # Cancel safety
/// Nothing is lost. When the scope is cancelled, the driver is asked to end the wait, and its answer counts.
pub async fn wait_readable(descriptor: impl AsFd) -> Result<()> {
    Ready::new(descriptor.as_fd().as_raw_fd(), Direction::Reading, 0).await
}

/// Waits until a descriptor is writable: until writing to it would not block, which is also so after an error. A socket
/// that is being connected is writable when that has succeeded or failed.
///
/// # Errors
/// As for [`wait_readable`].
///
/// # Cancel safety
/// As for [`wait_readable`].
pub async fn wait_writable(descriptor: impl AsFd) -> Result<()> {
    Ready::new(descriptor.as_fd().as_raw_fd(), Direction::Writing, 0).await
}

/// Says that a descriptor is about to be closed: whoever waits for it by [`wait_readable`], [`wait_writable`] or a
/// [`Readiness`] gets [`Error::ClosedResource`]. Without it they would wait for ever. It closes nothing, and does nothing
/// for those who wait in another thread's run.
pub fn notify_closing(descriptor: impl AsFd) {
    Core::try_with(|core| core.end_watches(descriptor.as_fd().as_raw_fd()));
}

/// A descriptor of another library's, and waits for it.
///
/// Other than with [`wait_readable`] and [`wait_writable`] several of these may wait for the same descriptor, each with one
/// reader and one writer. What `T` owns is closed with it. It may be made outside of a run.
///
/// ```
/// use anyio::lowlevel::Readiness;
/// use std::net::UdpSocket;
///
/// # anyio::run(async || -> anyio::Result<()> {
/// let socket = UdpSocket::bind("127.0.0.1:0")?;
/// socket.set_nonblocking(true)?;
/// let socket = Readiness::new(socket);
/// socket.writable().await?;
/// socket.get_ref().send_to(b"x", socket.get_ref().local_addr()?)?;
/// socket.readable().await?;
/// assert_eq!(socket.get_ref().recv(&mut [0; 8])?, 1);
/// # Ok(()) }).unwrap();
/// ```
pub struct Readiness<T: AsFd> {
    reading: Side,
    writing: Side,
    descriptor: T,
}

/// The waits for one direction.
#[derive(Default)]
struct Side {
    busy: Cell<bool>,
    polled: RefCell<Option<Ready>>,
}

impl Side {
    async fn ready(&self, descriptor: RawFd, direction: Direction) -> Result<()> {
        let _reserved = Reserved::of(&self.busy, doing(direction))?;
        let owner = Core::with(|core| core.watched().next_number());
        Ready::new(descriptor, direction, owner).await
    }

    fn poll(&self, descriptor: RawFd, direction: Direction, cx: &mut Context<'_>) -> Poll<Result<()>> {
        // Taken out, since a waker that is dropped or woken meanwhile may lead back to here.
        let (run, number) = Core::with(|core| (core.run(), core.watched().next_number()));
        // What was polled in a run that is over is begun anew.
        let mut ready = (self.polled.take())
            .filter(|ready| ready.watch.as_ref().is_some_and(|watch| watch.run() == run))
            .unwrap_or_else(|| Ready::new(descriptor, direction, number));
        let polled = Pin::new(&mut ready).poll(cx);
        if polled.is_pending() {
            self.polled.replace(Some(ready));
        }
        polled
    }
}

impl<T: AsFd> Readiness<T> {
    /// Takes a descriptor, or something that has one, without looking at it.
    pub fn new(descriptor: T) -> Self {
        Self { reading: Side::default(), writing: Side::default(), descriptor }
    }

    /// Waits until it is readable. See [`wait_readable`].
    ///
    /// # Errors
    /// As for [`wait_readable`]; [`Error::BusyResource`] only for this value's own readers.
    ///
    /// # Cancel safety
    /// As for [`wait_readable`].
    pub async fn readable(&self) -> Result<()> {
        self.reading.ready(self.number(), Direction::Reading).await
    }

    /// Waits until it is writable. See [`wait_writable`].
    ///
    /// # Errors
    /// As for [`wait_readable`]; [`Error::BusyResource`] only for this value's own writers.
    ///
    /// # Cancel safety
    /// As for [`wait_readable`].
    pub async fn writable(&self) -> Result<()> {
        self.writing.ready(self.number(), Direction::Writing).await
    }

    /// Whether it is readable; if not, the task is woken when it is. For other people's poll-based traits. Only the task
    /// that has polled last is woken. The wait belongs to this value and goes on if nobody polls any more.
    ///
    /// # Errors
    /// As for [`readable`](Self::readable), but never [`Error::BusyResource`].
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.reading.poll(self.number(), Direction::Reading, cx)
    }

    /// Whether it is writable; if not, the task is woken when it is. As [`poll_readable`](Self::poll_readable).
    ///
    /// # Errors
    /// As for [`writable`](Self::writable), but never [`Error::BusyResource`].
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.writing.poll(self.number(), Direction::Writing, cx)
    }

    /// Calls a function that does not block, such as a read in non-blocking mode, again and again, each time after it was
    /// readable, until it says something other than [`WouldBlock`](std::io::ErrorKind::WouldBlock).
    ///
    /// # Errors
    /// Those of the function, and those of [`readable`](Self::readable).
    ///
    /// # Cancel safety
    /// That of the function: between its calls nothing is lost.
    pub async fn read_with<R>(&self, read: impl FnMut(&T) -> std::io::Result<R>) -> Result<R> {
        self.repeat(Direction::Reading, read).await
    }

    /// The same, each time after it was writable.
    ///
    /// # Errors
    /// Those of the function, and those of [`writable`](Self::writable).
    ///
    /// # Cancel safety
    /// That of the function: between its calls nothing is lost.
    pub async fn write_with<R>(&self, write: impl FnMut(&T) -> std::io::Result<R>) -> Result<R> {
        self.repeat(Direction::Writing, write).await
    }

    async fn repeat<R>(
        &self,
        direction: Direction,
        mut attempt: impl FnMut(&T) -> std::io::Result<R>,
    ) -> Result<R> {
        loop {
            // First of all, as the attempt would otherwise be made in a cancelled scope.
            crate::lowlevel::checkpoint_if_cancelled().await?;
            match attempt(&self.descriptor) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => match direction {
                    Direction::Reading => self.readable().await?,
                    Direction::Writing => self.writable().await?,
                },
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                result => {
                    poll_fn(|cx| Core::with(|core| core.poll_immediate(cx))).await;
                    return Ok(result?);
                }
            }
        }
    }

    /// What it was made of.
    pub fn get_ref(&self) -> &T {
        &self.descriptor
    }

    /// Gives back what it was made of. Waits that were only polled are ended.
    pub fn into_inner(self) -> T {
        self.descriptor
    }

    fn number(&self) -> RawFd {
        self.descriptor.as_fd().as_raw_fd()
    }
}

impl<T: AsFd> AsFd for Readiness<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl<T: AsFd> fmt::Debug for Readiness<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readiness").field(&self.number()).finish()
    }
}

fn doing(direction: Direction) -> &'static str {
    match direction {
        Direction::Reading => READING,
        Direction::Writing => WRITING,
    }
}

/// One wait.
struct Ready {
    place: Place,
    watch: Option<Watch>,
    operation: Option<Wait>,
}

impl Ready {
    fn new(descriptor: RawFd, direction: Direction, owner: u64) -> Self {
        Self { place: Place { descriptor, direction, owner }, watch: None, operation: None }
    }

    fn poll_operation(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        let operation = self.operation.get_or_insert_with(|| Wait::new(self.place));
        let polled = match operation {
            Wait::Reading(operation) => Pin::new(operation).poll(cx),
            Wait::Writing(operation) => Pin::new(operation).poll(cx),
        };
        if polled.is_ready() {
            self.operation = None;
        }
        polled
    }

    fn key(&self) -> Option<crate::runtime::WaitKey> {
        match self.operation.as_ref()? {
            Wait::Reading(operation) => operation.key(),
            Wait::Writing(operation) => operation.key(),
        }
    }
}

impl Future for Ready {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        if this.watch.is_none() {
            this.watch = Core::with(|core| Watch::take(core, this.place));
        }
        let Some(watch) = this.watch.take() else {
            return Poll::Ready(Err(Error::BusyResource(doing(this.place.direction))));
        };
        loop {
            let polled = this.poll_operation(cx);
            let ended = Core::with(|core| {
                watch.set_wait(core, this.key());
                watch.is_ended(core)
            });
            return Poll::Ready(match polled {
                Poll::Pending => {
                    this.watch = Some(watch);
                    return Poll::Pending;
                }
                // What has become of the wait says nothing any more.
                Poll::Ready(_) if ended => Err(Error::ClosedResource),
                Poll::Ready(Ok(_)) => Ok(()),
                Poll::Ready(Err(Refusal::System(libc::EINTR))) => continue,
                // A shield came up after the cancellation: it is wanted no more.
                Poll::Ready(Err(Refusal::Cancelled)) if !Core::with(Core::scope_is_effective) => continue,
                Poll::Ready(Err(Refusal::Cancelled)) => Err(Cancelled::new().into()),
                Poll::Ready(Err(refusal)) => Err(refusal.on_stream("poll")),
            });
        }
    }
}

/// The operation of one direction, each with its reason.
enum Wait {
    Reading(Operation<UntilReady<RawFd, Readable>>),
    Writing(Operation<UntilReady<RawFd, Writable>>),
}

impl Wait {
    fn new(place: Place) -> Self {
        match place.direction {
            Direction::Reading => Self::Reading(Operation::new(UntilReady::new(place.descriptor))),
            Direction::Writing => Self::Writing(Operation::new(UntilReady::new(place.descriptor))),
        }
    }
}

// Whether a wait is to be repeated is decided by `Ready`, which knows whether the descriptor is being closed.

struct Readable;

impl runtime::Readiness for Readable {
    const REASON: WaitReason = WaitReason::Readable;
    const EVENTS: i16 = libc::POLLIN;
}

struct Writable;

impl runtime::Readiness for Writable {
    const REASON: WaitReason = WaitReason::Writable;
    const EVENTS: i16 = libc::POLLOUT;
}
