//! All interleavings of a portal that takes what it is asked for and those who ask.

use super::Jobs;
use anyio_driver::synchronization::{Parker, explore, thread};
use std::{
    iter,
    sync::Arc,
    task::{Context, Waker},
};

/// Waits for a job, as the task of a portal does.
fn next(jobs: &Jobs<u32>) -> Option<u32> {
    let parker = Arc::new(Parker::default());
    let waker = Waker::from(parker.clone());
    let cx = Context::from_waker(&waker);
    loop {
        match jobs.take() {
            Ok(job) => return Some(job),
            Err(false) => return None,
            Err(true) => {
                let mut listening = jobs.news.listening();
                while listening(&cx).is_pending() {
                    parker.park();
                }
            }
        }
    }
}

/// Takes jobs until there will be no more.
fn serve(jobs: &Jobs<u32>) -> Vec<u32> {
    iter::from_fn(|| next(jobs)).collect()
}

#[test]
fn what_was_asked_for_before_a_portal_is_stopped_is_done_in_that_order() {
    explore(3, || {
        let jobs = Arc::new(Jobs::default());
        let asked = jobs.clone();
        let asking = thread::spawn(move || {
            assert!(asked.push(1).is_ok() && asked.push(2).is_ok());
            asked.close();
            assert!(asked.push(3).is_err());
        });
        assert_eq!(serve(&jobs), [1, 2]);
        asking.join().unwrap();
    });
}

#[test]
fn what_is_asked_for_while_a_portal_is_stopped_is_done_or_given_back() {
    explore(3, || {
        let jobs = Arc::new(Jobs::default());
        let asked = jobs.clone();
        let asking = thread::spawn(move || asked.push(1).is_ok());
        let stopped = jobs.clone();
        let stopping = thread::spawn(move || stopped.close());
        let done = serve(&jobs);
        stopping.join().unwrap();
        assert_eq!(done.len(), usize::from(asking.join().unwrap()));
    });
}

#[test]
fn what_two_threads_ask_for_at_once_is_done() {
    explore(3, || {
        let jobs = Arc::new(Jobs::default());
        let (one, other) = (jobs.clone(), jobs.clone());
        let asking = thread::spawn(move || one.push(1).is_ok());
        let asking_too = thread::spawn(move || other.push(2).is_ok());
        assert_eq!(next(&jobs).unwrap() + next(&jobs).unwrap(), 3);
        assert!(asking.join().unwrap() && asking_too.join().unwrap());
    });
}

#[test]
fn what_a_portal_that_is_cancelled_has_not_begun_is_given_up() {
    explore(3, || {
        let jobs = Arc::new(Jobs::default());
        let asked = jobs.clone();
        let asking = thread::spawn(move || usize::from(asked.push(1).is_err()));
        let taken = usize::from(jobs.take().is_ok());
        let left = jobs.shut().len();
        assert_eq!(taken + left + asking.join().unwrap(), 1);
        assert!(jobs.take() == Err(false) && jobs.push(2).is_err());
    });
}
