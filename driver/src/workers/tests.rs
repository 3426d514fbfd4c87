//! Tests of the pool.

use super::{Job, WorkerPool};
use std::{
    num::NonZeroUsize,
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, ThreadId},
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(20);

fn pool(limit: usize) -> WorkerPool {
    WorkerPool::new(NonZeroUsize::new(limit).unwrap())
}

/// A job that tells its thread and then blocks until it is let go.
fn blocked(pool: &WorkerPool) -> (Receiver<ThreadId>, Sender<()>) {
    let (tell, told) = channel();
    let (let_go, go) = channel::<()>();
    pool.submit(Box::new(move || {
        tell.send(thread::current().id()).unwrap();
        // An error means that the test is over.
        let _ = go.recv();
    }))
    .unwrap();
    (told, let_go)
}

/// Waits until the pool is in a state that its threads bring about by themselves.
fn until(pool: &WorkerPool, reached: impl Fn(&WorkerPool) -> bool) {
    let deadline = std::time::Instant::now() + LIMIT;
    while !reached(pool) {
        assert!(std::time::Instant::now() < deadline, "{pool:?}");
        thread::yield_now();
    }
}

#[test]
fn threads_are_started_up_to_the_bound_and_named() {
    let pool = pool(2);
    assert_eq!(pool.threads(), 0);
    let jobs: Vec<_> = (0..3).map(|_| blocked(&pool)).collect();
    let first = jobs[0].0.recv_timeout(LIMIT).unwrap();
    let second = jobs[1].0.recv_timeout(LIMIT).unwrap();
    assert_ne!(first, second);
    assert_eq!((pool.threads(), pool.queued()), (2, 1));
    drop(jobs.into_iter().map(|(told, let_go)| (told, drop(let_go))).collect::<Vec<_>>());
    let (tell, told) = channel();
    pool.submit(Box::new(move || tell.send(thread::current().name().map(str::to_owned)).unwrap())).unwrap();
    assert_eq!(told.recv_timeout(LIMIT).unwrap().as_deref(), Some("anyio-worker"));
}

#[test]
fn raising_the_bound_starts_threads_for_what_is_queued() {
    let pool = pool(1);
    let jobs: Vec<_> = (0..3).map(|_| blocked(&pool)).collect();
    jobs[0].0.recv_timeout(LIMIT).unwrap();
    assert_eq!(pool.queued(), 2);
    pool.set_limit(NonZeroUsize::new(3).unwrap());
    jobs[1].0.recv_timeout(LIMIT).unwrap();
    jobs[2].0.recv_timeout(LIMIT).unwrap();
}

#[test]
fn the_thread_that_became_idle_last_is_used_first() {
    let pool = pool(3);
    let mut jobs: Vec<_> = (0..3).map(|_| blocked(&pool)).collect();
    let threads: Vec<_> = jobs.iter().map(|(told, _)| told.recv_timeout(LIMIT).unwrap()).collect();
    for index in [0, 2, 1] {
        let idle = pool.idle();
        jobs[index].1 = channel().0;
        until(&pool, |pool| pool.idle() == idle + 1);
    }
    let (told, let_go) = blocked(&pool);
    assert_eq!(told.recv_timeout(LIMIT).unwrap(), threads[1]);
    let (next, _stay) = blocked(&pool);
    assert_eq!(next.recv_timeout(LIMIT).unwrap(), threads[2]);
    drop(let_go);
}

#[test]
fn a_job_is_removed_before_it_starts_and_never_runs() {
    let pool = pool(1);
    let (told, let_go) = blocked(&pool);
    told.recv_timeout(LIMIT).unwrap();
    let (tell, ran) = channel::<()>();
    let handle = pool.submit(Box::new(move || tell.send(()).unwrap())).unwrap();
    assert!(handle.take_back().is_some());
    assert!(handle.take_back().is_none());
    drop(let_go);
    // The job's end of the channel is gone, and nothing came through it.
    assert!(ran.recv().is_err());
}

