//! All interleavings of those who submit jobs, take them back and close the pool, and of its threads.
//!
//! A model ends when all its threads have: a thread of the pool that waits for ever is found as a deadlock.

use super::WorkerPool;
use crate::synchronization::{Condvar, Mutex, explore, thread};
use std::{num::NonZeroUsize, sync::Arc, time::Duration};

/// Counts jobs that were done.
#[derive(Default)]
struct Done {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Done {
    fn job(self: &Arc<Self>) -> super::Job {
        let done = self.clone();
        Box::new(move || {
            *done.count.lock().unwrap() += 1;
            done.changed.notify_all();
        })
    }

    fn wait(&self, count: usize) {
        let mut done = self.count.lock().unwrap();
        while *done < count {
            done = self.changed.wait(done).unwrap();
        }
        assert_eq!(*done, count, "a job ran twice");
    }
}

fn pool(limit: usize) -> WorkerPool {
    WorkerPool::new(NonZeroUsize::new(limit).unwrap())
}

#[test]
fn each_job_is_done_and_the_thread_ends() {
    explore(3, || {
        let (pool, done) = (pool(1), Arc::new(Done::default()));
        pool.submit(done.job()).unwrap();
        pool.submit(done.job()).unwrap();
        done.wait(2);
    });
}

#[test]
fn two_threads_do_what_two_submit() {
    explore(3, || {
        let (pool, done) = (pool(2), Arc::new(Done::default()));
        let (other, job) = (pool.clone(), done.job());
        let submitting = thread::spawn(move || drop(other.submit(job).unwrap()));
        pool.submit(done.job()).unwrap();
        done.wait(2);
        submitting.join().unwrap();
    });
}

#[test]
fn a_job_that_comes_as_a_thread_gives_up_is_done() {
    explore(3, || {
        let (pool, done) = (pool(1), Arc::new(Done::default()));
        pool.set_idle_time(Duration::ZERO);
        pool.submit(done.job()).unwrap();
        done.wait(1);
        pool.submit(done.job()).unwrap();
        done.wait(2);
    });
}

#[test]
fn a_job_is_done_or_taken_back() {
    explore(3, || {
        let (pool, done) = (pool(1), Arc::new(Done::default()));
        pool.submit(done.job()).unwrap();
        let second = pool.submit(done.job()).unwrap();
        let removed = second.take_back().is_some();
        pool.submit(done.job()).unwrap();
        done.wait(if removed { 2 } else { 3 });
    });
}

#[test]
fn jobs_are_done_although_the_pool_is_closed() {
    explore(3, || {
        let (pool, done) = (pool(1), Arc::new(Done::default()));
        pool.submit(done.job()).unwrap();
        drop(pool);
        done.wait(1);
    });
}

#[test]
fn a_higher_bound_is_used_for_what_waits() {
    explore(3, || {
        let (pool, done) = (pool(1), Arc::new(Done::default()));
        // The first ends only after the second.
        let first = done.clone();
        pool.submit(Box::new(move || first.wait(1))).unwrap();
        pool.submit(done.job()).unwrap();
        pool.set_limit(NonZeroUsize::new(2).unwrap());
        done.wait(1);
    });
}
