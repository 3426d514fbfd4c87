//! Listeners that several cores share.

use super::{
    core::Core,
    extent::{Abandon, Listed},
    per_core::PerCore,
    sharing::{Handed, Sharing, Slot},
};
use crate::{
    error::{CancelAware, Error, ErrorGroup, Result},
    lowlevel::{checkpoint_if_cancelled, current_token, wait_readable},
    net::{TcpListener, TcpListenerOptions, TcpStream, ToSocketAddrs, resolved},
    reserved::Reserved,
    running::current_backend,
    runtime::{Backend, Core as Executor, calls},
    streams::{AttributeRequest, Attributes, Listener, Server},
};
use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    fmt,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    pin::pin,
    rc::{Rc, Weak},
    sync::{self, Arc},
    task::Poll,
};

/// A TCP socket that listens, of which each core can have a share: made before the cores are, or on one of them. Its clones are the
/// same listener. Cores that listen on an address have no need of it: see [`Core::listen`].
///
/// ```
/// use anyio::{Core, Result, cores::SharedListener, net::TcpStream, run_on_cores};
///
/// # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
/// let listener = SharedListener::from_owned(std::net::TcpListener::bind("127.0.0.1:0")?.into())?;
/// let address = listener.local_addr()?;
/// run_on_cores(2, async |core: &Core| -> Result<()> {
///     let share = listener.on(core)?;
///     # let client = TcpStream::connect(address).await?;
///     // Here `share.serve(…)` would serve until the program is told to end.
///     # drop(share); drop(client);
///     Ok(())
/// })?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SharedListener {
    sharing: Arc<Sharing>,
}

impl SharedListener {
    /// Takes over a listening socket: one of the standard library, one that the program was started with, or that of a
    /// [`TcpListener`] ([`into_owned`](TcpListener::into_owned)).
    ///
    /// # Errors
    /// [`Error::Io`] of the kind `InvalidInput` if the descriptor is no TCP socket that listens.
    pub fn from_owned(descriptor: OwnedFd) -> Result<Self> {
        TcpListener::examine(&descriptor)?;
        // Each core sets the mode that its back end needs.
        calls::set_blocking(&descriptor, true)?;
        Ok(Self { sharing: Arc::new(Sharing::new(descriptor)) })
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// If the system has none, which does not happen to a socket that listens.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        let address = calls::local_address(self.sharing.socket())?;
        address.as_socket().ok_or(Error::Unsupported("an address that is neither IPv4 nor IPv6"))
    }

    /// A core's share, to accept connections there. Called on that core. The socket is closed when all shares and handles are.
    ///
    /// # Errors
    /// [`Error::BusyResource`] if the core has a share already. [`Error::Io`] of the kind `InvalidInput` if this is another core
    /// or none, or if the cores of another run have shared the listener before; and for lack of descriptors.
    pub fn on(&self, core: &Core) -> Result<CoreListener> {
        CoreListener::new(&self.sharing, core)
    }
}

impl fmt::Debug for SharedListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedListener").field("local_addr", &self.local_addr().ok()).finish()
    }
}

impl Core {
    /// Makes a listener that all cores share: the first that asks for this address makes it, and the others get their shares
    /// of the same one as long as any is left. Called on this core. Port 0 lets the system choose a port, one for all.
    ///
    /// Every core accepts. A connection that comes to a core whose load is above the mean goes to the one with the least,
    /// before its handler starts; it never moves afterwards. The load of a core is how busy it is and how many such connections it
    /// has. No connection is lost when a core ends: those that nobody has begun to serve go to the other cores.
    ///
    /// ```no_run
    /// use anyio::{Core, Result, net::TcpStream, run_on_cores};
    ///
    /// # fn main() -> std::result::Result<(), anyio::ErrorGroup<anyio::Error>> {
    /// run_on_cores(4, async |core: &Core| -> Result<()> {
    ///     let listener = core.listen("0.0.0.0:7000").await?;
    ///     listener.serve(async |stream: TcpStream| stream.close().await).await?;
    ///     Ok(())
    /// })?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// What the system says of the address, of several all that it says as [`Error::Group`]; or the resolver of the name; and as for
    /// [`SharedListener::on`].
    ///
    /// # Cancel safety
    /// Nothing is made, or the share comes out. If the future is dropped the share is given back.
    pub async fn listen(&self, address: impl ToSocketAddrs) -> Result<CoreListener> {
        self.listen_with(&TcpListenerOptions::new(), address).await
    }

