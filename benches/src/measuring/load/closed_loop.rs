//! A closed loop of many connections, with one exchange outstanding on each.
//!
//! An exchange is a send of all its bytes and a receive that completes when all of the answer is there, so it costs
//! two submissions, one completion and a share of a system call. What comes back during the load is not read
//! (opening a connection checks one answer byte for byte), so all receives share one buffer that stays in cache.
//!
//! Contract of the unsafe code: the requests and the buffer that the kernel reads and writes are leaked, so no
//! completion can come too late for them. The shared buffer is only ever written by the kernel; no reference to it
//! is made. Descriptors stay open while a slice runs, as it borrows their connections.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::AsRawFd,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use io_uring::{
    IoUring, opcode,
    squeue::{Entry, Flags},
    types::Fd,
};

use super::{Load, STALL_LIMIT, Served, WAIT_LIMIT, connect, nanoseconds};
use crate::measuring::{
    cell::Cell,
    interrupt::Interrupt,
    submissions::{Submissions, ring},
};

/// So much at least is taken up by the socket buffers of both ends without a reader.
const UNREAD_BYTES: usize = 16 * 1024;
/// Marks the completion of a send, which is posted only if it failed.
const SEND: u64 = 1 << 32;

/// What is sent, and what has to come back.
pub(crate) struct Exchange {
    pub(crate) request: Vec<u8>,
    pub(crate) answer: Vec<u8>,
    /// How many requests it counts as.
    pub(crate) requests: u64,
    /// What one connection in a hundred sends instead, as long as the request, which has to come back as it is.
    pub(crate) rare: Option<Vec<u8>>,
}

/// One connection in so many sends rare requests.
const RARE: usize = 100;

impl Exchange {
    /// What a connection sends, and what has to come back.
    fn of_connection(&self, index: usize) -> (&[u8], &[u8]) {
        match &self.rare {
            Some(rare) if index % RARE == RARE - 1 => (rare, rare),
            _ => (&self.request, &self.answer),
        }
    }
}

/// The open connections of one cell to one server.
pub(crate) struct Connections {
    sockets: Vec<TcpStream>,
    exchange: &'static Exchange,
    /// When each connection's outstanding request was sent, in nanoseconds since the slice began.
    sent_at: Vec<u64>,
}

/// The thread's ring and the memory its requests use.
pub(crate) struct ClosedLoop {
    ring: IoUring,
    exchange_for: fn(Cell) -> Exchange,
    exchange: Option<(Cell, &'static Exchange)>,
    discard: *mut u8,
    discard_bytes: usize,
}

impl ClosedLoop {
    pub(crate) fn new(exchange_for: fn(Cell) -> Exchange) -> anyhow::Result<Self> {
        let ring = ring().context("the load generator needs io_uring of Linux 6.1 or later")?;
        Ok(Self { ring, exchange_for, exchange: None, discard: std::ptr::null_mut(), discard_bytes: 0 })
    }

    /// The exchange of this cell, which is made once.
    fn exchange(&mut self, cell: Cell) -> &'static Exchange {
        if let Some((_, exchange)) = self.exchange.filter(|(known, _)| *known == cell) {
            return exchange;
        }
        let exchange: &'static Exchange = Box::leak(Box::new((self.exchange_for)(cell)));
        self.exchange = Some((cell, exchange));
        if self.discard_bytes < exchange.answer.len() {
            self.discard_bytes = exchange.answer.len();
            self.discard = Box::leak(vec![0; self.discard_bytes].into_boxed_slice()).as_mut_ptr();
        }
        exchange
    }
}

/// Sends a request and receives its answer, which may begin before all of the request is taken.
fn ask(socket: &mut TcpStream, request: &[u8], answer: &mut [u8]) -> anyhow::Result<()> {
    let (first, rest) = request.split_at(request.len().min(UNREAD_BYTES));
    socket.write_all(first)?;
    let mut writer = socket.try_clone()?;
    let sent = thread::scope(|scope| {
        let sending = (!rest.is_empty()).then(|| scope.spawn(move || writer.write_all(rest)));
        socket.read_exact(answer).context("no answer on a new connection")?;
        let sent = sending.map_or(Ok(Ok(())), thread::ScopedJoinHandle::join);
        anyhow::Ok(sent.expect("writing does not panic"))
    })?;
    Ok(sent?)
}

