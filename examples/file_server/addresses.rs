//! How many connections there are of each address, on all cores.

use anyio::{
    Error, Result,
    net::{TcpStream, attribute::RemoteAddress},
    streams::{Attributes, Connections, Listener},
};
use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts connections. Clones count together.
#[derive(Clone)]
pub(crate) struct Addresses {
    /// 0 is no limit.
    limit: usize,
    connections: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// The place of one connection.
pub(crate) struct Place {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, connections: Arc::default() }
    }

    /// Takes a place for a connection, if the address may have another.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Place> {
        if self.limit > 0 {
            let mut connections = self.connections();
            let count = connections.entry(address).or_default();
            if *count >= self.limit {
                return None;
            }
            *count += 1;
        }
        Some(Place { addresses: self.clone(), address })
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.addresses.limit > 0 {
            let mut connections = self.addresses.connections();
            if let Some(count) = connections.get_mut(&self.address) {
                *count -= 1;
                if *count == 0 {
                    connections.remove(&self.address);
                }
            }
        }
    }
}

/// Where a connection comes from.
pub(crate) fn client_of(connection: &impl Attributes) -> IpAddr {
    let address = anyio::streams::extra::<RemoteAddress>(connection);
    address.map_or(Ipv4Addr::UNSPECIFIED.into(), |address| address.ip())
}

/// Gives each connection its place before anything else is done with it, and closes those that get none: nobody can be told why
/// who has not done a handshake.
pub(crate) struct Guarded<L> {
    listener: L,
    addresses: Addresses,
}

impl<L> Guarded<L> {
    pub(crate) fn new(listener: L, addresses: Addresses) -> Self {
        Self { listener, addresses }
    }
}

impl<L: Listener<Stream = TcpStream>> Listener for Guarded<L> {
    type Stream = TcpStream;

    /// Without a place: it is held by who serves.
    async fn accept(&self) -> Result<TcpStream> {
        self.listener.accept().await
    }

    async fn serve_in<'scope, E, F>(
        &self,
        connections: Connections<'scope, '_, E>,
        handler: impl Fn(TcpStream) -> F + Clone + 'scope,
    ) -> Result<Infallible>
    where
        E: From<Error> + 'scope,
        F: Future<Output = Result<(), E>> + 'scope,
    {
        let addresses = self.addresses.clone();
        let handle = move |stream: TcpStream| {
            let place = addresses.enter(client_of(&stream));
            let handler = handler.clone();
            async move {
                match place {
                    Some(_place) => handler(stream).await,
                    None => Ok(()),
                }
            }
        };
        self.listener.serve_in(connections, handle).await
    }

    async fn close(self) -> Result<()> {
        self.listener.close().await
    }
}