    /// The same with options, which are those of the core that comes first.
    ///
    /// # Errors
    /// As for [`listen`](Self::listen).
    ///
    /// # Cancel safety
    /// As for [`listen`](Self::listen).
    pub async fn listen_with(
        &self,
        options: &TcpListenerOptions,
        address: impl ToSocketAddrs,
    ) -> Result<CoreListener> {
        let addresses = resolved(address).await?;
        checkpoint_if_cancelled().await?;
        let sharing = {
            let mut listening = self.set().listening();
            let known = listening.get(&addresses).and_then(sync::Weak::upgrade);
            match known {
                Some(sharing) => sharing,
                None => {
                    let sharing = Arc::new(Sharing::new(options.bind_first(&addresses)?));
                    listening.retain(|_, sharing| sharing.strong_count() > 0);
                    listening.insert(addresses, Arc::downgrade(&sharing));
                    sharing
                }
            }
        };
        CoreListener::new(&sharing, self)
    }
}

/// A core's share of a listener, made by [`Core::listen`] or [`SharedListener::on`]. It belongs to the run of its core.
pub struct CoreListener {
    // Dropped first, so that the part is nobody else's then.
    _listed: Listed,
    part: Rc<Part>,
    busy: Cell<bool>,
}

struct Part {
    // Dropped first: what it has accepted goes to others.
    listener: TcpListener,
    share: Share,
    /// Whether it will be looked whether something is left here that nobody waits for.
    checking: Cell<bool>,
}

/// Given back when it is dropped.
struct Share {
    sharing: Arc<Sharing>,
    index: usize,
}

impl Share {
    fn slot(&self) -> &Slot {
        self.sharing.slot(self.index)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.sharing.leave(self.index);
        self.sharing.have_all_look();
    }
}

/// The parts of a core.
static PARTS: PerCore<RefCell<Vec<Weak<Part>>>> = PerCore::new(RefCell::default);

impl Part {
    fn new(listener: TcpListener, share: Share) -> Rc<Self> {
        let part = Rc::new(Self { listener, share, checking: Cell::new(false) });
        let parts = PARTS.here();
        let mut parts = parts.borrow_mut();
        parts.retain(|part| part.strong_count() > 0);
        parts.push(Rc::downgrade(&part));
        part
    }

    /// Gives to others what nobody waits for here: an accept in flight, and what was handed over.
    fn give_up(&self) {
        let Share { sharing, index } = &self.share;
        if self.listener.give_up_accepting() {
            sharing.have_all_look();
        }
        sharing.pass_left_on(*index);
    }

    /// Has it looked soon whether somebody waits here again, and given up what there is if nobody does.
    fn check_soon(&self) {
        if !self.checking.replace(true) {
            let sharing = self.share.sharing.clone();
            let check = move || {
                let parts = PARTS.here();
                let part = parts.borrow().iter().find_map(|part| {
                    part.upgrade().filter(|part| Arc::ptr_eq(&part.share.sharing, &sharing))
                });
                if let Some(part) = part {
                    part.checking.set(false);
                    if !part.share.slot().is_accepting() {
                        part.give_up();
                    }
                }
            };
            if let Some(run) = current_token() {
                run.run_soon(check);
            }
        }
    }
}

impl Abandon for Part {
    fn abandon(&self) {
        self.share.sharing.end_accepting(self.share.index);
        self.give_up();
        // Should somebody wait all the same, he begins again.
        self.share.slot().news.notify();
    }
}