impl Load for ClosedLoop {
    type Connections = Connections;

    fn open(&mut self, server: SocketAddr, cell: Cell, interrupt: &Interrupt) -> anyhow::Result<Connections> {
        let exchange = self.exchange(cell);
        let mut received = vec![0; exchange.answer.len()];
        let mut sockets = Vec::with_capacity(cell.connections);
        for index in 0..cell.connections {
            interrupt.check()?;
            let mut socket = connect(server)?;
            received.fill(0);
            let (request, answer) = exchange.of_connection(index);
            ask(&mut socket, request, &mut received)?;
            ensure!(received == answer, "the server answered with other bytes than it should");
            sockets.push(socket);
        }
        Ok(Connections { sockets, exchange, sent_at: vec![0; cell.connections] })
    }

    fn drive(
        &mut self,
        connections: &mut Connections,
        slice: Duration,
        latencies: &mut Histogram<u64>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Served> {
        let Exchange { request, answer, requests: in_each, rare } = connections.exchange;
        ensure!(answer.len() <= self.discard_bytes, "an answer longer than the generator was made for");
        ensure!(rare.as_ref().is_none_or(|rare| rare.len() == request.len()), "a request of another length");
        let (length, answer_length) = (u32::try_from(request.len())?, u32::try_from(answer.len())?);
        let (exchanges, discard) = (connections.exchange, self.discard);
        let exchange = |index: usize, socket: &TcpStream| -> [Entry; 2] {
            let descriptor = Fd(socket.as_raw_fd());
            let payload = exchanges.of_connection(index).0.as_ptr();
            [
                opcode::Send::new(descriptor, payload, length)
                    .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
                    .build()
                    .flags(Flags::SKIP_SUCCESS)
                    .user_data(index as u64 | SEND),
                opcode::Recv::new(descriptor, discard, answer_length)
                    .flags(libc::MSG_WAITALL)
                    .build()
                    .user_data(index as u64),
            ]
        };

        let (submitter, queue, mut completions) = self.ring.split();
        let mut submissions = Submissions::new(submitter, queue);
        let start = Instant::now();
        let slice = nanoseconds(slice);
        for (index, socket) in connections.sockets.iter().enumerate() {
            connections.sent_at[index] = nanoseconds(start.elapsed());
            for entry in exchange(index, socket) {
                // SAFETY: both buffers are leaked and as long as said; the socket stays open until
                // the answer came or this function failed, and then the kernel holds its own reference.
                unsafe { submissions.push(&entry)? };
            }
        }
        let mut outstanding = connections.sockets.len();
        let mut requests = 0;
        let mut last_answer = 0;
        while outstanding > 0 {
            submissions.turn_within(WAIT_LIMIT)?;
            completions.sync();
            if completions.is_empty() {
                interrupt.check()?;
                ensure!(
                    nanoseconds(start.elapsed()) - last_answer < nanoseconds(STALL_LIMIT),
                    "no answer for {STALL_LIMIT:?} on {outstanding} connections"
                );
            }
            for completion in &mut completions {
                if completion.user_data() & SEND != 0 || completion.result() != answer_length as i32 {
                    bail!("a request failed: result {} instead of {answer_length}", completion.result());
                }
                let index = completion.user_data() as usize;
                let now = nanoseconds(start.elapsed());
                latencies.saturating_record(now - connections.sent_at[index]);
                requests += in_each;
                last_answer = now;
                if now < slice {
                    connections.sent_at[index] = now;
                    for entry in exchange(index, &connections.sockets[index]) {
                        // SAFETY: as above.
                        unsafe { submissions.push(&entry)? };
                    }
                } else {
                    outstanding -= 1;
                }
            }
        }
        Ok(Served { requests, elapsed: Duration::from_nanos(last_answer) })
    }

    fn forget(&mut self) -> anyhow::Result<()> {
        self.ring = ring()?;
        Ok(())
    }
}
