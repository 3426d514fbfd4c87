//! All interleavings of cores that hand connections over, wait for them, and give up.

use super::{Handed, Sharing};
use crate::runtime::Load;
use anyio_driver::synchronization::{Parker, explore, thread};
use std::{
    io::Read,
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// What two cores share, of which the first has more to do; and a connection, with its other end.
fn two() -> (Arc<Sharing>, Handed, OwnedFd, UnixStream) {
    let (client, connection) = UnixStream::pair().unwrap();
    let other = client.try_clone().unwrap();
    let sharing = Arc::new(Sharing::new(other.into()));
    let loads: Arc<[Arc<Load>]> = [(); 2].map(|()| Arc::new(Load::new())).into();
    for index in 0..2 {
        sharing.join(&loads, index).unwrap();
    }
    let busy = sharing.counted(connection.try_clone().unwrap().into(), 0);
    (sharing, busy, connection.into(), client)
}

/// The next connection that others leave to a core, which waits for it.
fn next(sharing: &Sharing, index: usize) -> Handed {
    let parker = Arc::new(Parker::default());
    let waker = Waker::from(parker.clone());
    loop {
        if let Some(handed) = sharing.has_some(index).then(|| sharing.take(index)).flatten() {
            return handed;
        }
        let mut listening = sharing.slot(index).news.listening();
        while listening(&Context::from_waker(&waker)) == Poll::Pending {
            parker.park();
        }
    }
}

#[test]
fn a_connection_for_a_core_that_gives_up_comes_back() {
    explore(2, || {
        let (sharing, _busy, connection, _client) = two();
        sharing.begin_accepting(0).unwrap();
        sharing.begin_accepting(1).unwrap();
        let other = sharing.clone();
        let giving_up = thread::spawn(move || {
            other.end_accepting(1);
            other.pass_left_on(1);
        });
        let handed = sharing.place(0, connection).unwrap_or_else(|| next(&sharing, 0));
        giving_up.join().unwrap();
        drop(handed);
        assert!(!sharing.has_some(0) && !sharing.has_some(1), "it came twice");
    });
}

#[test]
fn a_connection_for_a_core_that_leaves_comes_back() {
    explore(2, || {
        let (sharing, _busy, connection, _client) = two();
        sharing.begin_accepting(0).unwrap();
        sharing.begin_accepting(1).unwrap();
        let other = sharing.clone();
        let leaving = thread::spawn(move || other.leave(1));
        drop(sharing.place(0, connection).unwrap_or_else(|| next(&sharing, 0)));
        leaving.join().unwrap();
        assert!(!sharing.has_some(0) && !sharing.has_some(1), "it came twice");
    });
}

#[test]
fn a_core_that_begins_to_wait_gets_what_nobody_waited_for() {
    explore(2, || {
        let (sharing, _busy, connection, _client) = two();
        let other = sharing.clone();
        let passing_on = thread::spawn(move || other.pass_on(0, connection));
        sharing.begin_accepting(1).unwrap();
        drop(next(&sharing, 1));
        passing_on.join().unwrap();
        assert!(!sharing.has_some(0) && !sharing.has_some(1), "it came twice");
    });
}

#[test]
fn a_connection_is_closed_when_all_have_left() {
    explore(2, || {
        let (sharing, busy, connection, mut client) = two();
        drop(busy);
        sharing.begin_accepting(1).unwrap();
        let other = sharing.clone();
        let leaving = thread::spawn(move || other.leave(1));
        sharing.pass_on(0, connection);
        sharing.leave(0);
        leaving.join().unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn a_core_that_waits_is_told_to_look() {
    explore(2, || {
        let (sharing, _busy, _connection, _client) = two();
        sharing.begin_accepting(1).unwrap();
        let other = sharing.clone();
        let telling = thread::spawn(move || other.have_all_look());
        let parker = Arc::new(Parker::default());
        let waker = Waker::from(parker.clone());
        let mut listening = sharing.slot(1).news.listening();
        while listening(&Context::from_waker(&waker)) == Poll::Pending {
            parker.park();
        }
        assert!(sharing.slot(1).take_look());
        telling.join().unwrap();
    });
}
