//! How much one of several cores has to do, as the others see it.
//!
//! Who wants to know asks the core's clock himself, if nobody has for a while. So a core that has nothing to do need not wake
//! up to say so, and one that is stuck in a long poll is seen to be busy.

use crate::system::thread_clock::ThreadClock;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How long what was seen of a core is taken for its state.
const FRESH: Duration = Duration::from_millis(10);

/// After so many seconds what was before counts for a third.
const MEMORY: f32 = 0.1;

/// How busy a core was lately, and how many connections it had then: averages whose past counts for less and less.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Lately {
    /// The share of time that it was busy, from 0 to 1.
    pub(crate) busy: f32,
    pub(crate) connections: f32,
}

impl Lately {
    /// The averages after so many seconds in which the core was busy for such a share and had so many connections.
    pub(crate) fn after(self, seconds: f32, busy: f32, connections: f32) -> Self {
        let new = 1.0 - (-seconds / MEMORY).exp();
        let towards = |before: f32, now: f32| before + (now - before) * new;
        Self {
            busy: towards(self.busy, busy.clamp(0.0, 1.0)),
            connections: towards(self.connections, connections),
        }
    }

    /// Both in one word, so that they are read together.
    fn to_bits(self) -> u64 {
        u64::from(self.busy.to_bits()) << 32 | u64::from(self.connections.to_bits())
    }

    fn from_bits(bits: u64) -> Self {
        Self { busy: f32::from_bits((bits >> 32) as u32), connections: f32::from_bits(bits as u32) }
    }
}

/// The load of a core, in lines of the cache of its own: others read it each time that they accept a connection.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Load {
    /// With those on the way to the core.
    connections: AtomicU32,
    lately: AtomicU64,
    /// When it was last looked at, in nanoseconds since `made`.
    looked: AtomicU64,
    /// The processor time of the core's thread at that moment, in nanoseconds.
    processor: AtomicU64,
    made: Instant,
    /// While the core is under way.
    clock: Mutex<Option<ThreadClock>>,
}

impl Load {
    pub(crate) fn new() -> Self {
        Self {
            connections: AtomicU32::new(0),
            lately: AtomicU64::new(Lately::default().to_bits()),
            looked: AtomicU64::new(0),
            processor: AtomicU64::new(0),
            made: Instant::now(),
            clock: Mutex::new(None),
        }
    }

    fn clock(&self) -> MutexGuard<'_, Option<ThreadClock>> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that the core has begun, on this thread.
    pub(crate) fn begin(&self) {
        let clock = ThreadClock::of_this_thread();
        let time = clock.and_then(ThreadClock::time).unwrap_or_default();
        self.processor.store(nanoseconds(time), Ordering::Relaxed);
        self.looked.store(nanoseconds(self.made.elapsed()), Ordering::Relaxed);
        *self.clock() = clock;
    }

    /// Says that the core has ended.
    pub(crate) fn end(&self) {
        let mut clock = self.clock();
        *clock = None;
        self.lately.store(Lately::default().to_bits(), Ordering::Relaxed);
    }

    /// How many connections the core has, with those on the way to it.
    pub(crate) fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }

    /// How it stood lately.
    pub(crate) fn lately(&self, now: Instant) -> Lately {
        let now = nanoseconds(now.saturating_duration_since(self.made));
        let looked = self.looked.load(Ordering::Relaxed);
        let passed = now.saturating_sub(looked);
        if passed >= FRESH.as_nanos() as u64 {
            // One of those who look does it.
            let is_mine =
                self.looked.compare_exchange(looked, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
            if is_mine {
                // Held so that the core does not end, and then seem to be busy for ever.
                let clock = self.clock();
                if let Some(time) = clock.and_then(ThreadClock::time) {
                    self.note(passed, nanoseconds(time));
                }
            }
        }
        Lately::from_bits(self.lately.load(Ordering::Relaxed))
    }

    fn note(&self, passed: u64, processor: u64) {
        let taken = processor.saturating_sub(self.processor.swap(processor, Ordering::Relaxed));
        let before = Lately::from_bits(self.lately.load(Ordering::Relaxed));
        let busy = taken as f32 / passed as f32;
        let after = before.after(passed as f32 / 1e9, busy, self.connections() as f32);
        self.lately.store(after.to_bits(), Ordering::Relaxed);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    time.as_nanos().try_into().unwrap_or(u64::MAX)
}

/// A connection that is counted as one of its core's, as long as this lives.
#[derive(Debug)]
pub(crate) struct Counted(Arc<Load>);

impl Counted {
    pub(crate) fn new(load: &Arc<Load>) -> Self {
        load.connections.fetch_add(1, Ordering::Relaxed);
        Self(load.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_come_near_what_is_and_forget_what_was() {
        let mut lately = Lately::default();
        for _ in 0..100 {
            lately = lately.after(0.01, 0.75, 8.0);
        }
        assert!((lately.busy - 0.75).abs() < 0.001 && (lately.connections - 8.0).abs() < 0.01);
        lately = lately.after(0.1, 0.0, 0.0);
        assert!((0.25..0.3).contains(&lately.busy), "a third is left: {lately:?}");
        assert_eq!(Lately::from_bits(lately.to_bits()), lately);
    }

    #[test]
    fn more_than_all_of_the_time_is_all_of_it() {
        assert_eq!(Lately::default().after(100.0, 7.0, 1.0).busy, 1.0);
    }

    #[test]
    fn connections_are_counted_as_long_as_they_live() {
        let load = Arc::new(Load::new());
        let one = Counted::new(&load);
        let other = Counted::new(&load);
        assert_eq!(load.connections(), 2);
        drop((one, other));
        assert_eq!(load.connections(), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_computes_is_busy_until_it_has_ended() {
        let load = Load::new();
        load.begin();
        let begun = Instant::now();
        // Busy by its own clock, however little of a processor it gets.
        let clock = ThreadClock::of_this_thread().unwrap();
        let until = clock.time().unwrap() + Duration::from_millis(30);
        while clock.time().unwrap() < until {}
        let lately = load.lately(Instant::now());
        let least = 0.02 / begun.elapsed().as_secs_f32();
        assert!(lately.busy > 0.0 && lately.busy <= 1.0, "{lately:?}, and at least {least} of it was busy");
        load.end();
        assert_eq!(load.lately(Instant::now()).busy, 0.0);
    }
}
