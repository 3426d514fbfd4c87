//! Turns under pressure.

use crate::harness::{Harness, pair, receive};
use anyio_driver::{Driver, Op, Wait};
use anyio_uring::Options;
use std::{
    io::Write,
    mem,
    os::fd::AsRawFd,
    os::unix::thread::JoinHandleExt,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

fn small() -> Options {
    Options { entries: 8, completion_entries: Some(16), ..Options::default() }
}

#[test]
fn thousands_of_completions_at_once_pass_through_a_queue_of_sixteen() {
    skip_unless_selected!();
    let mut harness = Harness::with(&small());
    assert_eq!(harness.driver.report().completion_entries, 16);
    let (mut left, right) = pair();
    let count = 3000;
    for _ in 0..count {
        harness.submit(Op::Poll { fd: right.as_raw_fd(), events: libc::POLLIN as u32 });
    }
    assert_eq!(harness.turn(), 0);
    left.write_all(b"x").unwrap();
    harness.drain();
    let mut indices: Vec<_> = harness.completions.iter().map(|c| c.token.index()).collect();
    indices.sort_unstable();
    assert!(indices.into_iter().eq(0..count));
    assert_eq!(harness.driver.stale_completions(), 0);
}

#[test]
fn thousands_of_operations_go_through_a_queue_of_eight_in_one_turn() {
    skip_unless_selected!();
    let mut harness = Harness::with(&small());
    for _ in 0..5000 {
        harness.submit(Op::Nop {});
    }
    assert_eq!(harness.turn(), 5000);
    assert!(harness.completions.iter().all(|completion| completion.result == 0));
}

#[test]
fn a_signal_ends_a_wait_without_an_error() {
    skip_unless_selected!();
    extern "C" fn ignore(_: libc::c_int) {}
    // SAFETY: the handler does nothing, and the structure is valid.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = ignore as extern "C" fn(libc::c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &action, ptr::null_mut()), 0);
    }
    static DONE: AtomicBool = AtomicBool::new(false);
    let thread = thread::spawn(|| {
        let mut harness = Harness::new();
        for _ in 0..10 {
            harness.driver.turn(Wait::Forever, &mut harness.completions).unwrap();
        }
        DONE.store(true, Ordering::Release);
    });
    while !DONE.load(Ordering::Acquire) {
        // SAFETY: the thread has not been joined, so its handle is valid.
        unsafe { libc::pthread_kill(thread.as_pthread_t(), libc::SIGUSR1) };
        thread::yield_now();
    }
    thread.join().unwrap();
}

#[test]
fn a_spinning_turn_finds_what_comes_early_and_waits_for_what_comes_late() {
    skip_unless_selected!();
    let mut harness = Harness::with(&Options { spin: Some(Duration::from_millis(2)), ..Options::default() });
    let (mut left, right) = pair();
    let mut buffer = [0; 4];
    let start = Instant::now();
    harness.driver.turn(Wait::Until(start + Duration::from_millis(20)), &mut harness.completions).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(20));
    for delay in [0, 10] {
        let token = harness.submit(receive(&right, &mut buffer));
        let writer = thread::spawn({
            let mut left = left.try_clone().unwrap();
            move || {
                thread::sleep(Duration::from_millis(delay));
                left.write_all(b"1234").unwrap();
            }
        });
        assert_eq!(harness.next(token).result, 4);
        writer.join().unwrap();
    }
    left.flush().unwrap();
}

#[test]
fn the_report_names_every_operation_and_the_sizes() {
    skip_unless_selected!();
    let harness = Harness::new();
    let report = harness.driver.report();
    assert_eq!((report.submission_entries, report.completion_entries), (1024, 8192));
    let buffers = if harness.uses("ring of buffers") { 256 } else { 0 };
    assert_eq!((report.buffers, report.buffer_size), (buffers, 16384));
    let text = report.to_string();
    for name in ["IORING_SETUP_DEFER_TASKRUN", "multishot receive", "waitid", "fsync"] {
        assert!(text.contains(name), "{text}");
    }
}

/// A send that waits for no room.
fn send_at_once(to: &impl AsRawFd, bytes: &[u8]) -> Op {
    let (pointer, length) = (bytes.as_ptr(), bytes.len() as u32);
    Op::Send { fd: to.as_raw_fd(), pointer, length, flags: libc::MSG_DONTWAIT }
}

