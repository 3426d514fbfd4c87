//! A closed loop of connections that stay, with one exchange outstanding on each.

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

use super::{connect, session::Session};
use crate::measuring::{
    cell::Cell,
    interrupt::Interrupt,
    load::{Load, Served, closed_loop::Exchange, nanoseconds, poller::Poller},
    tls::client_config,
};

/// The open connections of one cell to one server.
pub(crate) struct Connections {
    poller: Poller,
    sessions: Vec<Session>,
    request: Vec<u8>,
    answer_bytes: usize,
    sent_at: Vec<u64>,
}

pub(crate) struct Kept {
    config: Arc<ClientConfig>,
    exchange_for: fn(Cell) -> Exchange,
}

impl Kept {
    pub(crate) fn new(exchange_for: fn(Cell) -> Exchange) -> anyhow::Result<Self> {
        Ok(Self { config: client_config(false)?, exchange_for })
    }
}

impl Load for Kept {
    type Connections = Connections;

    fn open(&mut self, server: SocketAddr, cell: Cell, interrupt: &Interrupt) -> anyhow::Result<Connections> {
        let Exchange { request, answer, .. } = (self.exchange_for)(cell);
        let mut received = vec![0; answer.len()];
        let poller = Poller::new()?;
        let mut sessions = Vec::with_capacity(cell.connections);
        for place in 0..cell.connections {
            interrupt.check()?;
            let mut stream = connect(server, &self.config)?;
            stream.write_all(&request)?;
            received.fill(0);
            stream.read_exact(&mut received).context("no answer on a new connection")?;
            ensure!(received == answer, "the server answered with other bytes than it should");
            let (tls, socket) = stream.into_parts();
            socket.set_nonblocking(true)?;
            let mut socket = TcpStream::from_std(socket);
            poller.add(&mut socket, place)?;
            sessions.push(Session::new(socket, tls));
        }
        let sent_at = vec![0; sessions.len()];
        Ok(Connections { poller, sessions, request, answer_bytes: answer.len(), sent_at })
    }

    fn drive(
        &mut self,
        connections: &mut Connections,
        slice: Duration,
        latencies: &mut Histogram<u64>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Served> {
        let Connections { poller, sessions, request, answer_bytes, sent_at } = connections;
        let answer_bytes = *answer_bytes;
        let start = Instant::now();
        let slice = nanoseconds(slice);
        let (mut requests, mut last_answer, mut outstanding) = (0, 0, sessions.len());
        let mut is_asking = vec![true; sessions.len()];
        for (session, sent_at) in sessions.iter_mut().zip(&mut *sent_at) {
            *sent_at = nanoseconds(start.elapsed());
            session.ask(request, answer_bytes)?;
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
                        sessions[place].ask(request, answer_bytes)?;
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
