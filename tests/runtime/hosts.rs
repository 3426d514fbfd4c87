//! Event loops of others, as they may be written.

use anyio::{
    Builder, Result, fail_after,
    lowlevel::{Host, Instrument, checkpoint},
    sleep,
    testing::test_backends,
};
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    io, mem,
    os::fd::OwnedFd,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

/// A host that never waits. It counts how often it is given the thread.
struct Hasty {
    _news: OwnedFd,
    given: Rc<Cell<u32>>,
}

impl Host for Hasty {
    async fn wait(&mut self, _deadline: Option<Instant>) -> io::Result<()> {
        Ok(())
    }

    async fn give_way(&mut self) {
        self.given.set(self.given.get() + 1);
        let mut has_waited = false;
        poll_fn(|_| if mem::replace(&mut has_waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// Runs a program as a guest of such a host. It is told how often that was given the thread.
fn run_as_guest(builder: &Builder, program: impl AsyncFnOnce(&Cell<u32>) -> Result<()>) {
    let given = Rc::new(Cell::new(0));
    let made = given.clone();
    let host = move |news| Ok(Hasty { _news: news, given: made });
    let mut guest = pin!(builder.run_as_guest(host, async move || program(&given).await));
    loop {
        if let Poll::Ready(ended) = guest.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return ended.unwrap().unwrap();
        }
    }
}

#[test]
fn a_host_that_need_not_wait_is_given_the_thread_all_the_same() {
    for backend in test_backends() {
        run_as_guest(&Builder::new().backend(backend), async |given| {
            fail_after(Duration::from_secs(10), async {
                while given.get() < 3 {
                    sleep(Duration::from_millis(1)).await?;
                }
                Ok(())
            })
            .await
        });
    }
}

#[test]
fn turns_that_take_long_leave_a_host_its_thread_between_them() {
    thread_local! {
        static TURNS: Cell<u32> = const { Cell::new(0) };
    }
    struct CountTurns;

    impl Instrument for CountTurns {
        fn turn_begun(&self) {
            TURNS.set(TURNS.get() + 1);
        }
    }
    for backend in test_backends() {
        TURNS.set(0);
        let builder = Builder::new().backend(backend).instrument(|| CountTurns);
        run_as_guest(&builder, async |given| {
            while given.get() == 0 {
                thread::sleep(Duration::from_micros(100));
                checkpoint().await?;
            }
            assert!(TURNS.get() <= 3, "the host had to wait for {} turns", TURNS.get());
            Ok(())
        });
    }
}
