//! Ending a turn that waits.

use crate::harness::Harness;
use anyio_driver::{Driver, Wait};
use anyio_uring::{Options, UringDriver};
use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

fn wait(harness: &mut Harness) {
    harness.driver.turn(Wait::Forever, &mut harness.completions).unwrap();
}

#[test]
fn another_thread_ends_a_wait_again_and_again() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let unparker = harness.driver.unparker();
    let (sender, receiver) = mpsc::channel::<()>();
    let (answer, answers) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        while receiver.recv().is_ok() {
            answer.send(()).unwrap();
            unparker.unpark();
        }
    });
    for _ in 0..1000 {
        sender.send(()).unwrap();
        while answers.try_recv().is_err() {
            wait(&mut harness);
        }
    }
    drop(sender);
    thread.join().unwrap();
}

#[test]
fn waking_before_the_wait_ends_it() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    harness.turn();
    for _ in 0..10 {
        harness.driver.unparker().unpark();
        harness.driver.unparker().unpark();
        wait(&mut harness);
    }
}

#[test]
fn a_driver_wakes_another_through_its_ring() {
    skip_unless_selected!();
    let (send, unparkers) = mpsc::channel();
    let (woken, wakes) = mpsc::channel();
    let thread = thread::spawn(move || {
        let mut harness = Harness::new();
        send.send(harness.driver.unparker()).unwrap();
        for _ in 0..100 {
            wait(&mut harness);
            woken.send(()).unwrap();
        }
    });
    let mut harness = Harness::new();
    let unparker = unparkers.recv().unwrap();
    assert!(unparker.ring().is_some());
    for _ in 0..100 {
        harness.driver.unpark_other(&unparker);
        harness.turn();
        wakes.recv_timeout(Duration::from_secs(20)).unwrap();
    }
    thread.join().unwrap();
}

#[test]
fn a_wake_up_that_was_asked_for_right_before_the_driver_went_arrives() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    harness.turn();
    let mut gone = UringDriver::new(&Options::default()).unwrap();
    gone.unpark_other(&harness.driver.unparker());
    drop(gone);
    let (begin, limit) = (Instant::now(), Duration::from_secs(20));
    harness.driver.turn(Wait::Until(begin + limit), &mut harness.completions).unwrap();
    assert!(begin.elapsed() < limit, "the wake-up was lost");
}

#[test]
fn waking_a_driver_that_is_gone_is_harmless() {
    skip_unless_selected!();
    let gone = UringDriver::new(&Options::default()).unwrap();
    let unparker = gone.unparker();
    let ring = unparker.ring().unwrap();
    drop(gone);
    unparker.unpark();
    let mut harness = Harness::new();
    harness.driver.unpark_other(&unparker);
    if harness.uses("messages between rings") {
        // The answer, a failure, ends the wait.
        wait(&mut harness);
    }
    assert!(crate::harness::is_open(ring), "the number stays taken while somebody may use it");
}

#[test]
fn a_turn_with_nothing_to_do_makes_no_system_call() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    harness.turn();
    let enters = harness.driver.statistics().enters;
    for _ in 0..10 {
        harness.turn();
    }
    assert_eq!(harness.driver.statistics().enters, enters);
}
