//! The load generator: a closed loop of many connections on one thread, with one request outstanding each.
//!
//! A request is a send of all its bytes and a receive that completes when all of them came back, so it costs
//! two submissions, one completion and a share of a system call. What comes back during the load is not read
//! (opening a connection checks one echo byte for byte), so all receives share one buffer that stays in cache.
//!
//! Contract of the unsafe code: the payload and the buffer that the kernel reads and writes are leaked once per
//! generator, so no completion can come too late for them. The shared buffer is only ever written by the kernel;
//! no reference to it is made. Descriptors stay open while a slice runs, as it borrows their connections.

use std::{
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
use socket2::SockRef;

use crate::{
    cell::Cell,
    interrupt::Interrupt,
    submissions::{Submissions, ring},
};

/// No answer for this long fails the measurement.
const STALL_LIMIT: Duration = Duration::from_secs(10);
/// How long a wait for completions may last before the interrupt flag is looked at.
const WAIT_LIMIT: Duration = Duration::from_millis(100);
/// A checked echo stays below what the socket buffers of both ends take up without a reader.
const MAX_CHECKED_BYTES: usize = 16 * 1024;
/// Marks the completion of a send, which is posted only if it failed.
const SEND: u64 = 1 << 32;

/// The open connections of one cell to one server.
pub(crate) struct Connections {
    sockets: Vec<TcpStream>,
    bytes: usize,
    /// When each connection's outstanding request was sent, in nanoseconds since the slice began.
    sent_at: Vec<u64>,
}

impl Connections {
    /// Opens the connections and checks that each of them echoes.
    pub(crate) fn open(server: SocketAddr, cell: Cell, interrupt: &Interrupt) -> anyhow::Result<Self> {
        let mut sockets = Vec::with_capacity(cell.connections);
        let sent: Vec<u8> = (0..cell.bytes.min(MAX_CHECKED_BYTES)).map(|index| (index % 251) as u8).collect();
        let mut received = vec![0; sent.len()];
        for _ in 0..cell.connections {
            interrupt.check()?;
            let mut socket = TcpStream::connect_timeout(&server, STALL_LIMIT)?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(STALL_LIMIT))?;
            socket.set_write_timeout(Some(STALL_LIMIT))?;
            // A reset instead of a normal close: thousands of ports in TIME_WAIT would slow the next cell.
            SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
            socket.write_all(&sent)?;
            received.fill(0);
            socket.read_exact(&mut received).context("no echo on a new connection")?;
            ensure!(sent == received, "the server sent back other bytes than it was sent");
            sockets.push(socket);
        }
        Ok(Self { sockets, bytes: cell.bytes, sent_at: vec![0; cell.connections] })
    }
}

/// What one slice of load came to.
pub(crate) struct Served {
    pub(crate) requests: u64,
    /// From the first request sent to the last answer received.
    pub(crate) elapsed: Duration,
}

/// The thread's ring and the memory its requests use.
pub(crate) struct Generator {
    ring: IoUring,
    payload: *const u8,
    discard: *mut u8,
    max_bytes: usize,
}

impl Generator {
    /// `max_bytes`: the longest request this generator will send.
    pub(crate) fn new(max_bytes: usize) -> anyhow::Result<Self> {
        let ring = ring().context("the load generator needs io_uring of Linux 6.1 or later")?;
        let payload = Box::leak(vec![b'x'; max_bytes].into_boxed_slice()).as_ptr();
        let discard = Box::leak(vec![0; max_bytes].into_boxed_slice()).as_mut_ptr();
        Ok(Self { ring, payload, discard, max_bytes })
    }

    /// Loads one server for about `slice`, waits for the last answers, and records each request's latency in
    /// nanoseconds.
    pub(crate) fn drive(
        &mut self,
        connections: &mut Connections,
        slice: Duration,
        latencies: &mut Histogram<u64>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Served> {
        let bytes = connections.bytes;
        ensure!(bytes <= self.max_bytes, "a request longer than the generator was made for");
        let length = u32::try_from(bytes)?;
        let (payload, discard) = (self.payload, self.discard);
        let request = |index: usize, socket: &TcpStream| -> [Entry; 2] {
            let descriptor = Fd(socket.as_raw_fd());
            [
                opcode::Send::new(descriptor, payload, length)
                    .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
                    .build()
                    .flags(Flags::SKIP_SUCCESS)
                    .user_data(index as u64 | SEND),
                opcode::Recv::new(descriptor, discard, length)
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
            for entry in request(index, socket) {
                // SAFETY: both buffers are leaked and at least `length` long; the socket stays open until
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
                if completion.user_data() & SEND != 0 || completion.result() != length as i32 {
                    bail!("a request failed: result {} instead of {length}", completion.result());
                }
                let index = completion.user_data() as usize;
                let now = nanoseconds(start.elapsed());
                latencies.saturating_record(now - connections.sent_at[index]);
                requests += 1;
                last_answer = now;
                if now < slice {
                    connections.sent_at[index] = now;
                    for entry in request(index, &connections.sockets[index]) {
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
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
