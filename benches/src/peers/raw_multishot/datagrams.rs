//! Datagrams on a ring by hand: one multishot `recvmsg`, and a `sendmsg` out of the buffer that it filled.
//!
//! Contract of the unsafe code: the messages and what they point to are leaked like the buffers, so no completion is too late.
//! A buffer that a completion named is touched by nobody else until it was sent, and only then goes back to the kernel.

use std::{
    mem,
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd,
};

use anyhow::Context;
use io_uring::{cqueue, opcode, types::Fd};
use socket2::SockAddr;

use super::buffer_ring::{BufferRing, GROUP};
use crate::{
    measuring::{
        amounts::STREAM_BYTES,
        datagrams::{self, Progress},
        job::{Job, Order},
        stopwatch::Measured,
        submissions::{Submissions, ring},
    },
    peers::datagrams::{Datagrams, Jobs, Together},
};

pub(super) const JOBS: &[(&str, Job)] = Jobs::<Ring>::TOGETHER;

const BUFFERS: u16 = 1024;
const BUFFER_BYTES: usize = 2048;
/// The room for an address, behind the head of 16 bytes.
const NAME: usize = size_of::<libc::sockaddr_in>();
const HEAD: usize = 16;
const PAYLOAD: usize = HEAD + NAME;

const RECEIVE: u64 = u64::MAX;

/// How many sends are under way at a time where there is nothing but sends.
const SENDERS: usize = 32;

struct Ring;

impl Datagrams for Ring {
    fn echo(order: &Order, peers: usize, size: usize) -> anyhow::Result<Measured> {
        datagrams::echo(order, peers, size, |socket, progress| serve(&socket, progress, None))
    }

    fn receive(order: &Order) -> anyhow::Result<Measured> {
        datagrams::receive(order, |socket, from, progress| serve(&socket, progress, Some(from)))
    }

    fn send(order: &Order) -> anyhow::Result<Measured> {
        datagrams::send(order, |socket, to, progress| send(&socket, &SockAddr::from(to), progress))
    }
}

/// It always does.
impl Together for Ring {
    fn echo_together(order: &Order, peers: usize, size: usize) -> anyhow::Result<Measured> {
        Self::echo(order, peers, size)
    }
}

fn send(socket: &UdpSocket, to: &SockAddr, progress: &mut Progress) -> anyhow::Result<()> {
    let mut ring = ring()?;
    let (submitter, queue, mut completions) = ring.split();
    let mut submissions = Submissions::new(submitter, queue);
    let data = vec![7; SENDERS * STREAM_BYTES].leak();
    let entry = |sender: usize| {
        let data = &data[sender * STREAM_BYTES..][..STREAM_BYTES];
        let send = opcode::Send::new(Fd(socket.as_raw_fd()), data.as_ptr(), STREAM_BYTES as u32);
        send.dest_addr(to.as_ptr().cast()).dest_addr_len(to.len()).build().user_data(sender as u64)
    };
    for sender in 0..SENDERS {
        // SAFETY: the bytes are leaked; the socket and the address live as long as the ring.
        unsafe { submissions.push(&entry(sender))? };
    }
    loop {
        submissions.turn()?;
        completions.sync();
        let mut done = 0;
        for completion in &mut completions {
            anyhow::ensure!(completion.result() == STREAM_BYTES as i32, "sent in part, or not at all");
            done += 1;
            // SAFETY: as for the first.
            unsafe { submissions.push(&entry(completion.user_data() as usize))? };
        }
        if !progress.add(done) {
            return Ok(());
        }
    }
}

/// Answers, or takes what one sender has sent.
fn serve(socket: &UdpSocket, progress: &mut Progress, sender: Option<SocketAddr>) -> anyhow::Result<()> {
    let mut ring = ring()?;
    let (submitter, queue, mut completions) = ring.split();
    let mut buffers = BufferRing::register(&submitter, BUFFERS, BUFFER_BYTES)?;
    let mut submissions = Submissions::new(submitter, queue);
    // SAFETY: zeroes are valid values of these records.
    let (none, empty): (libc::msghdr, libc::iovec) = unsafe { (mem::zeroed(), mem::zeroed()) };
    let room = Box::leak(Box::new(libc::msghdr { msg_namelen: NAME as u32, ..none }));
    let messages = vec![none; BUFFERS.into()].leak();
    let pieces = vec![empty; BUFFERS.into()].leak();
    let receive = opcode::RecvMsgMulti::new(Fd(socket.as_raw_fd()), room, GROUP).build().user_data(RECEIVE);
    // SAFETY: the room is leaked; the socket lives as long as the ring.
    unsafe { submissions.push(&receive)? };
    loop {
        submissions.turn()?;
        completions.sync();
        let mut done = 0;
        for completion in &mut completions {
            let (data, result, flags) = (completion.user_data(), completion.result(), completion.flags());
            if data != RECEIVE {
                buffers.give_back(data as u16);
                continue;
            }
            if !cqueue::more(flags) {
                // SAFETY: as for the first.
                unsafe { submissions.push(&receive)? };
            }
            if result < 0 {
                anyhow::ensure!(result == -libc::ENOBUFS, "the receive failed with {result}");
                continue;
            }
            done += 1;
            let buffer = cqueue::buffer_select(flags).context("a datagram without a buffer")?;
            let filled = buffers.take(buffer, result as u32);
            if let Some(sender) = sender {
                anyhow::ensure!(filled.length as usize == PAYLOAD + STREAM_BYTES, "of another size");
                // SAFETY: the kernel has put the sender's address there, and the buffer is this loop's until it goes back.
                let from =
                    unsafe { buffers.address(filled.buffer).add(HEAD).cast::<libc::sockaddr_in>().read() };
                anyhow::ensure!(datagrams::is_sender(&from, sender), "of another sender");
                buffers.give_back(filled.buffer);
                continue;
            }
            let start = buffers.address(filled.buffer).cast_mut();
            let place = usize::from(buffer);
            pieces[place] = libc::iovec {
                iov_base: start.wrapping_add(PAYLOAD).cast(),
                iov_len: filled.length as usize - PAYLOAD,
            };
            messages[place] = libc::msghdr {
                msg_name: start.wrapping_add(HEAD).cast(),
                msg_namelen: NAME as u32,
                msg_iov: &raw mut pieces[place],
                msg_iovlen: 1,
                ..none
            };
            let send = opcode::SendMsg::new(Fd(socket.as_raw_fd()), &raw const messages[place]);
            // SAFETY: the message, the address and the bytes stay as they are until it was sent.
            unsafe { submissions.push(&send.build().user_data(buffer.into()))? };
        }
        buffers.publish();
        if !progress.add(done) {
            return Ok(());
        }
    }
}
