//! What can't be brought about from outside: old kernels, and answers that are rare.

use crate::{Options, UringDriver, setup::STEPS};
use anyio_driver::{Completion, CompletionFlags, Driver, Op, Token, Wait};
use io_uring::{opcode, types::Fd};
use std::{
    io::{Read, Write},
    os::fd::AsRawFd,
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

fn turn(driver: &mut UringDriver, wait: Wait) -> Vec<Completion> {
    let mut completions = Vec::new();
    driver.turn(wait, &mut completions).unwrap();
    completions
}

/// Turns until there is a completion.
fn next(driver: &mut UringDriver) -> Completion {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let [completion] = turn(driver, Wait::Until(end))[..] {
            return completion;
        }
        assert!(Instant::now() < end);
    }
}

fn receive(socket: &UnixStream, buffer: &mut [u8]) -> Op {
    Op::Receive {
        fd: socket.as_raw_fd(),
        pointer: buffer.as_mut_ptr(),
        length: buffer.len() as u32,
        flags: 0,
    }
}

/// A receive in flight that was marked as cancelled without the kernel having been asked.
fn cancel_that_missed(failures: u32) -> (UringDriver, Token, UnixStream, Box<[u8; 8]>) {
    let mut driver = UringDriver::new(&Options::default()).unwrap();
    let (left, right) = UnixStream::pair().unwrap();
    let mut buffer = Box::new([0; 8]);
    let token = Token::new(5, 9);
    // SAFETY: the caller keeps the buffer beside the driver.
    unsafe { driver.submit(token, receive(&right, &mut *buffer)) };
    assert!(turn(&mut driver, Wait::No).is_empty());
    let first_queued = driver.queue.first_number();
    driver.tracker.operations.cancel(token, first_queued);
    for _ in 0..failures {
        driver.tracker.take_cancel(token, -libc::ENOENT);
    }
    (driver, token, left, buffer)
}

/// Puts a completion into a driver's ring, where the kernel (Linux 5.18) can do so.
fn answer(driver: &UringDriver, token: Token, result: i32) -> bool {
    let mut sender = UringDriver::new(&Options::default()).unwrap();
    let ring = Fd(driver.ring.io().as_raw_fd());
    let message = opcode::MsgRingData::new(ring, result, token.to_bits(), None).build();
    let own = Token::new(0, 0);
    sender.tracker.operations.start(own, 0, 0);
    sender.queue.push(message.user_data(own.to_bits()));
    // Older kernels refuse.
    next(&mut sender).result >= 0
}

#[test]
fn a_cancel_that_was_not_found_is_repeated_even_by_a_turn_that_would_wait_for_ever() {
    skip_unless_selected!();
    let (mut driver, token, _left, _buffer) = cancel_that_missed(1);
    let completion = loop {
        if let [completion] = turn(&mut driver, Wait::Forever)[..] {
            break completion;
        }
    };
    assert_eq!((completion.token, completion.result), (token, -libc::ECANCELED));
    assert_eq!(driver.statistics().cancel_retries, 1);
}

#[test]
fn a_cancel_that_is_made_to_miss_is_repeated_and_one_that_needs_nobody_is_not() {
    skip_unless_selected!();
    let mut driver = UringDriver::new(&Options::default()).unwrap();
    let (_left, right) = UnixStream::pair().unwrap();
    let (mut buffer, token) = ([0; 8], Token::new(5, 9));
    for (is_submitted, retries) in [(false, 0), (true, 1)] {
        // SAFETY: the buffer lives until the completion.
        unsafe { driver.submit(token, receive(&right, &mut buffer)) };
        if is_submitted {
            assert!(turn(&mut driver, Wait::No).is_empty());
        }
        assert_eq!((driver.cancel_in_vain(token), driver.cancel_in_vain(token)), (is_submitted, false));
        assert_eq!(next(&mut driver).result, -libc::ECANCELED);
        assert_eq!(driver.statistics().cancel_retries, retries);
    }
}

#[test]
fn a_cancel_that_was_not_found_is_not_repeated_after_the_operation_has_ended() {
    skip_unless_selected!();
    let (mut driver, token, mut left, _buffer) = cancel_that_missed(1);
    left.write_all(b"done").unwrap();
    // This turn both repeats the cancel and takes the completion, whichever is first.
    let completion = next(&mut driver);
    assert_eq!(completion.token, token);
    let retries = driver.statistics().cancel_retries;
    driver.tracker.take_cancel(token, -libc::ENOENT);
    assert!(driver.tracker.retries.is_empty(), "what has ended is not asked for");
    for _ in 0..10 {
        assert!(turn(&mut driver, Wait::No).is_empty());
    }
    assert_eq!(driver.statistics().cancel_retries, retries);
}

