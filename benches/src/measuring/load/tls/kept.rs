//! A closed loop of connections that stay, with one echo outstanding on each.

use std::{
    io::{Read, Write},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use rustls::ClientConfig;

use super::{connect, poller::Poller, session::Session};
use crate::measuring::{
    cell::Cell,
    interrupt::Interrupt,
    load::{Load, Served, nanoseconds, pattern},
    tls::client_config,
};

/// The open connections of one cell to one server.
pub(crate) struct Connections {
    poller: Poller,
    sessions: Vec<Session>,
    request: Vec<u8>,
    sent_at: Vec<u64>,
}

pub(crate) struct Kept {
    config: Arc<ClientConfig>,
}

impl Kept {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { config: client_config(false)? })
    }
}

impl Load for Kept {
    type Connections = Connections;

    fn open(&mut self, server: SocketAddr, cell: Cell, interrupt: &Interrupt) -> anyhow::Result<Connections> {
        let request = pattern(cell.size);
        let mut received = vec![0; cell.size];
        let poller = Poller::new()?;
        let mut sessions = Vec::with_capacity(cell.connections);
        for place in 0..cell.connections {
            interrupt.check()?;
            let mut stream = connect(server, &self.config)?;
            stream.write_all(&request)?;
            received.fill(0);
            stream.read_exact(&mut received).context("no echo on a new connection")?;
            ensure!(received == request, "the server sent back other bytes than it was sent");
            let (tls, socket) = stream.into_parts();
            socket.set_nonblocking(true)?;
            let mut socket = TcpStream::from_std(socket);
            poller.add(&mut socket, place)?;
            sessions.push(Session::new(socket, tls));
        }
        Ok(Connections { poller, sent_at: vec![0; sessions.len()], sessions, request })
    }

    fn drive(
        &mut self,
        connections: &mut Connections,
        slice: Duration,
        latencies: &mut Histogram<u64>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Served> {
        let Connections { poller, sessions, request, sent_at } = connections;
        let start = Instant::now();
        let slice = nanoseconds(slice);
        let (mut requests, mut last_answer, mut outstanding) = (0, 0, sessions.len());
        let mut is_asking = vec![true; sessions.len()];
        for (session, sent_at) in sessions.iter_mut().zip(&mut *sent_at) {
            *sent_at = nanoseconds(start.elapsed());
            session.ask(request, request.len())?;
            session.turn(|_| ())?;
        }
        while outstanding > 0 {
            for place in poller.wait(interrupt)? {
                while is_asking[place] && sessions[place].turn(|_| ())? {
                    let now = nanoseconds(start.elapsed());
                    latencies.saturating_record(now - sent_at[place]);
                    requests += 1;
                    last_answer = now;
                    if now < slice {
                        sent_at[place] = now;
                        sessions[place].ask(request, request.len())?;
                    } else {
                        is_asking[place] = false;
                        outstanding -= 1;
                    }
                }
            }
        }
        Ok(Served { requests, elapsed: Duration::from_nanos(last_answer) })
    }

    fn forget(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}
