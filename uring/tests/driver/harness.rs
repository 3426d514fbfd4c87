//! A caller of the driver that does what the runtime does: gives out tokens and keeps memory until the end.

use anyio_driver::{Completion, Driver, Op, Token, Wait};
use anyio_uring::{Options, UringDriver};
use std::{
    io,
    net::{TcpListener, TcpStream},
    os::fd::{AsRawFd, RawFd},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

/// Long enough for anything to happen that is going to happen.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Harness {
    pub(crate) driver: UringDriver,
    next: u32,
    pub(crate) completions: Vec<Completion>,
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::with(&Options::default())
    }

    pub(crate) fn with(options: &Options) -> Self {
        Self {
            driver: UringDriver::new(options).expect("io_uring is needed for these tests"),
            next: 0,
            completions: Vec::new(),
        }
    }

    /// Submits an operation whose memory the test keeps until its completion.
    pub(crate) fn submit(&mut self, op: Op) -> Token {
        let token = Token::new(self.next, 1);
        self.next += 1;
        // SAFETY: tests keep what their operations name until the completion, or until the driver is gone.
        unsafe { self.driver.submit(token, op) };
        token
    }

    /// The same for the next turn.
    pub(crate) fn submit_for_next_turn(&mut self, op: Op) -> Token {
        let token = Token::new(self.next, 1);
        self.next += 1;
        // SAFETY: as above.
        unsafe { self.driver.submit_for_next_turn(token, op) };
        token
    }

    /// Whether the driver makes use of what its report calls by this name.
    pub(crate) fn uses(&self, name: &str) -> bool {
        self.driver.report().findings.iter().find(|finding| finding.name == name).unwrap().in_use
    }

    pub(crate) fn turn(&mut self) -> usize {
        let before = self.completions.len();
        self.driver.turn(Wait::No, &mut self.completions).unwrap();
        self.completions.len() - before
    }

    /// Turns until `done` or the limit.
    pub(crate) fn turn_until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + LIMIT;
        while !done(self) {
            assert!(Instant::now() < end, "{what} did not happen; {:?}", self.driver);
            self.driver.turn(Wait::Until(end), &mut self.completions).unwrap();
        }
    }

    /// Takes the next completion of this operation, once there is one.
    pub(crate) fn next(&mut self, token: Token) -> Completion {
        self.turn_until("a completion", |h| h.completions.iter().any(|c| c.token == token));
        let at = self.completions.iter().position(|c| c.token == token).unwrap();
        self.completions.remove(at)
    }

    /// Does one operation and gives its result.
    pub(crate) fn run(&mut self, op: Op) -> io::Result<u32> {
        let token = self.submit(op);
        let completion = self.next(token);
        assert!(completion.is_final(), "{completion:?}");
        completion.result()
    }

    pub(crate) fn drain(&mut self) {
        self.turn_until("the end of all operations", |h| h.driver.in_flight() == 0);
    }
}

pub(crate) fn receive(socket: &impl AsRawFd, buffer: &mut [u8]) -> Op {
    Op::Receive {
        fd: socket.as_raw_fd(),
        pointer: buffer.as_mut_ptr(),
        length: buffer.len() as u32,
        flags: 0,
    }
}

pub(crate) fn send(socket: &impl AsRawFd, bytes: &[u8]) -> Op {
    Op::Send { fd: socket.as_raw_fd(), pointer: bytes.as_ptr(), length: bytes.len() as u32, flags: 0 }
}

pub(crate) fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

pub(crate) fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

pub(crate) fn is_open(descriptor: RawFd) -> bool {
    // SAFETY: asks for flags and changes nothing.
    unsafe { libc::fcntl(descriptor, libc::F_GETFD) >= 0 }
}