#[test]
fn a_turn_does_not_end_with_what_is_sent_at_once_but_with_the_first_else() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    harness.turn();
    let (left, right) = pair();
    let sends =
        [&b"one"[..], b"two", b"three"].map(|bytes| harness.submit_for_next_turn(send_at_once(&left, bytes)));
    let moment = Instant::now() + Duration::from_millis(20);
    harness.driver.turn(Wait::Until(moment), &mut harness.completions).unwrap();
    assert!(Instant::now() >= moment, "nothing else has happened");
    let results = sends.map(|token| harness.next(token).result);
    assert_eq!(results, [3, 3, 5]);

    // So does what was to wait for something else, if somebody waits for that.
    let token = harness.submit_for_next_turn(send_at_once(&left, b"four"));
    harness.driver.end_turn_with_all();
    harness.driver.turn(Wait::Forever, &mut harness.completions).unwrap();
    assert_eq!(harness.next(token).result, 4);

    // Something else ends it, whether it was there before or comes later, however many there are.
    let mut buffer = [0; 16];
    let received = harness.submit(receive(&right, &mut buffer));
    let sends = [(); 100].map(|()| harness.submit_for_next_turn(send_at_once(&left, b"x")));
    let enters = harness.driver.statistics().enters;
    assert_eq!(harness.next(received).result, 15);
    assert_eq!(harness.driver.statistics().enters, enters + 1);
    assert!(sends.iter().all(|token| harness.next(*token).result == 1));
    let mut buffer = [0; 200];
    assert_eq!(harness.run(receive(&right, &mut buffer)).unwrap(), 100);
    let received = harness.submit(receive(&right, &mut buffer));
    let end = Instant::now() + Duration::from_secs(20);
    let later = {
        let mut left = left.try_clone().unwrap();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            left.write_all(b"later").unwrap();
        })
    };
    let (mut other_left, other_right) = pair();
    let other = harness.submit_for_next_turn(send_at_once(&other_right, b"other"));
    harness.driver.turn(Wait::Until(end), &mut harness.completions).unwrap();
    assert!(harness.completions.iter().any(|completion| completion.token == received), "it has ended");
    assert_eq!(harness.next(other).result, 5);
    later.join().unwrap();
    other_left.write_all(b"unread").unwrap();
}

#[test]
fn a_turn_ends_with_what_finds_no_room_for_all_of_it() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (left, _right) = pair();
    let bytes = vec![0; 1 << 20];
    let sends = [(); 4].map(|()| harness.submit_for_next_turn(send_at_once(&left, &bytes)));
    harness.driver.turn(Wait::Forever, &mut harness.completions).unwrap();
    let [first, .., last] = sends.map(|token| harness.next(token).result);
    assert!(0 < first && first < bytes.len() as i32, "{first}");
    assert_eq!(last, -libc::EAGAIN);
    // Nor does it wait where something else was sent as a whole.
    let (other, _other) = pair();
    let sends = [&left, &other].map(|stream| harness.submit_for_next_turn(send_at_once(stream, b"x")));
    harness.driver.turn(Wait::Forever, &mut harness.completions).unwrap();
    assert_eq!(sends.map(|token| harness.next(token).result), [-libc::EAGAIN, 1]);
    // In a short queue they are taken by turns.
    let mut harness = Harness::with(&small());
    let sends = [(); 40].map(|()| harness.submit_for_next_turn(send_at_once(&left, b"x")));
    assert!(sends.iter().all(|token| harness.next(*token).result == -libc::EAGAIN));
    assert_eq!(harness.driver.in_flight(), 0);
}

#[test]
fn what_was_to_be_answered_at_once_and_is_taken_back_ends_no_wait_too_late() {
    skip_unless_selected!();
    for options in [Options::default(), small()] {
        let mut harness = Harness::with(&options);
        harness.turn();
        let (left, right) = pair();
        let sends = [(); 40].map(|()| harness.submit_for_next_turn(send_at_once(&left, b"x")));
        for token in &sends[..20] {
            harness.driver.cancel(*token);
        }
        let mut buffer = [0; 64];
        // In a queue of eight, some of them are the kernel's already when the last are moved.
        let received = harness.submit(receive(&right, &mut buffer));
        assert!(harness.next(received).result > 0);
        let results = sends.map(|token| harness.next(token).result);
        assert!(results[..20].iter().all(|result| *result == -libc::ECANCELED));
        assert!(results[20..].iter().all(|result| *result == 1));
        assert_eq!(harness.driver.in_flight(), 0);
    }
}
