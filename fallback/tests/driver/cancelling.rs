//! Cancelling operations in each state they can be in.

use crate::{folder::Folder, harness::Harness};
use anyio_driver::{Driver, Op, Token, Wait};
use anyio_fallback::Options;
use std::{
    fs::File,
    io::{Read, Write},
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

#[test]
fn a_job_in_the_queue_is_removed_and_one_that_runs_is_awaited() {
    let folder = Folder::new();
    // Opening one end of a named pipe blocks until the other is opened.
    let pipe = folder.c_path("pipe");
    // SAFETY: the path ends in a zero.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    let file = File::create(folder.path("file")).unwrap();
    let mut harness = Harness::with(Options { threads: NonZeroUsize::new(1), ..Options::default() });
    let opening = harness.submit(Op::Open {
        directory: libc::AT_FDCWD,
        path: pipe.as_ptr(),
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
    let path = folder.path("pipe");
    let writer = std::thread::spawn(move || File::options().write(true).open(path).unwrap());
    let opened = harness.result(opening).unwrap();
    // SAFETY: the driver has just made this descriptor for the test.
    let mut reader = unsafe { File::from_raw_fd(opened as i32) };
    // The writer's open, which came back, proves that the job had started; now one is cancelled while it runs.
    writer.join().unwrap().write_all(b"through").unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "through");
    assert_eq!(file.metadata().unwrap().len(), 0);
    assert_eq!(file.read_at(&mut [0], 0).unwrap_or(0), 0);
}

#[test]
fn a_job_that_runs_reports_its_success_although_it_was_cancelled() {
    let folder = Folder::new();
    let pipe = folder.c_path("pipe");
    // SAFETY: the path ends in a zero.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    let mut harness = Harness::new();
    let opening = harness.submit(Op::Open {
        directory: libc::AT_FDCWD,
        path: pipe.as_ptr(),
        flags: libc::O_RDONLY,
        mode: 0,
    });
    // This open comes back when the worker has begun its own.
    let _writer = File::options().write(true).open(folder.path("pipe")).unwrap();
    harness.driver.cancel(opening);
    let opened = harness.completion(opening).brought().expect("it is said to be a descriptor");
    // SAFETY: the completion was taken, and the descriptor with it.
    assert_eq!(unsafe { libc::close(opened) }, 0);
}

#[test]
fn what_is_opened_after_the_driver_has_gone_is_closed() {
    let folder = Folder::new();
    let pipe = folder.c_path("pipe");
    // SAFETY: the path ends in a zero.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    let mut driver = PollDriver::new(Options::default()).unwrap();
    let op = Op::Open { directory: libc::AT_FDCWD, path: pipe.as_ptr(), flags: libc::O_RDONLY, mode: 0 };
    // SAFETY: the path outlives the open, which is seen to end below.
    unsafe { driver.submit(Token::new(0, 0), op) };
    let path = folder.path("pipe");
    // This open comes back when the worker has begun its own, which ends at the same time or later.
    let mut writer = File::options().write(true).open(path).unwrap();
    drop(driver);
    // As long as anybody holds the other end, a pipe takes so much and no more; then writing to it is an error.
    while writer.write_all(&[0; 1024]).is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
