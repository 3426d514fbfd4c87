//! The load: what sends requests to the servers, all from one thread.

pub(crate) mod bulk;
pub(crate) mod closed_loop;
pub(crate) mod connector;
pub(crate) mod http2;
pub(crate) mod open_loop;
pub(crate) mod poller;
pub(crate) mod tls;

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use hdrhistogram::Histogram;
use socket2::SockRef;

use crate::measuring::{cell::Cell, interrupt::Interrupt};

/// No answer for this long fails the measurement.
const STALL_LIMIT: Duration = Duration::from_secs(10);
/// How long a wait for completions may last before the interrupt flag is looked at.
const WAIT_LIMIT: Duration = Duration::from_millis(100);

/// A way to load a server.
pub(crate) trait Load {
    /// What is kept open to one server.
    type Connections;

    /// Connects to a server, and makes sure that it answers right.
    fn open(
        &mut self,
        server: SocketAddr,
        cell: Cell,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self::Connections>;

    /// Loads one server for about `slice`, waits for the last answers, and records each request's latency in
    /// nanoseconds.
    fn drive(
        &mut self,
        connections: &mut Self::Connections,
        slice: Duration,
        latencies: &mut Histogram<u64>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Served>;

    /// Forgets what is still under way after a failure.
    fn forget(&mut self) -> anyhow::Result<()>;
}

/// What one slice of load came to.
pub(crate) struct Served {
    /// In the workload's unit.
    pub(crate) requests: u64,
    /// From the first request sent to the last answer received.
    pub(crate) elapsed: Duration,
}

/// Bytes that show it if some are lost, doubled or swapped.
pub(crate) fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| (index % 251) as u8).collect()
}

/// A connection whose calls do not block for ever.
pub(crate) fn connect(server: SocketAddr) -> anyhow::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&server, STALL_LIMIT)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(STALL_LIMIT))?;
    socket.set_write_timeout(Some(STALL_LIMIT))?;
    // A reset instead of a normal close: thousands of ports in TIME_WAIT would slow the next cell.
    SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
    Ok(socket)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
