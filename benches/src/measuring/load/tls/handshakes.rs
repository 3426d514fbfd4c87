//! Connections that live for one request: connect, handshake, one echo, close.
//!
//! They are closed by a reset, so that none of their ports stays taken.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::ensure;
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use rustls::ClientConfig;
use socket2::SockRef;

use super::{client, session::Session};
use crate::measuring::{
    cell::Cell,
    interrupt::Interrupt,
    load::{Load, Served, nanoseconds, pattern, poller::Poller},
    tls::client_config,
};

/// Where to connect to, and what to say.
pub(crate) struct Target {
    server: SocketAddr,
    request: Vec<u8>,
    concurrent: usize,
    config: Arc<ClientConfig>,
    poller: Poller,
}

pub(crate) struct Handshakes {
    resuming: bool,
}

impl Handshakes {
    pub(crate) fn new(resuming: bool) -> Self {
        Self { resuming }
    }
}

/// A connection under way.
struct UnderWay {
    session: Session,
    begun: u64,
    received: Vec<u8>,
}

impl Target {
    fn begin(&self, place: usize, begun: u64) -> anyhow::Result<UnderWay> {
        let mut socket = TcpStream::connect(self.server)?;
        SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
        socket.set_nodelay(true)?;
        self.poller.add(&mut socket, place)?;
        // Sessions are remembered by name; each place has its own, so that none lacks one.
        let mut session = Session::new(socket, client(&self.config, &format!("place-{place}"))?);
        session.ask(&self.request, self.request.len())?;
        Ok(UnderWay { session, begun, received: Vec::with_capacity(self.request.len()) })
    }

    /// Has so many connections come and go, and then more while `goes_on` says so.
    fn run(
        &mut self,
        resumed: bool,
        interrupt: &Interrupt,
        mut goes_on: impl FnMut(u64, u64) -> bool,
    ) -> anyhow::Result<Served> {
        let start = Instant::now();
        let mut under_way = Vec::new();
        for place in 0..self.concurrent {
            under_way.push(Some(self.begin(place, nanoseconds(start.elapsed()))?));
        }
        let (mut requests, mut last_answer, mut outstanding) = (0, 0, self.concurrent);
        while outstanding > 0 {
            for place in self.poller.wait(interrupt)? {
                let Some(one) = &mut under_way[place] else { continue };
                if !one.session.turn(|piece| one.received.extend_from_slice(piece))? {
                    continue;
                }
                ensure!(one.received == self.request, "the server sent back other bytes than it was sent");
                ensure!(one.session.is_resumed() == resumed, "a session was not resumed, or was");
                let now = nanoseconds(start.elapsed());
                requests += 1;
                last_answer = now;
                let is_next = goes_on(now, now - one.begun);
                self.poller.remove(&mut one.session.socket)?;
                // The socket is reset here.
                under_way[place] = None;
                if is_next {
                    under_way[place] = Some(self.begin(place, now)?);
                } else {
                    outstanding -= 1;
                }
            }
        }
        Ok(Served { requests, elapsed: Duration::from_nanos(last_answer) })
    }
}

impl Load for Handshakes {
    type Connections = Target;

    fn open(&mut self, server: SocketAddr, cell: Cell, interrupt: &Interrupt) -> anyhow::Result<Target> {
        let mut target = Target {
            server,
            request: pattern(cell.size),
            concurrent: cell.connections,
            config: client_config(self.resuming)?,
            poller: Poller::new()?,
        };
        // Those make the sessions that are resumed.
        target.run(false, interrupt, |_, _| false)?;
        Ok(target)
    }

    fn drive(
        &mut self,
        target: &mut Target,
        slice: Duration,
        latencies: &mut Histogram<u64>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Served> {
        let slice = nanoseconds(slice);
        target.run(self.resuming, interrupt, |now, latency| {
            latencies.saturating_record(latency);
            now < slice
        })
    }

    fn forget(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}
