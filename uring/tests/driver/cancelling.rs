//! Cancelling at each moment of an operation's life.

use crate::harness::{Harness, pair, receive};
use anyio_driver::{Driver, Op, Token, Wait};
use anyio_uring::Options;
use std::{
    io::Write,
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

#[test]
fn what_is_cancelled_while_queued_never_reaches_the_kernel() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    harness.turn();
    let enters = harness.driver.statistics().enters;
    let (_left, right) = pair();
    let mut buffer = [0; 4];
    let token = harness.submit(receive(&right, &mut buffer));
    harness.driver.cancel(token);
    harness.driver.cancel(token);
    assert_eq!(harness.driver.in_flight(), 1);
    assert_eq!(harness.turn(), 1);
    assert_eq!(harness.completions[0].result, -libc::ECANCELED);
    assert_eq!(harness.driver.in_flight(), 0);
    assert_eq!(harness.driver.statistics().enters, enters);
}

#[test]
fn what_is_cancelled_in_flight_completes_once_and_keeps_its_data() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (mut left, right) = pair();
    let mut buffer = [0; 4];
    let token = harness.submit(receive(&right, &mut buffer));
    assert_eq!(harness.turn(), 0);
    harness.driver.cancel(token);
    harness.driver.cancel(token);
    assert_eq!(harness.next(token).result, -libc::ECANCELED);
    left.write_all(b"kept").unwrap();
    assert_eq!(harness.run(receive(&right, &mut buffer)).unwrap(), 4);
    assert_eq!(&buffer, b"kept");
    assert!(harness.completions.is_empty());
}

#[test]
fn a_late_cancel_does_nothing() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let token = harness.submit(Op::Nop {});
    assert_eq!(harness.next(token).result, 0);
    harness.driver.cancel(token);
    let other = Token::new(token.index(), token.generation() + 1);
    // SAFETY: names nothing.
    unsafe { harness.driver.submit(other, Op::Nop {}) };
    harness.driver.cancel(token);
    assert_eq!(harness.next(other).result, 0);
    assert_eq!(harness.turn(), 0);
    assert_eq!(harness.driver.stale_completions(), 0);
}

#[test]
fn a_success_that_raced_with_the_cancel_stays_one() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (mut left, right) = pair();
    let mut buffer = [0; 4];
    let token = harness.submit(Op::Poll { fd: right.as_raw_fd(), events: libc::POLLIN as u32 });
    let receive = harness.submit(receive(&right, &mut buffer));
    left.write_all(b"fast").unwrap();
    harness.driver.turn(Wait::No, &mut Vec::new()).unwrap();
    harness.driver.cancel(token);
    harness.driver.cancel(receive);
    // Both were answered within the first turn, and the cancels came afterwards.
    harness.drain();
    assert_eq!(&buffer, b"fast");
    assert_eq!(harness.driver.statistics().cancel_retries, 0);
}

#[test]
fn ten_thousand_operations_on_a_queue_of_eight_are_cancelled_in_one_go() {
    skip_unless_selected!();
    let options = Options { entries: 8, completion_entries: Some(16), ..Options::default() };
    for turn_between in [false, true] {
        let mut harness = Harness::with(&options);
        let (_left, right) = pair();
        let mut buffers = vec![0_u8; 10_000];
        let tokens: Vec<_> = buffers
            .iter_mut()
            .map(|byte| harness.submit(receive(&right, std::slice::from_mut(byte))))
            .collect();
        if turn_between {
            assert_eq!(harness.turn(), 0);
        }
        for token in &tokens {
            harness.driver.cancel(*token);
        }
        harness.drain();
        assert_eq!(harness.completions.len(), 10_000);
        assert!(harness.completions.iter().all(|c| c.result == -libc::ECANCELED && c.is_final()));
        harness.completions.sort_by_key(|completion| completion.token.index());
        assert!(harness.completions.iter().map(|c| c.token).eq(tokens));
        assert_eq!(harness.driver.stale_completions(), 0);
    }
}

#[test]
fn what_is_withdrawn_has_ended_and_what_came_meanwhile_is_kept_for_the_next_turn() {
    skip_unless_selected!();
    for submitted in [false, true] {
        let mut harness = Harness::new();
        let (_left, right) = pair();
        let (mut other, filled) = pair();
        let (mut buffer, mut room) = ([0; 4], [0; 4]);
        let withdrawn = harness.submit(receive(&right, &mut buffer));
        if submitted {
            harness.turn();
        }
        other.write_all(b"some").unwrap();
        let kept = harness.submit(receive(&filled, &mut room));
        let mut completions = Vec::new();
        harness.driver.withdraw(withdrawn, &mut completions);
        let [completion] = completions[..] else { panic!("{completions:?}") };
        assert_eq!((completion.token, completion.result), (withdrawn, -libc::ECANCELED));
        assert_eq!(harness.driver.in_flight(), 1);
        assert_eq!(harness.next(kept).result, 4);
        assert_eq!((harness.driver.in_flight(), harness.driver.stale_completions()), (0, 0));
    }
}

#[test]
fn a_call_that_comes_while_an_operation_is_withdrawn_ends_the_next_turn() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (_left, right) = pair();
    let mut buffer = [0; 4];
    let token = harness.submit(receive(&right, &mut buffer));
    harness.turn();
    harness.driver.unparker().unpark();
    let mut completions = Vec::new();
    harness.driver.withdraw(token, &mut completions);
    assert_eq!(completions.len(), 1);
    let (begin, limit) = (Instant::now(), Duration::from_secs(20));
    harness.driver.turn(Wait::Until(begin + limit), &mut harness.completions).unwrap();
    assert!(begin.elapsed() < limit, "the call was lost");
}

#[test]
fn a_turn_waits_as_long_as_it_is_told_and_no_longer() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (_left, right) = pair();
    let mut buffer = [0; 4];
    let token = harness.submit(receive(&right, &mut buffer));
    let start = Instant::now();
    harness.driver.turn(Wait::Until(start + Duration::from_millis(30)), &mut harness.completions).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(30));
    assert!(harness.completions.is_empty());
    harness.driver.cancel(token);
    harness.drain();
}
