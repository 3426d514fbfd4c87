//! Cancelling operations in each state they can be in.

use crate::{folder::Folder, harness::Harness};
use anyio_driver::{Driver, Op, Token, Wait};
use anyio_fallback::{Options, PollDriver};
use std::{
    fs::File,
    io::Write,
    net::TcpListener,
    num::NonZeroUsize,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::{
            ffi::OsStrExt,
            fs::FileExt,
            net::{SocketAddr, UnixListener, UnixStream},
        },
    },
};

fn receive(socket: &impl AsRawFd, room: &mut [u8]) -> Op {
    Op::Receive { fd: socket.as_raw_fd(), pointer: room.as_mut_ptr(), length: room.len() as u32, flags: 0 }
}

#[test]
fn a_receive_that_waits_is_withdrawn_and_takes_no_data() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let mut harness = Harness::new();
    let mut room = [0; 4];
    let token = harness.submit(receive(&near, &mut room));
    harness.turn(Wait::No);
    far.write_all(b"data").unwrap();
    harness.driver.cancel(token);
    assert!(harness.is_cancelled(token));
    assert_eq!(room, [0; 4]);
    assert_eq!(harness.run(receive(&near, &mut room)).unwrap(), 4);
}

#[test]
fn a_cancel_completes_in_the_next_turn_without_waiting() {
    let (near, _far) = UnixStream::pair().unwrap();
    let mut harness = Harness::new();
    let mut room = [0; 4];
    let token = harness.submit(receive(&near, &mut room));
    harness.driver.cancel(token);
    assert_eq!(harness.turn(Wait::Forever), 1);
    assert!(harness.is_cancelled(token));
}

#[test]
fn a_success_that_is_not_handed_out_yet_stays_a_success() {
    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(b"data").unwrap();
    let mut harness = Harness::new();
    let mut room = [0; 4];
    let token = harness.submit(receive(&near, &mut room));
    harness.driver.cancel(token);
    assert_eq!(harness.result(token).unwrap(), 4);
}

#[test]
fn cancelling_twice_or_what_has_completed_or_never_was_does_nothing() {
    let (near, _far) = UnixStream::pair().unwrap();
    let mut harness = Harness::new();
    let mut room = [0; 4];
    let token = harness.submit(receive(&near, &mut room));
    harness.driver.cancel(token);
    harness.driver.cancel(token);
    assert!(harness.is_cancelled(token));
    harness.driver.cancel(token);
    harness.driver.cancel(Token::new(12345, 1));
    // The same index in another generation is another operation.
    let next = harness.submit(receive(&near, &mut room));
    harness.driver.cancel(Token::new(next.index(), next.generation() + 1));
    assert!(!harness.is_done(next));
    harness.driver.cancel(next);
    assert!(harness.is_cancelled(next));
}

#[test]
fn one_of_several_waiting_in_line_is_withdrawn_and_the_order_of_the_others_stays() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let mut harness = Harness::new();
    let mut rooms = [[0u8; 2]; 5];
    let tokens: Vec<_> = rooms.iter_mut().map(|room| harness.submit(receive(&near, room))).collect();
    for index in [0, 2, 4] {
        harness.driver.cancel(tokens[index]);
        assert!(harness.is_cancelled(tokens[index]));
    }
    far.write_all(b"1133").unwrap();
    assert_eq!(harness.result(tokens[1]).unwrap(), 2);
    assert_eq!(harness.result(tokens[3]).unwrap(), 2);
    assert_eq!((&rooms[1], &rooms[3]), (b"11", b"33"));
}

#[test]
fn ten_thousand_waiting_operations_are_cancelled_at_once() {
    let (near, _far) = UnixStream::pair().unwrap();
    let mut harness = Harness::new();
    let mut rooms = vec![[0u8; 1]; 10_000];
    let tokens: Vec<_> = rooms.iter_mut().map(|room| harness.submit(receive(&near, room))).collect();
    harness.turn(Wait::No);
    for token in &tokens {
        harness.driver.cancel(*token);
    }
    assert_eq!(harness.turn(Wait::Forever), tokens.len());
    for token in tokens {
        assert!(harness.is_cancelled(token));
    }
}

