//! hyper's clock.

use anyio::{OnThread, current_time, sleep_until};
use hyper::rt::{Sleep, Timer};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// hyper's time-outs by the clock of the run, also a virtual one. Its timers do not go off in a cancelled scope: that would
/// look like a time-out, and what reads and writes there fails as cancelled.
///
/// ```
/// use anyio_http::HyperTimer;
/// use hyper::server::conn::http1;
/// use std::time::Duration;
///
/// let mut http = http1::Builder::new();
/// http.timer(HyperTimer).header_read_timeout(Duration::from_secs(5));
/// ```
///
/// # Panics
/// Outside of a run, and timers also on another thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct HyperTimer;

#[derive(Debug)]
struct TimerSleep(OnThread<anyio::Sleep>);

impl Future for TimerSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match Pin::new(&mut self.0).poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            // Begun anew if it is polled in a scope that is not cancelled.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Sleep for TimerSleep {}

impl Timer for HyperTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(TimerSleep(OnThread::new(match current_time().checked_add(duration) {
            Some(at) => sleep_until(at),
            None => anyio::sleep(Duration::MAX),
        })))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(TimerSleep(OnThread::new(sleep_until(deadline))))
    }

    fn now(&self) -> Instant {
        current_time()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, new_deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<TimerSleep>() {
            Some(mut ours) => *ours.0 = sleep_until(new_deadline),
            None => *sleep = self.sleep_until(new_deadline),
        }
    }
}
