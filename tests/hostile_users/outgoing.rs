//! Sockets whose bytes are taken over to be sent, by anybody and with any waker.

use crate::{
    values::fault,
    world::{World, byte_at},
};
use anyio::{Error, net::UnixStream, streams::ByteSendStream};
use socket2::SockRef;
use std::{
    io::{ErrorKind, IoSlice, Read},
    net::Shutdown,
    os::unix::net::UnixStream as Peer,
    task::{Context, Poll, Waker},
};

/// So many that any driver takes something over.
const STREAMS: usize = 5;

/// A socket of which each byte has its place.
pub(crate) struct Outgoing {
    stream: UnixStream,
    other: Other,
}

/// Its other end. When the stream is gone all that comes is what went before, and then the end.
pub(crate) struct Other {
    peer: Peer,
    sent: u64,
    received: u64,
}

impl Outgoing {
    fn new() -> anyio::Result<Self> {
        let (stream, peer) = Peer::pair()?;
        peer.set_nonblocking(true)?;
        // So small that there is often no room.
        SockRef::from(&stream).set_send_buffer_size(1)?;
        let stream = UnixStream::from_owned(stream.into())?;
        Ok(Self { stream, other: Other { peer, sent: 0, received: 0 } })
    }

    /// Does one thing. False if the stream is of no more use.
    fn act(&mut self, choice: usize, length: u64, waker: &Waker) -> bool {
        let bytes: Vec<u8> = (self.other.sent..self.other.sent + length).map(byte_at).collect();
        let mut cx = Context::from_waker(waker);
        match choice {
            0..=3 => match self.stream.send_soon(&mut cx, &[IoSlice::new(&bytes)]) {
                Ok(count) => {
                    self.other.sent += count as u64;
                    true
                }
                Err(error) => is_usual(&error),
            },
            4 => match self.stream.send_nowait(&[IoSlice::new(&bytes)]) {
                Ok(count) => {
                    self.other.sent += count as u64;
                    true
                }
                Err(error) => is_usual(&error),
            },
            5 | 6 => match self.stream.poll_sent(&mut cx) {
                Poll::Ready(Err(error)) => is_usual(&error),
                _ => true,
            },
            7 => match self.stream.poll_sent_or_sending(&mut cx) {
                Poll::Ready(Err(error)) => is_usual(&error),
                _ => true,
            },
            _ => {
                self.other.receive(length as usize);
                true
            }
        }
    }
}

impl Other {
    /// Looks at what has come. True at the end.
    fn receive(&mut self, most: usize) -> bool {
        let mut buffer = [0; 4096];
        match self.peer.read(&mut buffer[..most]) {
            Ok(0) => true,
            Ok(count) => {
                let places = self.received..;
                if let Some((at, _)) =
                    places.zip(&buffer[..count]).find(|&(at, &byte)| at >= self.sent || byte != byte_at(at))
                {
                    fault(format!("byte {at} of {} that were taken over is wrong", self.sent));
                }
                self.received += count as u64;
                false
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => {
                fault(format!("what was taken over cannot be received: {error}"));
                true
            }
        }
    }

    /// Looks at all that has come, and for the end.
    pub(crate) fn receive_all(&mut self) {
        loop {
            let before = self.received;
            if self.receive(4096) {
                return;
            }
            if self.received == before {
                return fault("a socket whose stream is gone has no end");
            }
        }
    }
}

fn is_usual(error: &Error) -> bool {
    matches!(error, Error::BusyResource(_) | Error::Unsupported(_) | Error::Cancelled(_) | Error::WouldBlock)
}

/// Does something with one of the sockets, which nobody else finds meanwhile.
pub(crate) fn act(world: &World) {
    let mut taken = {
        let mut all = world.outgoing.borrow_mut();
        let count = all.len();
        match count {
            0 => return,
            _ => all.swap_remove(world.below(count)),
        }
    };
    let waker = world.any_waker();
    let length = 1 + match world.below(3) {
        0 => world.below(4096),
        _ => world.below(200),
    } as u64;
    match world.below(14) {
        0 => drop(taken),
        // The other end goes, and what is sent fails.
        1 => {
            taken.other.peer.shutdown(Shutdown::Both).expect("it is connected");
            world.outgoing.borrow_mut().push(taken);
        }
        2 | 3 => {
            let Outgoing { stream, other } = taken;
            drop(stream);
            world.gone.borrow_mut().push(other);
        }
        choice => {
            if taken.act(choice - 4, length, &waker) {
                world.outgoing.borrow_mut().push(taken);
            }
        }
    }
}

/// Makes as many as there are to be.
pub(crate) fn furnish(world: &World) {
    while world.outgoing.borrow().len() < STREAMS {
        match Outgoing::new() {
            Ok(made) => world.outgoing.borrow_mut().push(made),
            Err(error) => return fault(format!("a socket cannot be made: {error}")),
        }
    }
}