#[test]
fn a_connect_an_accept_a_send_and_a_poll_that_wait_are_withdrawn() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (near, _far) = UnixStream::pair().unwrap();
    let mut harness = Harness::new();
    let bytes = vec![0u8; 1 << 20];
    let send =
        Op::Send { fd: near.as_raw_fd(), pointer: bytes.as_ptr(), length: bytes.len() as u32, flags: 0 };
    assert!(harness.run(send).unwrap() < bytes.len() as u32);
    let (queue_path, full) = full_queue();
    // SAFETY: makes a new descriptor, which nobody else has.
    let socket = unsafe { OwnedFd::from_raw_fd(libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)) };
    let operations = [
        Op::Accept { fd: listener.as_raw_fd() },
        send,
        Op::Poll { fd: near.as_raw_fd(), events: libc::POLLIN as u32 },
        Op::Connect { fd: socket.as_raw_fd(), address: queue_path.pointer(), length: queue_path.length() },
    ];
    for op in operations {
        let token = harness.submit(op);
        assert!(!harness.is_done(token), "{op:?}");
        harness.driver.cancel(token);
        assert!(harness.is_cancelled(token), "{op:?}");
    }
    drop(full);
}

#[test]
fn a_connect_to_a_full_queue_succeeds_when_there_is_room() {
    let (address, (listener, waiting, _folder)) = full_queue();
    let mut harness = Harness::new();
    // SAFETY: makes a new descriptor, which nobody else has.
    let socket = unsafe { OwnedFd::from_raw_fd(libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)) };
    let token = harness.submit(Op::Connect {
        fd: socket.as_raw_fd(),
        address: address.pointer(),
        length: address.length(),
    });
    assert!(!harness.is_done(token));
    for _ in 0..waiting.len() {
        listener.accept().unwrap();
    }
    assert_eq!(harness.result(token).unwrap(), 0);
}

struct UnixAddress(Box<libc::sockaddr_un>);

impl UnixAddress {
    fn pointer(&self) -> *const libc::sockaddr {
        (&raw const *self.0).cast()
    }

    fn length(&self) -> libc::socklen_t {
        size_of::<libc::sockaddr_un>() as libc::socklen_t
    }
}

/// A listening socket whose queue is full.
fn full_queue() -> (UnixAddress, (UnixListener, Vec<OwnedFd>, Folder)) {
    let folder = Folder::new();
    let path = folder.path("socket");
    let listener = UnixListener::bind_addr(&SocketAddr::from_pathname(&path).unwrap()).unwrap();
    // SAFETY: only makes the queue shorter.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 2) }, 0);
    // SAFETY: all zeroes is a valid address.
    let mut address = Box::new(unsafe { std::mem::zeroed::<libc::sockaddr_un>() });
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(path.as_os_str().as_bytes()) {
        *to = *from as libc::c_char;
    }
    let address = UnixAddress(address);
    let mut waiting = Vec::new();
    loop {
        // SAFETY: makes a new descriptor, which nobody else has.
        let socket = unsafe { OwnedFd::from_raw_fd(libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)) };
        // SAFETY: only sets a flag of the descriptor.
        unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        // SAFETY: the address is as long as is said.
        if unsafe { libc::connect(socket.as_raw_fd(), address.pointer(), address.length()) } != 0 {
            return (address, (listener, waiting, folder));
        }
        waiting.push(socket);
    }
}

/// A file that nobody else can open before this lease on it has been given back.
#[cfg(target_os = "linux")]
struct Lease(File);

#[cfg(target_os = "linux")]
const F_SETSIG: libc::c_int = 10;

#[cfg(target_os = "linux")]
impl Lease {
    fn new(path: std::path::PathBuf) -> Self {
        let lease = Self(File::create(path).unwrap());
        // Who is asked to give it back gets a signal, here one that does nothing.
        assert_eq!(lease.set(F_SETSIG, libc::SIGURG), 0);
        assert_eq!(lease.set(libc::F_SETLEASE, libc::F_WRLCK), 0, "{}", std::io::Error::last_os_error());
        lease
    }

