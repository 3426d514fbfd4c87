//! Closing, and the end of a driver.

use crate::harness::{Harness, is_open, pair, receive};
use anyio_driver::{Driver, Op};
use anyio_uring::Options;
use std::{
    ffi::CString,
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::AsRawFd,
    os::unix::ffi::OsStrExt,
};

/// How many descriptors of this process lead to what this path leads to.
fn opened(path: &std::path::Path) -> usize {
    fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter(|entry| fs::read_link(entry.as_ref().unwrap().path()).is_ok_and(|target| target == path))
        .count()
}

#[test]
fn what_was_withdrawn_from_a_descriptor_does_not_keep_it_open() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    for _ in 0..100 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (mut left, right) = pair();
        let mut buffer = [0; 4];
        let accepting = harness.submit(Op::Accept { fd: listener.as_raw_fd() });
        let receiving = harness.submit(receive(&right, &mut buffer));
        harness.turn();
        let mut completions = Vec::new();
        harness.driver.withdraw(accepting, &mut completions);
        harness.driver.withdraw(receiving, &mut completions);
        assert_eq!(completions.len(), 2);
        drop((listener, right));
        drop(TcpListener::bind(address).unwrap());
        assert_eq!(left.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn a_file_that_was_written_is_closed_with_its_descriptor() {
    skip_unless_selected!();
    let path = std::env::temp_dir().join(format!("anyio-uring-{}-closed", std::process::id()));
    let mut harness = Harness::new();
    for round in 0..500 {
        let file = File::create(&path).unwrap();
        let other = File::options().write(true).open(&path).unwrap();
        file.lock().unwrap();
        let fd = file.as_raw_fd();
        let bytes = b"written";
        assert_eq!(
            harness.run(Op::Write { fd, pointer: bytes.as_ptr(), length: 7, offset: Some(0) }).unwrap(),
            7
        );
        harness.run(Op::Synchronize { fd, data_only: true }).unwrap();
        drop(file);
        other.try_lock().unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    fs::remove_file(path).unwrap();
}

#[test]
fn a_driver_that_goes_closes_what_nobody_has_taken() {
    skip_unless_selected!();
    let path = std::env::temp_dir().join(format!("anyio-uring-{}-untaken", std::process::id()));
    fs::write(&path, "").unwrap();
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    let mut harness = Harness::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let open = |harness: &mut Harness| {
        harness.submit(Op::Open {
            directory: libc::AT_FDCWD,
            path: name.as_ptr(),
            flags: libc::O_RDONLY,
            mode: 0,
        })
    };
    let token = open(&mut harness);
    assert!(harness.next(token).brought().is_some_and(is_open), "it is said to be a descriptor");
    assert_eq!(opened(&path), 1);
    open(&mut harness);
    harness.submit(Op::Accept { fd: listener.as_raw_fd() });
    // Hands everything to the kernel and leaves what comes of it with the driver.
    let idle = harness.submit(Op::Poll { fd: listener.as_raw_fd(), events: 0 });
    harness.driver.withdraw(idle, &mut Vec::new());
    drop(harness);
    assert_eq!(opened(&path), 1, "the one that was taken");
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "the connection was closed");
    fs::remove_file(path).unwrap();
}

#[test]
fn what_is_queued_when_the_driver_is_dropped_does_not_happen() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (left, mut right) = pair();
    harness.submit(crate::harness::send(&left, b"never"));
    drop(harness);
    (&left).write_all(b"only").unwrap();
    drop(left);
    let mut received = Vec::new();
    right.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"only");
}

#[test]
fn operations_in_flight_end_after_the_driver_although_it_can_be_woken_still() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (mut left, right) = pair();
    // The kernel may use it until the peer has seen the end, so it is leaked.
    let buffer = Box::leak(Box::new([0; 16]));
    harness.submit(receive(&right, buffer));
    if harness.driver.capabilities().multishot_receive {
        harness.submit(Op::ReceiveMultishot { fd: right.as_raw_fd() });
    }
    assert_eq!(harness.turn(), 0);
    let unparker = harness.driver.unparker();
    drop(harness);
    drop(right);
    assert_eq!(left.read(&mut [0]).unwrap(), 0, "nothing holds the socket any more");
    unparker.unpark();
}

#[test]
fn a_threads_places_for_ring_descriptors_are_given_back() {
    skip_unless_selected!();
    let options = Options { entries: 4, buffers: 4, ..Options::default() };
    let uses_place = || Harness::with(&options).uses("registered ring descriptor");
    if uses_place() {
        assert!((0..100).all(|_| uses_place()));
    }
}
