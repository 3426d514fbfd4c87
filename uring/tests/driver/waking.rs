//! Ending a turn that waits.

use crate::harness::Harness;
use anyio_driver::{Driver, Wait};
use anyio_uring::{Options, UringDriver};
use std::{sync::mpsc, thread};

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
fn waking_a_driver_that_is_gone_is_harmless() {
    skip_unless_selected!();
    let unparker = UringDriver::new(&Options::default()).unwrap().unparker();
    unparker.unpark();
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