#[test]
fn a_job_that_runs_cannot_be_removed() {
    let pool = pool(1);
    let (tell, told) = channel();
    let (let_go, go) = channel::<()>();
    let handle = pool
        .submit(Box::new(move || {
            tell.send(()).unwrap();
            go.recv().unwrap();
            tell.send(()).unwrap();
        }))
        .unwrap();
    told.recv_timeout(LIMIT).unwrap();
    assert!(handle.take_back().is_none());
    let_go.send(()).unwrap();
    told.recv_timeout(LIMIT).unwrap();
}

#[test]
fn a_panic_ends_the_job_and_not_its_thread() {
    let pool = pool(1);
    let panicking: Job = Box::new(|| std::panic::resume_unwind(Box::new("expected")));
    pool.submit(panicking).unwrap();
    let (told, _let_go) = blocked(&pool);
    told.recv_timeout(LIMIT).unwrap();
    assert_eq!(pool.threads(), 1);
}

#[test]
fn threads_without_work_end_after_the_idle_time() {
    let pool = pool(2);
    pool.set_idle_time(Duration::from_millis(5));
    let (told, let_go) = blocked(&pool);
    told.recv_timeout(LIMIT).unwrap();
    drop(let_go);
    until(&pool, |pool| pool.threads() == 0);
    let (told, _let_go) = blocked(&pool);
    told.recv_timeout(LIMIT).unwrap();
}

#[test]
fn an_endless_idle_time_is_possible() {
    let pool = pool(1);
    pool.set_idle_time(Duration::MAX);
    for _ in 0..2 {
        let (told, let_go) = blocked(&pool);
        told.recv_timeout(LIMIT).unwrap();
        drop(let_go);
        until(&pool, |pool| pool.idle() == 1);
    }
    assert_eq!(pool.threads(), 1);
}

#[test]
fn what_is_queued_is_done_after_the_last_handle_is_gone() {
    let pool = pool(1);
    let (told, let_go) = blocked(&pool);
    told.recv_timeout(LIMIT).unwrap();
    let (tell, ran) = channel();
    pool.submit(Box::new(move || tell.send(()).unwrap())).unwrap();
    drop(pool);
    drop(let_go);
    ran.recv_timeout(LIMIT).unwrap();
}

#[test]
fn jobs_of_many_threads_all_run() {
    let pool = pool(4);
    let (tell, told) = channel();
    thread::scope(|scope| {
        for _ in 0..4 {
            let (pool, tell) = (&pool, tell.clone());
            scope.spawn(move || {
                for _ in 0..1000 {
                    let tell = tell.clone();
                    pool.submit(Box::new(move || tell.send(()).unwrap())).unwrap();
                }
            });
        }
    });
    drop(tell);
    assert_eq!(told.iter().count(), 4000);
    assert!(pool.threads() <= 4);
}

/// Makes threads that cannot be: no address space has room for their stacks.
fn impossible() -> thread::Builder {
    thread::Builder::new().stack_size(1 << 60)
}

#[test]
fn a_job_comes_back_when_no_thread_can_be_started() {
    let pool = pool(2);
    pool.set_builder(impossible);
    let (tell, told) = channel();
    let refused = pool.submit(Box::new(move || tell.send(()).unwrap())).unwrap_err();
    assert!(refused.error.raw_os_error().is_some());
    assert_eq!((pool.threads(), pool.queued()), (0, 0));
    (refused.job)();
    told.recv_timeout(LIMIT).unwrap();
}

#[test]
fn a_job_waits_for_the_threads_there_are_when_no_other_can_be_started() {
    let pool = pool(2);
    let (told, let_go) = blocked(&pool);
    told.recv_timeout(LIMIT).unwrap();
    pool.set_builder(impossible);
    let (told, _let_go) = blocked(&pool);
    assert_eq!((pool.threads(), pool.queued()), (1, 1));
    drop(let_go);
    told.recv_timeout(LIMIT).unwrap();
}
