//! A server on several cores: an endpoint on each, all on one port.
//!
//! The kernel spreads datagrams over their sockets by the addresses they come from, so those of a connection come to one core
//! until its peer goes on from another address. The names of connections, which a server chooses itself, begin with the number
//! of their core, to which every other passes on what came to it.

use super::{Endpoint, Identity, socket::Place};
use anyio::{
    Chunk, Core, Result,
    cross::{CrossReceiver, CrossSender, Event, channel},
    net::{Datagram, Ecn},
};
use quinn_proto::{ConnectionId, ConnectionIdGenerator, RandomConnectionIdGenerator, ServerConfig};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How many datagrams may be on their way to a core from others. More are lost, as if the network had lost them.
const ON_THEIR_WAY: usize = 1024;

/// How long the names of connections are.
const NAME: usize = 8;

/// What the endpoints of a server have in common.
pub struct Cores {
    config: Arc<ServerConfig>,
    /// With a port once there is one.
    address: OnceLock<SocketAddr>,
    wanted: SocketAddr,
    bound: Event,
    ways: Vec<CrossSender<PassedOn>>,
    ends: Mutex<Vec<Option<CrossReceiver<PassedOn>>>>,
    passed_on: AtomicU64,
}

/// What of a datagram goes to another core.
pub(super) struct PassedOn {
    pub(super) data: Vec<u8>,
    pub(super) from: SocketAddr,
    pub(super) to: Option<IpAddr>,
    pub(super) ecn: Option<Ecn>,
}

impl Cores {
    /// A server for so many cores (256 at most) that is to listen there.
    pub fn new(address: SocketAddr, identity: &Identity, count: usize) -> Result<Arc<Self>> {
        let count = count.clamp(1, 256);
        let (ways, ends) = (0..count).map(|_| channel(ON_THEIR_WAY)).unzip();
        let ends: Vec<CrossReceiver<PassedOn>> = ends;
        Ok(Arc::new(Self {
            config: Arc::new(identity.server_config()?),
            address: OnceLock::new(),
            wanted: address,
            bound: Event::new(),
            ways,
            ends: Mutex::new(ends.into_iter().map(Some).collect()),
            passed_on: AtomicU64::new(0),
        }))
    }

    /// The endpoint of a core. Those of all others wait for that of the first, which has the system choose a port if that is
    /// wanted.
    ///
    /// # Panics
    /// If a core asks twice, or there are more cores than were announced.
    pub async fn endpoint(self: &Arc<Self>, core: &Core) -> Result<Endpoint> {
        let index = core.index();
        let address = match self.address.get() {
            Some(address) => *address,
            None if index == 0 => self.wanted,
            None => self.address().await?,
        };
        let socket = super::socket::shared(address).await?;
        if index == 0 {
            let _ = self.address.set(socket.local_addr()?);
            self.bound.set();
        }
        let end = self.ends.lock().unwrap_or_else(PoisonError::into_inner)[index].take();
        let end = end.expect("each core has one endpoint");
        Ok(Endpoint::on_core(socket, self.config.clone(), Place::new(self.clone(), index, end)))
    }

    /// Where the server listens, once it does.
    pub async fn address(&self) -> Result<SocketAddr> {
        self.bound.wait().await?;
        Ok(*self.address.get().expect("it was set before the event"))
    }

    /// How many datagrams came to another core than that of their connection.
    pub fn passed_on(&self) -> u64 {
        self.passed_on.load(Ordering::Relaxed)
    }

    /// Which core a datagram is for, if it says so.
    pub(super) fn core_of(&self, data: &[u8]) -> Option<usize> {
        let name = match *data.first()? {
            // A short header: the name follows at once.
            first if first & 0x80 == 0 => data.get(1)?,
            // Of a connection that is being made: what the client calls it at first is random. All of that comes to one core.
            first if first & 0x30 != 0x20 => return None,
            _ if usize::from(*data.get(5)?) != NAME => return None,
            _ => data.get(6)?,
        };
        Some(usize::from(*name)).filter(|&core| core < self.ways.len())
    }

    pub(super) fn pass_on(&self, core: usize, datagram: &Datagram) {
        self.passed_on.fetch_add(1, Ordering::Relaxed);
        let data: &Chunk = &datagram.data;
        let passed_on =
            PassedOn { data: data.to_vec(), from: datagram.from, to: datagram.to, ecn: datagram.ecn };
        // One that is lost comes again.
        let _ = self.ways[core].send_nowait(passed_on);
    }
}

/// Makes names of connections that begin with the number of a core.
pub(super) struct Names {
    pub(super) core: u8,
    pub(super) random: RandomConnectionIdGenerator,
}

impl Names {
    pub(super) fn new(core: usize) -> Self {
        Self { core: core as u8, random: RandomConnectionIdGenerator::new(NAME) }
    }
}

impl ConnectionIdGenerator for Names {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut name = self.random.generate_cid();
        name[0] = self.core;
        name
    }

    fn cid_len(&self) -> usize {
        NAME
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_are_for_the_core_that_their_connection_is_named_after() {
        let cores = Cores::new(([127, 0, 0, 1], 0).into(), &Identity::new().unwrap(), 3).unwrap();
        let mut names = Names::new(2);
        let (one, other) = (names.generate_cid(), names.generate_cid());
        assert_ne!(one, other);
        let short: Vec<u8> = [&[0x40][..], &one, b"rest"].concat();
        assert_eq!(cores.core_of(&short), Some(2));
        let handshake: Vec<u8> = [&[0xe0, 0, 0, 0, 1, 8][..], &other, b"rest"].concat();
        assert_eq!(cores.core_of(&handshake), Some(2));
        let first: Vec<u8> = [&[0xc0, 0, 0, 0, 1, 8][..], &other, b"rest"].concat();
        assert_eq!(cores.core_of(&first), None);
        // What others send is anything.
        for data in [&b""[..], &[0x40], &[0xe0, 0, 0, 0, 1], &[0xe0, 0, 0, 0, 1, 7, 1], &[0x40, 3, 1]] {
            assert_eq!(cores.core_of(data), None, "{data:?}");
        }
    }
}
