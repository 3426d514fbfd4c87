//! All interleavings of a core that does what it is asked for and those who ask.

use super::{Mailbox, Request};
use anyio_driver::synchronization::{Parker, explore, thread};
use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

fn request() -> Request {
    Box::new(|| Box::pin(async {}))
}

/// What a core does with nothing but requests, until there will be no more. Gives how many there were.
pub(in crate::cores) fn serve(mailbox: &Mailbox) -> usize {
    let parker = Arc::new(Parker::default());
    let waker = Waker::from(parker.clone());
    let mut cx = Context::from_waker(&waker);
    let (mut kept, mut count, mut has_waited) = (None, 0, false);
    loop {
        match mailbox.poll_next(&mut cx, &mut kept) {
            Poll::Ready(Some(_)) => count += 1,
            Poll::Ready(None) => return count,
            // It is polled for other reasons, too. One that comes to nothing must not lose a wake-up.
            Poll::Pending => {
                if has_waited {
                    parker.park();
                }
                has_waited = !has_waited;
            }
        }
    }
}

#[test]
fn a_request_is_done_or_given_back() {
    explore(3, || {
        let mailbox = Arc::new(Mailbox::default());
        let asked = mailbox.clone();
        let asking = thread::spawn(move || {
            assert!(asked.post(request()).is_ok());
            asked.close();
        });
        let late = mailbox.clone();
        let asking_late = thread::spawn(move || usize::from(late.post(request()).is_ok()));
        let done = serve(&mailbox);
        asking.join().unwrap();
        assert_eq!(done, 1 + asking_late.join().unwrap());
    });
}

#[test]
fn a_core_that_waits_hears_of_each_request() {
    explore(3, || {
        let mailbox = Arc::new(Mailbox::default());
        let asked = mailbox.clone();
        let asking = thread::spawn(move || {
            assert!(asked.post(request()).is_ok());
            assert!(asked.post(request()).is_ok());
            asked.close();
        });
        assert_eq!(serve(&mailbox), 2);
        asking.join().unwrap();
    });
}

#[test]
fn a_request_to_a_core_that_ends_is_done_or_given_up_or_given_back() {
    explore(3, || {
        let mailbox = Arc::new(Mailbox::default());
        let asked = mailbox.clone();
        let asking = thread::spawn(move || usize::from(asked.post(request()).is_err()));
        let ended = mailbox.clone();
        let ending = thread::spawn(move || ended.shut().len());
        let done = serve(&mailbox);
        assert_eq!(done + ending.join().unwrap() + asking.join().unwrap(), 1);
        assert!(mailbox.post(request()).is_err());
    });
}
