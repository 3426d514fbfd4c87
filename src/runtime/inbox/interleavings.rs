//! All interleavings of an executor that falls asleep and threads that leave it messages.

use super::{Inbox, Message};
use crate::runtime::TaskKey;
use anyio_driver::{
    Unparker,
    synchronization::{Parker, explore, thread},
};
use std::sync::Arc;

fn inbox() -> (Arc<Inbox>, Arc<Parker>) {
    let (inbox, parker) = (Arc::new(Inbox::default()), Arc::new(Parker::default()));
    inbox.contents().unparker = Some(Unparker::new(parker.clone()));
    (inbox, parker)
}

/// What an executor does with nothing but messages, until it has this many.
fn read(inbox: &Inbox, parker: &Parker, count: usize) {
    let (mut messages, mut read) = (Vec::new(), 0);
    while read < count {
        if inbox.has_messages() {
            inbox.take(&mut messages);
            read += messages.drain(..).count();
        } else if inbox.fall_asleep() {
            // Nobody unparks for what came before, so a message that is missed here is a deadlock.
            parker.park();
            inbox.wake_up();
        }
    }
    assert_eq!(read, count, "a message came twice");
}

fn message() -> Message {
    Message::Wake(TaskKey::new(0, 0, 0))
}

#[test]
fn a_message_is_read_by_an_executor_that_falls_asleep() {
    explore(3, || {
        let (inbox, parker) = inbox();
        let sender = inbox.clone();
        let sending = thread::spawn(move || {
            assert!(sender.push(message()));
            assert!(sender.push(message()));
        });
        read(&inbox, &parker, 2);
        sending.join().unwrap();
    });
}

#[test]
fn messages_of_two_threads_are_read() {
    explore(3, || {
        let (inbox, parker) = inbox();
        let sending = [(); 2].map(|()| {
            let sender = inbox.clone();
            thread::spawn(move || assert!(sender.push(message())))
        });
        read(&inbox, &parker, 2);
        for thread in sending {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_message_is_read_or_refused_at_the_end() {
    explore(3, || {
        let (inbox, _parker) = inbox();
        let sender = inbox.clone();
        let sending = thread::spawn(move || sender.push(message()));
        let left = {
            let mut contents = inbox.contents();
            contents.unparker = None;
            std::mem::take(&mut contents.messages).len()
        };
        assert_eq!(left == 1, sending.join().unwrap());
    });
}
