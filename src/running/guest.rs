//! Runs that share their thread with another event loop.

use crate::{
    lowlevel::Host,
    runtime::{Core, Lending, Waiting},
};
use anyio_driver::Wait;
use pin_project_lite::pin_project;
use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// So many turns are taken before the host's other tasks have theirs,
const TURNS: u32 = 8;

/// and none begins when they have waited so long.
const LONGEST: Duration = Duration::from_millis(1);

/// A host as who waits.
pub(super) struct Hosted<H> {
    host: H,
    /// How many turns have been taken since the host last had the thread.
    turns: u32,
    /// When that was.
    since: Instant,
}

impl<H: Host> Hosted<H> {
    pub(super) fn new(host: H) -> Self {
        Self { host, turns: 0, since: Instant::now() }
    }

    /// Lets the host wait, until there is something for a turn to do.
    async fn rest(&mut self, core: &Core, deadline: Option<Instant>) -> io::Result<()> {
        let mut had_thread = false;
        let rested = {
            let mut waited = pin!(self.host.wait(deadline));
            poll_fn(|cx| {
                if core.was_called() {
                    return Poll::Ready(Ok(()));
                }
                match waited.as_mut().poll(cx) {
                    Poll::Pending if core.was_called() => Poll::Ready(Ok(())),
                    polled => {
                        had_thread |= polled.is_pending();
                        polled
                    }
                }
            })
            .await
        };
        if had_thread {
            self.note_that_host_had_thread();
        }
        rested
    }

    fn note_that_host_had_thread(&mut self) {
        self.turns = 0;
        self.since = Instant::now();
    }
}

impl<H: Host> Waiting for Hosted<H> {
    async fn turn(&mut self, core: &Core, wait: Wait, watched: bool) -> io::Result<bool> {
        if let Some(deadline) = core.begin_rest(wait) {
            let rested = self.rest(core, deadline).await;
            core.end_rest();
            rested?;
        }
        // A host that need not wait is not given the thread by that.
        if self.turns == TURNS || self.turns > 0 && self.since.elapsed() >= LONGEST {
            self.host.give_way().await;
            self.note_that_host_had_thread();
        }
        self.turns += 1;
        core.turn_driver(Wait::No, watched)
    }

    fn is_alone(&self) -> bool {
        self.host.is_alone()
    }
}

pin_project! {
    /// A run as a future. While it is not polled its thread is lent to whoever polls it.
    pub(super) struct Guest<F> {
        // `None` when it is over.
        #[pin]
        run: Option<F>,
        lending: Lending,
    }

    impl<F> PinnedDrop for Guest<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _taken_back = this.lending.take_back();
            this.run.set(None);
        }
    }
}

impl<F> Guest<F> {
    pub(super) fn new(run: F) -> Self {
        Self { run: Some(run), lending: Lending::default() }
    }
}

impl<F: Future> Future for Guest<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let taken_back = this.lending.take_back();
        let run = this.run.as_mut().as_pin_mut().expect("a future is not polled after its end");
        let polled = run.poll(cx);
        if polled.is_ready() {
            this.run.set(None);
        }
        drop(taken_back);
        if polled.is_pending() {
            this.lending.keep_waker(cx);
        }
        polled
    }
}
