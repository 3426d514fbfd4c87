//! Waiting for sockets.

use std::time::{Duration, Instant};

use anyhow::ensure;
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use crate::measuring::{
    interrupt::Interrupt,
    load::{STALL_LIMIT, WAIT_LIMIT},
};

const EVENTS: usize = 256;

/// Tells which sockets something has happened to, each known by its place.
pub(crate) struct Poller {
    poll: Poll,
    events: Events,
    last: Instant,
}

impl Poller {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { poll: Poll::new()?, events: Events::with_capacity(EVENTS), last: Instant::now() })
    }

    pub(crate) fn add(&self, socket: &mut TcpStream, place: usize) -> anyhow::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        Ok(self.poll.registry().register(socket, Token(place), interest)?)
    }

    pub(crate) fn remove(&self, socket: &mut TcpStream) -> anyhow::Result<()> {
        Ok(self.poll.registry().deregister(socket)?)
    }

    /// Waits until there is something, and gives the places.
    ///
    /// # Errors
    /// After an interrupt, and if there was nothing for too long.
    pub(crate) fn wait(&mut self, interrupt: &Interrupt) -> anyhow::Result<Vec<usize>> {
        self.last = Instant::now();
        loop {
            interrupt.check()?;
            if let Err(error) = self.poll.poll(&mut self.events, Some(WAIT_LIMIT)) {
                ensure!(error.kind() == std::io::ErrorKind::Interrupted, error);
            }
            if !self.events.is_empty() {
                return Ok(self.events.iter().map(|event| event.token().0).collect());
            }
            let waited: Duration = self.last.elapsed();
            ensure!(waited < STALL_LIMIT, "no answer for {waited:?}");
        }
    }
}
