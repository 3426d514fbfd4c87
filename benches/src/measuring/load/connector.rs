//! Connections that live for one request: connect, send, receive the answer, close.
//!
//! So many of them are under way at any time. Each is one chain of three linked entries with one completion. They are
//! closed by a reset, so that none of their ports stays taken.
//!
//! Contract of the unsafe code: the request, the address and the buffers that the kernel uses are leaked, so no
//! completion can come too late for them. Each of those under way has a part of the buffer of its own, which is read
//! only between its completion and the next chain that names it. A socket stays open until its chain's completion; if
//! a slice fails the sockets are closed early, and the kernel holds its own references.

use std::{
    net::SocketAddr,
    os::fd::AsRawFd,
    slice,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use io_uring::{
    IoUring, opcode,
    squeue::{Entry, Flags},
    types::Fd,
};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{Load, STALL_LIMIT, Served, WAIT_LIMIT, nanoseconds, pattern};
use crate::measuring::{
    cell::Cell,
    interrupt::Interrupt,
    submissions::{Submissions, ring},
};

/// Marks all completions of a chain but the last, which are posted only if they failed.
const EARLY: u64 = 1 << 32;

/// Where to connect to, and what to say.
pub(crate) struct Target {
    address: &'static SockAddr,
    request: &'static [u8],
    /// Room for all answers that can be under way.
    answers: *mut u8,
    concurrent: usize,
}

pub(crate) struct Connector {
    ring: IoUring,
}

impl Connector {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { ring: ring().context("the load generator needs io_uring of Linux 6.1 or later")? })
    }
}

impl Target {
    fn answer(&self, place: usize) -> *mut u8 {
        self.answers.wrapping_add(place * self.request.len())
    }

    fn chain(&self, place: usize, socket: &Socket) -> [Entry; 3] {
        let descriptor = Fd(socket.as_raw_fd());
        let length = self.request.len() as u32;
        let early = Flags::IO_LINK | Flags::SKIP_SUCCESS;
        [
            opcode::Connect::new(descriptor, self.address.as_ptr().cast(), self.address.len())
                .build()
                .flags(early)
                .user_data(place as u64 | EARLY),
            opcode::Send::new(descriptor, self.request.as_ptr(), length)
                .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
                .build()
                .flags(early)
                .user_data(place as u64 | EARLY),
            opcode::Recv::new(descriptor, self.answer(place), length)
                .flags(libc::MSG_WAITALL)
                .build()
                .user_data(place as u64),
        ]
    }
}

fn socket() -> anyhow::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_linger(Some(Duration::ZERO))?;
    Ok(socket)
}

impl Load for Connector {
    type Connections = Target;

    fn open(&mut self, server: SocketAddr, cell: Cell, _: &Interrupt) -> anyhow::Result<Target> {
        let request: &'static [u8] = Box::leak(pattern(cell.size).into_boxed_slice());
        let answers = Box::leak(vec![0; cell.connections * cell.size].into_boxed_slice()).as_mut_ptr();
        let address: &'static SockAddr = Box::leak(Box::new(server.into()));
        Ok(Target { address, request, answers, concurrent: cell.connections })
    }

    fn drive(
        &mut self,
        target: &mut Target,
        slice: Duration,
        latencies: &mut Histogram<u64>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Served> {
        let (submitter, queue, mut completions) = self.ring.split();
        let mut submissions = Submissions::new(submitter, queue);
        let start = Instant::now();
        let slice = nanoseconds(slice);
        let mut under_way = Vec::with_capacity(target.concurrent);
        for place in 0..target.concurrent {
            let begun = nanoseconds(start.elapsed());
            let socket = socket()?;
            for entry in target.chain(place, &socket) {
                // SAFETY: all memory is leaked; the socket stays open until the chain's completion.
                unsafe { submissions.push(&entry)? };
            }
            under_way.push((socket, begun));
        }
        let mut outstanding = target.concurrent;
        let (mut requests, mut last_answer) = (0, 0);
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
                let (data, result) = (completion.user_data(), completion.result());
                if data & EARLY != 0 || result != target.request.len() as i32 {
                    bail!("a connection failed: result {result} instead of {}", target.request.len());
                }
                let place = data as usize;
                // SAFETY: the place's chain has ended, so the kernel does not write there now.
                let answer = unsafe { slice::from_raw_parts(target.answer(place), target.request.len()) };
                ensure!(answer == target.request, "the server sent back other bytes than it was sent");
                let now = nanoseconds(start.elapsed());
                latencies.saturating_record(now - under_way[place].1);
                requests += 1;
                last_answer = now;
                if now < slice {
                    let socket = socket()?;
                    for entry in target.chain(place, &socket) {
                        // SAFETY: as above.
                        unsafe { submissions.push(&entry)? };
                    }
                    // The former socket is reset here.
                    under_way[place] = (socket, now);
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