impl CoreListener {
    fn new(sharing: &Arc<Sharing>, core: &Core) -> Result<Self> {
        if Core::current().as_ref() != Some(core) {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "it has to ask for that itself");
            return Err(Error::of_operation(
                error,
                "share a listener with",
                format_args!("core {}", core.index()),
            ));
        }
        let socket = calls::duplicate(sharing.socket())?;
        if current_backend() == Some(Backend::Poll) {
            // The mode is that of all shares: set for the time of a call it would be reset in the midst of another core's.
            calls::set_blocking(&socket, false)?;
        }
        sharing.join(core.set().loads(), core.index())?;
        core.member().note_share(sharing);
        let share = Share { sharing: sharing.clone(), index: core.index() };
        let (left, index) = (Arc::downgrade(sharing), core.index());
        let heir = Rc::new(move |connection| {
            if let Some(sharing) = left.upgrade() {
                sharing.pass_on(index, connection);
            }
        });
        let part = Part::new(TcpListener::with_heir(socket, heir), share);
        Ok(Self { _listed: Listed::new(part.clone()), part, busy: Cell::new(false) })
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// If the system has none, which does not happen to a socket that listens.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        self.part.listener.local_addr()
    }

    /// Waits for a connection that this core is to serve: one that came here, or that another core has handed over.
    ///
    /// # Errors
    /// As for [`TcpListener::accept`].
    ///
    /// # Cancel safety
    /// No connection is lost, whether the scope is cancelled or the future dropped: the other cores that accept get those that
    /// were on the way here, and without any the next call does.
    pub async fn accept(&self) -> Result<TcpStream> {
        let _reserved = Reserved::of(&self.busy, "accepting connections from this listener")?;
        self.part.share.sharing.begin_accepting(self.part.share.index)?;
        let mut accepting = Accepting { listener: self, has_connection: false };
        let Handed { connection, counted } = self.next().await?;
        accepting.has_connection = true;
        Ok(TcpStream::counted(connection, counted))
    }

    async fn next(&self) -> Result<Handed> {
        let Share { sharing, index } = &self.part.share;
        let mut must_wait = false;
        loop {
            if let Some(handed) = self.take_handed().await? {
                return Ok(handed);
            }
            match self.event(std::mem::take(&mut must_wait)).await {
                Event::Accepted(Ok(connection)) => {
                    if let Some(handed) = sharing.place(*index, connection) {
                        return Ok(handed);
                    }
                }
                // A core on the poll back end has set the mode, so that the ring does not wait.
                Event::Accepted(Err(error)) if error.raw_os_error() == Some(libc::EAGAIN) => must_wait = true,
                Event::Accepted(Err(error)) => return Err(error),
                Event::News if self.part.share.slot().take_look() => {
                    _ = self.part.listener.give_up_accepting()
                }
                Event::News => {}
            }
        }
    }

    /// What others have left for this core, unless nothing new is to start here.
    async fn take_handed(&self) -> Result<Option<Handed>> {
        let Share { sharing, index } = &self.part.share;
        poll_fn(|cx| {
            Executor::with(|core| {
                if let Err(stopped) = core.check_starting() {
                    return core.poll_delivery(cx).map(|()| Err(stopped));
                }
                if !sharing.has_some(*index) {
                    return Poll::Ready(Ok(None));
                }
                core.poll_immediate(cx).map(|()| Ok(sharing.take(*index)))
            })
        })
        .await
    }

    async fn event(&self, must_wait: bool) -> Event {
        let mut accept = pin!(async {
            if must_wait {
                wait_readable(&self.part.listener).await?;
            }
            self.part.listener.accept_owned().await
        });
        let mut news = pin!(self.part.share.slot().news.wait());
        poll_fn(|cx| match accept.as_mut().poll(cx) {
            Poll::Ready(accepted) => Poll::Ready(Event::Accepted(accepted)),
            Poll::Pending => news.as_mut().poll(cx).map(|news| match news {
                Ok(()) => Event::News,
                Err(cancelled) => Event::Accepted(Err(cancelled.into())),
            }),
        })
        .await
    }

    /// Accepts for ever, and calls the handler for each connection that this core is to serve, each in a task of its own. All
    /// else is as for [`TcpListener::serve`].
    ///
    /// # Errors
    /// As for [`TcpListener::serve`].
    ///
    /// # Cancel safety
    /// The handlers are cancelled and awaited. Connections that were not accepted, or were on the way here, go to the other cores.
    pub async fn serve<E, Via>(
        &self,
        handler: impl AsyncFn(TcpStream) -> Result<(), E>,
    ) -> Result<Option<Infallible>, ErrorGroup<E>>
    where
        E: CancelAware<Via> + From<Error>,
    {
        Server::new().serve(self, handler).await
    }

    /// Gives the share back, and waits until it is closed on this core. Connections that were on the way here go to the other
    /// cores, and are closed if none is left.
    ///
    /// # Errors
    /// What the operating system reports; the share is given back all the same.
    ///
    /// # Cancel safety
    /// The share is given back in any case.
    pub async fn close(self) -> Result<()> {
        let Self { _listed, part, .. } = self;
        drop(_listed);
        // Who has it for the moment, as one that gives it up does, closes it.
        let Ok(Part { listener, share, .. }) = Rc::try_unwrap(part) else { return Ok(()) };
        let closed = listener.close().await;
        drop(share);
        closed
    }
}

enum Event {
    Accepted(Result<OwnedFd>),
    News,
}

/// Somebody who waits for a connection.
struct Accepting<'a> {
    listener: &'a CoreListener,
    has_connection: bool,
}

impl Drop for Accepting<'_> {
    fn drop(&mut self) {
        let part = &self.listener.part;
        part.share.sharing.end_accepting(part.share.index);
        if !self.has_connection {
            part.give_up();
        } else if part.listener.is_accepting() || !part.share.slot().is_empty() {
            // Most often the next is accepted at once.
            part.check_soon();
        }
    }
}

impl Listener for CoreListener {
    type Stream = TcpStream;

    async fn accept(&self) -> Result<TcpStream> {
        self.accept().await
    }

    async fn close(self) -> Result<()> {
        self.close().await
    }
}

impl Attributes for CoreListener {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.part.listener.provide(request);
    }
}

impl AsFd for CoreListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.part.listener.as_fd()
    }
}

impl fmt::Debug for CoreListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoreListener")
            .field("local_addr", &self.local_addr().ok())
            .field("core", &self.part.share.index)
            .finish()
    }
}
