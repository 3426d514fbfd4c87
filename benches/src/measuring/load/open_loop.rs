//! Requests at a fixed rate, whatever becomes of the answers.
//!
//! The moments at which requests are due are fixed beforehand, evenly, and go round the connections. A request that is
//! due on a connection that still waits for an answer is sent as soon as that has come. Its latency counts from when
//! it was due all the same: otherwise a server that stalls would be asked less while it does so, and the stall would
//! hardly show (coordinated omission). The generator never sleeps within a slice, so no wake-up of its own counts.
//!
//! Contract of the unsafe code: as in `closed_loop`; what the kernel reads and writes is leaked.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use io_uring::{
    IoUring, opcode,
    squeue::{Entry, Flags},
    types::Fd,
};

use super::{Load, STALL_LIMIT, Served, connect, nanoseconds, pattern};
use crate::measuring::{
    cell::Cell,
    interrupt::Interrupt,
    submissions::{Submissions, ring},
};

/// Marks the completion of a send, which is posted only if it failed.
const SEND: u64 = 1 << 32;

/// The open connections of one cell to one server.
pub(crate) struct Connections {
    connections: Vec<Connection>,
    request: &'static [u8],
    discard: *mut u8,
    /// From one request to the next, in nanoseconds.
    interval: f64,
}

struct Connection {
    socket: TcpStream,
    /// When the requests were due that are not answered yet; the first of them is under way.
    due: VecDeque<u64>,
}

impl Connections {
    fn exchange(&self, place: usize) -> [Entry; 2] {
        let descriptor = Fd(self.connections[place].socket.as_raw_fd());
        let length = self.request.len() as u32;
        [
            opcode::Send::new(descriptor, self.request.as_ptr(), length)
                .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
                .build()
                .flags(Flags::SKIP_SUCCESS)
                .user_data(place as u64 | SEND),
            opcode::Recv::new(descriptor, self.discard, length)
                .flags(libc::MSG_WAITALL)
                .build()
                .user_data(place as u64),
        ]
    }
}

pub(crate) struct OpenLoop {
    ring: IoUring,
}

impl OpenLoop {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { ring: ring().context("the load generator needs io_uring of Linux 6.1 or later")? })
    }
}

impl Load for OpenLoop {
    type Connections = Connections;

    fn open(&mut self, server: SocketAddr, cell: Cell, interrupt: &Interrupt) -> anyhow::Result<Connections> {
        let rate = cell.rate.context("a cell without a rate")?;
        let request: &'static [u8] = Box::leak(pattern(cell.size).into_boxed_slice());
        let discard = Box::leak(vec![0; cell.size].into_boxed_slice()).as_mut_ptr();
        let mut received = vec![0; cell.size];
        let mut connections = Vec::with_capacity(cell.connections);
        for _ in 0..cell.connections {
            interrupt.check()?;
            let mut socket = connect(server)?;
            socket.write_all(request)?;
            received.fill(0);
            socket.read_exact(&mut received).context("no echo on a new connection")?;
            ensure!(received == request, "the server sent back other bytes than it was sent");
            connections.push(Connection { socket, due: VecDeque::new() });
        }
        Ok(Connections { connections, request, discard, interval: 1e9 / rate as f64 })
    }

    fn drive(
        &mut self,
        connections: &mut Connections,
        slice: Duration,
        latencies: &mut Histogram<u64>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Served> {
        let (submitter, queue, mut completions) = self.ring.split();
        let mut submissions = Submissions::new(submitter, queue);
        let (slice, stall_limit) = (nanoseconds(slice), nanoseconds(STALL_LIMIT));
        let length = connections.request.len() as i32;
        let count = connections.connections.len() as u64;
        let due = |number: u64, interval: f64| (number as f64 * interval) as u64;
        let start = Instant::now();
        let (mut asked, mut answered, mut last_answer) = (0_u64, 0_u64, 0);
        loop {
            let now = nanoseconds(start.elapsed());
            while due(asked, connections.interval) <= now.min(slice) {
                let place = (asked % count) as usize;
                let waiting = &mut connections.connections[place].due;
                waiting.push_back(due(asked, connections.interval));
                asked += 1;
                if waiting.len() == 1 {
                    for entry in connections.exchange(place) {
                        // SAFETY: all memory is leaked; sockets stay open as long as the connections.
                        unsafe { submissions.push(&entry)? };
                    }
                }
            }
            if now > slice && answered == asked {
                break;
            }
            submissions.turn_without_waiting()?;
            completions.sync();
            if completions.is_empty() && now - last_answer.min(now) > stall_limit {
                interrupt.check()?;
                bail!("no answer for {STALL_LIMIT:?} to {} requests", asked - answered);
            }
            for completion in &mut completions {
                if completion.user_data() & SEND != 0 || completion.result() != length {
                    bail!("a request failed: result {} instead of {length}", completion.result());
                }
                let place = completion.user_data() as usize;
                let now = nanoseconds(start.elapsed());
                let waiting = &mut connections.connections[place].due;
                let was_due = waiting.pop_front().context("an answer to nothing")?;
                latencies.saturating_record(now - was_due);
                answered += 1;
                last_answer = now;
                if !waiting.is_empty() {
                    for entry in connections.exchange(place) {
                        // SAFETY: as above.
                        unsafe { submissions.push(&entry)? };
                    }
                }
            }
        }
        interrupt.check()?;
        Ok(Served { requests: answered, elapsed: Duration::from_nanos(last_answer.max(1)) })
    }

    fn forget(&mut self) -> anyhow::Result<()> {
        self.ring = ring()?;
        Ok(())
    }
}