#[test]
fn a_cancel_is_repeated_until_one_reaches_the_operation() {
    skip_unless_selected!();
    // That it was interrupted does not say that it noticed.
    for (answer, retries) in [(0, 0), (1, 0), (-libc::ENOENT, 1), (-libc::EALREADY, 1)] {
        let (mut driver, token, _left, _buffer) = cancel_that_missed(0);
        driver.tracker.take_cancel(token, answer);
        assert_eq!(driver.tracker.retries.is_empty(), retries == 0, "{answer}");
        if retries == 0 {
            driver.push_cancel(token);
        }
        assert_eq!(next(&mut driver).result, -libc::ECANCELED);
        assert_eq!(driver.statistics().cancel_retries, retries, "{answer}");
    }
}

#[test]
fn an_operation_that_ends_by_an_interruption_has_been_interrupted_once() {
    skip_unless_selected!();
    let mut driver = UringDriver::new(&Options::default()).unwrap();
    let folder = std::env::temp_dir().join(format!("anyio-interrupted-{}", std::process::id()));
    let path = std::ffi::CString::new(folder.to_str().unwrap()).unwrap();
    // SAFETY: the path is a string.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    let token = Token::new(5, 9);
    // A thread of the kernel waits for a writer: what may create a file is not tried without one.
    let flags = libc::O_RDONLY | libc::O_CREAT;
    let op = Op::Open { directory: libc::AT_FDCWD, path: path.as_ptr(), flags, mode: 0o600 };
    // SAFETY: the path outlives the driver.
    unsafe { driver.submit(token, op) };
    assert!(turn(&mut driver, Wait::Until(Instant::now() + Duration::from_millis(5))).is_empty());
    driver.cancel(token);
    assert_eq!(next(&mut driver).result, -libc::ECANCELED);
    std::fs::remove_file(folder).unwrap();
    for _ in 0..10 {
        assert!(turn(&mut driver, Wait::No).is_empty());
    }
    assert!(driver.tracker.retries.is_empty(), "what has ended is not interrupted");
}

#[test]
fn a_send_that_is_called_off_tells_what_it_has_sent() {
    skip_unless_selected!();
    for may_go_on in [true, false] {
        let mut driver = UringDriver::new(&Options::default()).unwrap();
        driver.support.keeps_parts &= may_go_on;
        let goes_on = driver.support.keeps_parts;
        let (left, mut right) = UnixStream::pair().unwrap();
        let bytes = vec![7; 1 << 20];
        let (fd, length) = (left.as_raw_fd(), bytes.len() as u32);
        let op = Op::Send { fd, pointer: bytes.as_ptr(), length, flags: libc::MSG_WAITALL };
        let token = Token::new(5, 9);
        // SAFETY: the bytes outlive the driver's work on them: its completion is awaited.
        unsafe { driver.submit(token, op) };
        // Nobody receives, so a part is sent and waits for room, or is all that is sent.
        let mut completions = turn(&mut driver, Wait::Until(Instant::now() + Duration::from_millis(5)));
        assert_eq!(completions.is_empty(), goes_on);
        if goes_on {
            driver.cancel(token);
            completions.push(next(&mut driver));
        }
        drop(left);
        let mut received = Vec::new();
        right.read_to_end(&mut received).unwrap();
        assert!(!received.is_empty() && received.len() < bytes.len());
        assert_eq!(completions[0].result, received.len() as i32, "it goes on: {goes_on}");
    }
}

#[test]
fn an_interrupted_operation_counts_as_cancelled_only_if_that_was_asked_for() {
    skip_unless_selected!();
    let outcomes = [(true, -libc::ECANCELED), (false, -libc::EINTR)];
    let answers = [libc::EINTR, 512, 513, 514, 516];
    for ((asked, result), number) in
        outcomes.into_iter().flat_map(|outcome| answers.map(|answer| (outcome, answer)))
    {
        let mut driver = UringDriver::new(&Options::default()).unwrap();
        let token = Token::new(0, 0);
        driver.tracker.operations.start(token, 0, 0);
        if asked {
            driver.tracker.operations.cancel(token, 1);
        }
        if !answer(&driver, token, -number) {
            return;
        }
        assert_eq!(next(&mut driver).result, result);
    }
}

#[test]
fn a_completion_of_an_old_generation_is_counted_and_touches_nothing() {
    skip_unless_selected!();
    let mut driver = UringDriver::new(&Options::default()).unwrap();
    let token = Token::new(3, 8);
    let (mut left, right) = UnixStream::pair().unwrap();
    let mut buffer = [0; 8];
    // SAFETY: the buffer lives until the completion.
    unsafe { driver.submit(token, receive(&right, &mut buffer)) };
    for stale in [Token::new(3, 7), Token::new(1 << 30, 0), Token::new(0, 0).with_kind(200)] {
        driver.queue.push(opcode::Nop::new().build().user_data(stale.to_bits()));
    }
    assert!(turn(&mut driver, Wait::No).is_empty());
    assert_eq!((driver.stale_completions(), driver.in_flight()), (3, 1));
    left.write_all(b"mine").unwrap();
    assert_eq!(next(&mut driver).token, token);
}

