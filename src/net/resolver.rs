//! Who looks up the names of hosts.

use super::{
    literal::{address_of, names_interface},
    name_service::{Hints, addresses_of},
};
use crate::{
    error::{Error, Result},
    idna,
    lowlevel::RunVar,
    to_thread,
};
use std::{
    fmt,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    sync::{Arc, LazyLock},
};

/// What a [`Resolver`] gives: the addresses of a host, in the order in which they are to be tried.
pub type Resolved<'a> = Pin<Box<dyn Future<Output = Result<Vec<SocketAddr>>> + 'a>>;

/// Looks up the names of hosts, for everything in a run that connects, binds or sends to a name.
///
/// By default that is the operating system ([`SystemResolver`]). A run may have another, by
/// [`Builder::resolver`](crate::Builder::resolver): a DNS client, or in a test a function that knows its names. Functions
/// are resolvers:
///
/// ```
/// use anyio::{Builder, Error, Result, net};
/// use std::{io, net::SocketAddr};
///
/// async fn only_example(host: &str, port: u16) -> Result<Vec<SocketAddr>> {
///     if host == "example.org" {
///         return Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]);
///     }
///     Err(Error::Io(io::Error::new(io::ErrorKind::NotFound, "there is only example.org")))
/// }
///
/// let found = Builder::new().resolver(|| only_example).run(async || net::resolve("example.org", 80).await)?;
/// assert_eq!(found?, ["127.0.0.1:80".parse().unwrap()]);
/// # anyio::Ok(())
/// ```
pub trait Resolver {
    /// Looks up a host. The name is no address, and in ASCII: others have been encoded by IDNA 2008.
    ///
    /// # Errors
    /// Whatever says that there are no addresses. No addresses are no error, but lead to one.
    ///
    /// # Cancel safety
    /// It is polled in the scope of whoever asks: a cancellation ends what it waits for, and then it is to end. When the future
    /// of whoever asks is dropped, so is this one. What is not of anyio goes into [`foreign`](crate::foreign).
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolved<'a>;
}

impl<F: AsyncFn(&str, u16) -> Result<Vec<SocketAddr>>> Resolver for F {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolved<'a> {
        Box::pin(self(host, port))
    }
}

/// The operating system's `getaddrinfo`, called on a worker thread. Its answers are in the order of RFC 6724.
///
/// Threads for names are other ones than those of [`to_thread`](crate::to_thread), so functions that block there hold no
/// look-up up. A look-up that is given up goes on in the background, and nobody waits for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolved<'a> {
        let host = host.to_owned();
        Box::pin(async move {
            let found = to_thread::for_names(move || {
                let hints = Hints { socket_type: libc::SOCK_STREAM, ..Hints::default() };
                let rows = addresses_of(Some(&host), None, &hints)?;
                Ok(rows.into_iter().map(|row| with_port(row.address, port)).collect())
            });
            found.abandon_on_cancel().await?.map_err(Error::Io)
        })
    }
}

fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// Makes the resolver of each run.
#[derive(Clone)]
pub(crate) struct MakeResolver(Arc<dyn Fn() -> Rc<dyn Resolver> + Send + Sync>);

impl MakeResolver {
    pub(crate) fn new<R: Resolver + 'static>(make: impl Fn() -> R + Send + Sync + 'static) -> Self {
        Self(Arc::new(move || Rc::new(make())))
    }

    /// Gives the current run its resolver.
    pub(crate) fn install(&self) {
        // The token would bring back what was there before, which is nothing.
        drop(RESOLVER.set((self.0)()));
    }
}

impl fmt::Debug for MakeResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MakeResolver")
    }
}

/// Not set where the system's is used.
static RESOLVER: LazyLock<RunVar<Rc<dyn Resolver>>> = LazyLock::new(RunVar::new);

/// The resolver that was chosen for this run, if one was.
pub(super) fn chosen() -> Option<Rc<dyn Resolver>> {
    RESOLVER.get().map(|resolver| Rc::clone(&*resolver))
}

/// The addresses of a host, by the run's [`Resolver`]. An address is its own, at once; a name that is not ASCII is encoded by
/// IDNA 2008. Where an address names its interface (`fe80::1%eth0`), the operating system is asked for that one's number.
///
/// ```
/// # anyio::run(async || -> anyio::Result<()> {
/// assert_eq!(anyio::net::resolve("127.0.0.1", 80).await?, ["127.0.0.1:80".parse().unwrap()]);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// What the resolver says, with the name. [`Error::Io`] of the kind `InvalidInput` for a name that cannot be one.
/// [`Error::Cancelled`] if the scope is cancelled.
///
/// # Cancel safety
/// The look-up is given up.
///
/// # Panics
/// Outside of a run.
pub async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>> {
    if let Some(address) = address_of(host, port) {
        return Ok(vec![address]);
    }
    let name = idna::to_ascii(host)?;
    match chosen().filter(|_| !names_interface(host)) {
        Some(resolver) => ask(&*resolver, &name, port, host).await,
        None => ask(&SystemResolver, &name, port, host).await,
    }
}

/// Asks a resolver for a name. Its errors get the name as it was given.
pub(super) async fn ask(
    resolver: &dyn Resolver,
    name: &str,
    port: u16,
    host: &str,
) -> Result<Vec<SocketAddr>> {
    resolver.resolve(name, port).await.map_err(|error| match error {
        Error::Io(error) => Error::of_operation(error, "look up", host),
        // A cancellation, or what the resolver says on purpose.
        error => error,
    })
}
