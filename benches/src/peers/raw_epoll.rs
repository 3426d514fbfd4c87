//! An epoll loop by hand: edge-triggered, one hot buffer for all connections.
//!
//! The buffer used last is used next. Only a connection whose send would block keeps what is left, until its
//! socket is writable again.
//!
//! The unsafe blocks only pass pointers to live local values to system calls that do not keep them, and take
//! over a descriptor that a call just returned.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use super::{
    Peer,
    answering::{Answering, Echo, Http},
};
use crate::measuring::ready::Ready;

pub(crate) static PEER: Peer = Peer {
    name: "raw-epoll",
    about: "epoll by hand, edge-triggered",
    packages: &[],
    by_hand: true,
    servers: &[("echo", serve::<Echo>), ("http", serve::<Http>)],
    jobs: &[],
};

const EVENTS: usize = 1024;
const BUFFER_BYTES: usize = 16 * 1024;

struct Connection<A> {
    socket: TcpStream,
    protocol: A,
    unsent: Vec<u8>,
}

fn serve<A: Answering>(ready: Ready) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    ready.listening_on(listener.local_addr()?)?;
    let epoll = Epoll::new()?;
    epoll.add(listener.as_raw_fd(), libc::EPOLLIN)?;
    // The connections' places are their descriptors' numbers.
    let mut connections: Vec<Option<Connection<A>>> = Vec::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        epoll.wait(&mut events)?;
        for event in &events {
            let place = event.u64 as usize;
            if place == listener.as_raw_fd() as usize {
                let (socket, _) = listener.accept()?;
                socket.set_nonblocking(true)?;
                socket.set_nodelay(true)?;
                let place = socket.as_raw_fd() as usize;
                epoll.add(
                    socket.as_raw_fd(),
                    libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET,
                )?;
                if connections.len() <= place {
                    connections.resize_with(place + 1, || None);
                }
                connections[place] = Some(Connection { socket, protocol: A::default(), unsent: Vec::new() });
            } else if let Some(connection) = &mut connections[place]
                && let Progress::Ended = connection.advance(&mut buffer, event.events)
            {
                // Closing the descriptor takes it off the epoll instance.
                connections[place] = None;
            }
        }
    }
}

enum Progress {
    Waiting,
    Ended,
}

impl<A: Answering> Connection<A> {
    /// Answers until the socket has nothing more or takes nothing more.
    fn advance(&mut self, buffer: &mut [u8], events: u32) -> Progress {
        // After the other end's close a short read does not mean that there is nothing more.
        let to_the_end = events & (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32 != 0;
        let unsent = std::mem::take(&mut self.unsent);
        if !unsent.is_empty() {
            match send(&mut self.socket, &mut self.unsent, &unsent) {
                Ok(true) => {}
                Ok(false) => return Progress::Waiting,
                Err(_) => return Progress::Ended,
            }
        }
        loop {
            let length = match self.socket.read(buffer) {
                Ok(0) => return Progress::Ended,
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waiting,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Progress::Ended,
            };
            let Ok(answer) = self.protocol.answer(&buffer[..length]) else { return Progress::Ended };
            let sent = send(&mut self.socket, &mut self.unsent, answer);
            self.protocol.sent();
            match sent {
                Ok(true) if length < buffer.len() && !to_the_end => return Progress::Waiting,
                Ok(true) => {}
                Ok(false) => return Progress::Waiting,
                Err(_) => return Progress::Ended,
            }
        }
    }
}

/// Whether all was sent; what was not is kept.
fn send(socket: &mut TcpStream, unsent: &mut Vec<u8>, mut data: &[u8]) -> io::Result<bool> {
    while !data.is_empty() {
        match socket.write(data) {
            Ok(length) => data = &data[length..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                *unsent = data.to_vec();
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

struct Epoll(OwnedFd);

impl Epoll {
    fn new() -> io::Result<Self> {
        // SAFETY: no memory is involved.
        let descriptor = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call just gave this descriptor to us alone.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    fn add(&self, descriptor: RawFd, events: libc::c_int) -> io::Result<()> {
        let mut event = libc::epoll_event { events: events as u32, u64: descriptor as u64 };
        // SAFETY: the pointer is to a live event.
        match unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, descriptor, &mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn wait(&self, events: &mut Vec<libc::epoll_event>) -> io::Result<()> {
        events.clear();
        // SAFETY: there is room for as many events as the call is told.
        let count = unsafe {
            libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), events.capacity() as libc::c_int, -1)
        };
        match usize::try_from(count) {
            // SAFETY: the call has written this many events.
            Ok(count) => unsafe { events.set_len(count) },
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}