#[test]
fn the_driver_keeps_its_promises_with_each_set_of_flags() {
    skip_unless_selected!();
    for first in 0..STEPS.len() {
        for skip_success in [true, false] {
            let options = Options { entries: 8, ..Options::default() };
            let mut driver = UringDriver::with_steps(&options, &STEPS[first..]).unwrap();
            driver.support.skip_success &= skip_success;
            exercise(&mut driver);
            assert_eq!(driver.stale_completions(), 0, "{:?}", STEPS[first]);
            assert_eq!(driver.in_flight(), 0);
        }
    }
}

/// A bit of everything: data, many entries, cancels, closes, buffers, waking.
fn exercise(driver: &mut UringDriver) {
    let (mut left, right) = UnixStream::pair().unwrap();
    let mut buffers = [0_u8; 100];
    for (index, byte) in buffers.iter_mut().enumerate() {
        // SAFETY: the buffers live until the completions, and the cancelled ones are all awaited below.
        unsafe { driver.submit(Token::new(index as u32, 1), receive(&right, std::slice::from_mut(byte))) };
    }
    assert!(turn(driver, Wait::No).is_empty());
    for index in 0..100 {
        driver.cancel(Token::new(index, 1));
    }
    let mut cancelled = 0;
    while cancelled < 100 {
        let completions = turn(driver, Wait::Forever);
        assert!(completions.iter().all(|completion| completion.result == -libc::ECANCELED));
        cancelled += completions.len();
    }
    if driver.capabilities().multishot_receive {
        let token = Token::new(3, 2);
        // SAFETY: the socket lives until the final completion.
        unsafe { driver.submit(token, Op::ReceiveMultishot { fd: right.as_raw_fd() }) };
        turn(driver, Wait::No);
        left.write_all(b"data").unwrap();
        let completion = next(driver);
        assert_eq!(completion.flags & CompletionFlags::BUFFER, CompletionFlags::BUFFER);
        assert_eq!(driver.take_buffer(completion.buffer, completion.result as usize), b"data");
        driver.cancel(token);
        assert_eq!(next(driver).result, -libc::ECANCELED);
    }
    drop(right);
    turn(driver, Wait::No);
    assert_eq!(left.read(&mut [0]).unwrap(), 0);
    let unparker = driver.unparker();
    let thread = thread::spawn(move || unparker.unpark());
    turn(driver, Wait::Forever);
    thread.join().unwrap();
}

#[test]
fn messages_are_sent_as_they_are_by_the_ring_and_without_it() {
    let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let port = receiver.local_addr().unwrap().port();
    // SAFETY: all zeroes are an address and a message without anything.
    let (mut address, mut message): (libc::sockaddr_in, libc::msghdr) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    address.sin_family = libc::AF_INET as libc::sa_family_t;
    address.sin_port = port.to_be();
    address.sin_addr.s_addr = u32::from(std::net::Ipv4Addr::LOCALHOST).to_be();
    let (mut one, mut two) = (*b"one", *b"two");
    let piece = |bytes: &mut [u8]| libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let mut pieces = [piece(&mut one), piece(&mut two)];
    message.msg_iov = pieces.as_mut_ptr();
    let mut driver = UringDriver::new(&Options::default()).unwrap();
    let mut received = [0; 16];
    for connected in [false, true] {
        if connected {
            sender.connect(receiver.local_addr().unwrap()).unwrap();
            (message.msg_name, message.msg_namelen) = (std::ptr::null_mut(), 0);
        } else {
            message.msg_name = (&raw mut address).cast();
            message.msg_namelen = size_of_val(&address) as libc::socklen_t;
        }
        for flags in [0, libc::MSG_DONTWAIT] {
            for (count, expected) in [(1, &b"one"[..]), (2, b"onetwo"), (0, b"")] {
                message.msg_iovlen = count;
                let op = Op::SendMessage { fd: sender.as_raw_fd(), message: &raw const message, flags };
                // SAFETY: all that the message points to is here until it was sent.
                unsafe { driver.submit(Token::new(3, 1), op) };
                assert_eq!(driver.in_flight(), 1);
                assert_eq!(next(&mut driver).result, expected.len() as i32);
                assert_eq!(receiver.recv(&mut received).unwrap(), expected.len());
                assert_eq!(&received[..expected.len()], expected);
            }
        }
    }
}

/// Where the kernel can be told (Linux 6.15). Else an idle ring is shown as pressure on disks, and keeps processors awake.
#[test]
fn an_idle_ring_is_not_taken_for_one_that_waits_for_a_disk() {
    let driver = UringDriver::new(&Options::default()).unwrap();
    let can_be_told = driver.ring.io().params().is_feature_no_iowait();
    assert_eq!(driver.ring.waits_for_no_disk(), can_be_told);
}