    fn set(&self, command: libc::c_int, value: libc::c_int) -> libc::c_int {
        // SAFETY: takes numbers only.
        unsafe { libc::fcntl(self.0.as_raw_fd(), command, value) }
    }

    /// Waits until somebody waits for it.
    fn wait_until_asked(&self) {
        while self.set(libc::F_GETLEASE, 0) == libc::F_WRLCK {
            std::thread::yield_now();
        }
    }

    fn give_back(&self) {
        assert_eq!(self.set(libc::F_SETLEASE, libc::F_UNLCK), 0);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_job_in_the_queue_is_removed_and_one_that_runs_is_awaited() {
    let folder = Folder::new();
    let lease = Lease::new(folder.path("leased"));
    let path = folder.c_path("leased");
    let file = File::create(folder.path("file")).unwrap();
    let mut harness = Harness::with(Options { threads: NonZeroUsize::new(1), ..Options::default() });
    let opening = harness.submit(Op::Open {
        directory: libc::AT_FDCWD,
        path: path.as_ptr(),
        flags: libc::O_RDONLY,
        mode: 0,
    });
    let bytes = *b"never written";
    let write = Op::Write {
        fd: file.as_raw_fd(),
        pointer: bytes.as_ptr(),
        length: bytes.len() as u32,
        offset: Some(0),
    };
    let tokens: Vec<_> = (0..100).map(|_| harness.submit(write)).collect();
    for token in &tokens {
        harness.driver.cancel(*token);
    }
    for token in tokens {
        assert!(harness.is_cancelled(token));
    }
    lease.wait_until_asked();
    harness.driver.cancel(opening);
    lease.give_back();
    let opened = harness.result(opening).unwrap();
    // SAFETY: the result was taken, and the descriptor with it.
    drop(unsafe { OwnedFd::from_raw_fd(opened as i32) });
    assert_eq!(file.metadata().unwrap().len(), 0);
    assert_eq!(file.read_at(&mut [0], 0).unwrap_or(0), 0);
}

#[test]
fn a_named_pipe_is_opened_without_waiting_and_in_blocking_mode() {
    let folder = Folder::new();
    let path = folder.c_path("pipe");
    // SAFETY: the path ends in a zero.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    let mut harness = Harness::with(Options { threads: NonZeroUsize::new(1), ..Options::default() });
    let mut open = |flags| {
        harness.run(Op::Open { directory: libc::AT_FDCWD, path: path.as_ptr(), flags, mode: 0o600 }).map(
            |number| {
                // SAFETY: the driver has just made this descriptor for the test.
                unsafe { OwnedFd::from_raw_fd(number as i32) }
            },
        )
    };
    // SAFETY: takes numbers only.
    let blocks =
        |file: &OwnedFd| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) & libc::O_NONBLOCK } == 0;
    let without_reader = open(libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC).unwrap_err();
    assert_eq!(without_reader.raw_os_error(), Some(libc::ENXIO));
    let reader = open(libc::O_RDONLY).unwrap();
    let writer = open(libc::O_WRONLY).unwrap();
    assert!(blocks(&reader) && blocks(&writer));
    assert!(!blocks(&open(libc::O_RDONLY | libc::O_NONBLOCK).unwrap()));
}

#[test]
fn what_is_opened_after_the_driver_has_gone_is_closed() {
    let folder = Folder::new();
    let file = folder.path("file");
    std::fs::write(&file, "").unwrap();
    let opened = || {
        let descriptors = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        descriptors
            .filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == file))
            .count()
    };
    for _ in 0..50 {
        let path = Box::leak(folder.c_path("file").into_boxed_c_str());
        let options = Options { threads: NonZeroUsize::new(1), ..Options::default() };
        let mut driver = PollDriver::new(options).unwrap();
        let op = Op::Open { directory: libc::AT_FDCWD, path: path.as_ptr(), flags: libc::O_RDONLY, mode: 0 };
        // SAFETY: the path is leaked, for the thread that may get to it late.
        unsafe { driver.submit(Token::new(0, 0), op) };
        // Done by now or not.
        drop(driver);
    }
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while opened() > 0 {
        assert!(std::time::Instant::now() < limit, "{} are left", opened());
        std::thread::yield_now();
    }
}
