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
    connections: Arc<Mutex<HashMap<IpAddr, Counts>>>,
}

/// How many connections of one address are served, and how many are told that they are too many.
#[derive(Default)]
struct Counts {
    served: usize,
    refused: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Served,
    Refused,
}

impl Counts {
    fn of(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::Served => &mut self.served,
            Kind::Refused => &mut self.refused,
        }
    }
}

/// What becomes of a connection.
pub(crate) enum Entry {
    Served(Place),
    /// It is told that there are too many.
    Refused(Place),
    /// Nobody has time for it.
    Closed,
}

/// The place of one connection, where they are counted.
pub(crate) struct Place(Option<(Addresses, IpAddr, Kind)>);

impl Place {
    /// That of a connection which is not counted, or was before.
    pub(crate) const UNCOUNTED: Self = Self(None);
}

impl Addresses {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, connections: Arc::default() }
    }

    /// Takes a place for a connection, if the address may have another. As many as may be served are told that they may not.
    pub(crate) fn enter(&self, address: IpAddr) -> Entry {
        if self.limit == 0 {
            return Entry::Served(Place::UNCOUNTED);
        }
        let mut connections = self.connections();
        let counts = connections.entry(address).or_default();
        let kind = if counts.served < self.limit { Kind::Served } else { Kind::Refused };
        let count = counts.of(kind);
        if *count == self.limit {
            return Entry::Closed;
        }
        *count += 1;
        let place = Place(Some((self.clone(), address, kind)));
        match kind {
            Kind::Served => Entry::Served(place),
            Kind::Refused => Entry::Refused(place),
        }
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<IpAddr, Counts>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((addresses, address, kind)) = self.0.take() else { return };
        let mut connections = addresses.connections();
        if let Some(counts) = connections.get_mut(&address) {
            *counts.of(kind) -= 1;
            if counts.served + counts.refused == 0 {
                connections.remove(&address);
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
                    Entry::Served(_place) => handler(stream).await,
                    Entry::Refused(_) | Entry::Closed => Ok(()),
                }
            }
        };
        self.listener.serve_in(connections, handle).await
    }

    async fn close(self) -> Result<()> {
        self.listener.close().await
    }
}
