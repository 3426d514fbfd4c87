//! The mode of an open file, which others that have it see too.

use crate::harness::Harness;
use anyio_driver::{Driver, Op};
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    os::unix::net::UnixStream,
};

fn blocks(fd: &impl AsRawFd) -> bool {
    // SAFETY: only flags are read.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) & libc::O_NONBLOCK == 0 }
}

fn read(fd: RawFd, room: &mut [u8]) -> Op {
    Op::Read { fd, pointer: room.as_mut_ptr(), length: room.len() as u32, offset: None }
}

fn write(fd: RawFd, bytes: &[u8]) -> Op {
    Op::Write { fd, pointer: bytes.as_ptr(), length: bytes.len() as u32, offset: None }
}

/// Has the driver read and write at a pipe's ends, both so that it has to wait.
fn use_pipe(mut reader: impl Read + AsRawFd, mut writer: impl Write + AsRawFd) {
    let mut harness = Harness::new();
    let mut room = [0; 4];
    let reading = harness.submit(read(reader.as_raw_fd(), &mut room));
    assert!(!harness.is_done(reading));
    assert!(blocks(&reader) && blocks(&writer), "while it waits");
    writer.write_all(b"some").unwrap();
    assert_eq!(harness.result(reading).unwrap(), 4);
    let much = vec![7; 1 << 20];
    let mut left = much.len();
    let mut taken = vec![0; 1 << 16];
    while left > 0 {
        let writing = harness.submit(write(writer.as_raw_fd(), &much[..left]));
        while !harness.is_done(writing) {
            assert!(blocks(&reader) && blocks(&writer), "while it waits for room");
            assert_ne!(reader.read(&mut taken).unwrap(), 0);
        }
        left -= harness.result(writing).unwrap() as usize;
    }
    assert!(blocks(&reader) && blocks(&writer), "afterwards");
}

#[test]
fn pipes_are_left_in_blocking_mode() {
    let (reader, writer) = std::io::pipe().unwrap();
    use_pipe(reader, writer);
}

#[test]
fn sockets_are_left_in_blocking_mode() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut harness = Harness::new();
    let accepting = harness.submit(Op::Accept { fd: listener.as_raw_fd() });
    assert!(!harness.is_done(accepting));
    assert!(blocks(&listener), "while it waits");
    let client = socket();
    let address = address_of(&listener);
    let connecting = harness.submit(Op::Connect {
        fd: client.as_raw_fd(),
        address: (&raw const address).cast(),
        length: size_of_val(&address) as libc::socklen_t,
    });
    harness.result(connecting).unwrap();
    let accepted = harness.completion(accepting).brought().unwrap();
    // SAFETY: the completion was taken, and the descriptor with it.
    let accepted = unsafe { OwnedFd::from_raw_fd(accepted) };
    assert!(blocks(&listener) && blocks(&client) && blocks(&accepted));
    harness.driver.forget(accepted.as_raw_fd());
}

#[test]
fn a_mode_that_others_have_set_stays() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    let mut harness = Harness::new();
    // SAFETY: only flags are set.
    assert_eq!(unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) }, 0);
    let mut room = [0; 4];
    let reading = harness.submit(read(reader.as_raw_fd(), &mut room));
    writer.write_all(b"some").unwrap();
    assert_eq!(harness.result(reading).unwrap(), 4);
    let sending = harness.submit(write(near.as_raw_fd(), b"some"));
    assert_eq!(harness.result(sending).unwrap(), 4);
    assert!(!blocks(&reader) && !blocks(&near) && blocks(&far));
}

#[test]
fn a_connection_that_another_process_takes_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut harness = Harness::new();
    let accepting = harness.submit(Op::Accept { fd: listener.as_raw_fd() });
    assert!(!harness.is_done(accepting));
    let _first = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    drop(listener.accept().unwrap());
    // The driver was told of the first, which is gone.
    assert!(!harness.is_done(accepting));
    let _second = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let accepted = harness.completion(accepting).brought().unwrap();
    // SAFETY: the completion was taken, and the descriptor with it.
    drop(unsafe { OwnedFd::from_raw_fd(accepted) });
}

fn socket() -> OwnedFd {
    // SAFETY: no memory is involved, and the new descriptor is nobody else's.
    unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
        assert!(fd >= 0);
        OwnedFd::from_raw_fd(fd)
    }
}

fn address_of(listener: &TcpListener) -> libc::sockaddr_in {
    // SAFETY: all zeroes is a valid address.
    let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    let mut length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: there is room for the address, and the length says how much.
    let known = unsafe { libc::getsockname(listener.as_raw_fd(), (&raw mut address).cast(), &mut length) };
    assert_eq!(known, 0);
    address
}
