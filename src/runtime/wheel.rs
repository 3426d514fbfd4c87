//! A hierarchical timing wheel (Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987).
//!
//! Eleven levels of 64 lists; a list of level n covers 64ⁿ ticks. A tick is 65.536 µs, or on a virtual clock, whose time
//! is to be exact, a nanosecond. A timer lies in the level
//! of the highest group of six bits in which its tick differs from the current one, so it moves down at most ten times
//! and inserting and removing cost the same for a million timers as for one. The wheel holds no timers itself:
//! the lists are threaded through the wait slots, by index.
//!
//! Moments that are centuries away lie in a list beside the wheel. When a virtual clock comes near them, the wheel begins
//! anew from there, so it is exact for as long as an [`Instant`] is.

use anyio_driver::planted;
use std::time::{Duration, Instant};

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

const LEVELS: usize = 11;
const LISTS: usize = 64;

/// A tick of the real clock has so many bits of nanoseconds.
pub(crate) const COARSE: u32 = 16;

/// A tick of a virtual clock is a nanosecond.
pub(crate) const EXACT: u32 = 0;

/// How many nanoseconds from its start on the wheel covers: 292 years.
const SPAN: u64 = 1 << 63;

/// The list of the timers that are beyond the wheel.
const BEYOND: u32 = u32::MAX;

/// Where the wheel's lists are threaded through.
pub(crate) trait Links {
    /// The tick, predecessor and successor of this timer.
    fn link(&mut self, timer: u32) -> &mut Link;

    /// The list of this timer: level times 64 plus the list's number in it.
    fn list(&mut self, timer: u32) -> &mut u32;
}

/// What a timer knows of its place in the wheel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    pub(crate) tick: u64,
    pub(crate) previous: u32,
    pub(crate) next: u32,
}

impl Link {
    pub(crate) const EMPTY: Self = Self { tick: 0, previous: NONE, next: NONE };
}

/// The heads of the lists.
pub(crate) struct Wheel {
    start: Instant,
    tick_bits: u32,
    /// The tick up to which timers have been taken out.
    now: u64,
    occupied: [u64; LEVELS],
    heads: Box<[[u32; LISTS]; LEVELS]>,
    count: usize,
    /// What is to expire when the wheel does not cover the moment yet. There is hardly ever anything.
    beyond: Vec<(Instant, u32)>,
}

impl Wheel {
    /// A wheel whose ticks have so many bits of nanoseconds.
    pub(crate) fn new(start: Instant, tick_bits: u32) -> Self {
        let heads = Box::new([[NONE; LISTS]; LEVELS]);
        Self { start, tick_bits, now: 0, occupied: [0; LEVELS], heads, count: 0, beyond: Vec::new() }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How long after the wheel's start this moment is, or the most there is.
    fn nanoseconds(&self, at: Instant) -> u64 {
        let early = if planted("timer early") { Duration::from_millis(1) } else { Duration::ZERO };
        let after = at.saturating_duration_since(self.start).saturating_sub(early);
        u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The first tick that begins no earlier than so long after the start.
    fn tick_from(&self, nanoseconds: u64) -> u64 {
        // Not `div_ceil`: that would divide, and the division of a moment costs more than all else about a timer.
        let begun = nanoseconds >> self.tick_bits;
        begun + u64::from(begun << self.tick_bits != nanoseconds)
    }

    /// Puts a timer in, to expire no earlier than `at`.
    pub(crate) fn insert(&mut self, links: &mut impl Links, timer: u32, at: Instant) {
        self.count += 1;
        let nanoseconds = self.nanoseconds(at);
        if nanoseconds >= SPAN {
            return self.put_beyond(links, timer, at);
        }
        let tick = self.tick_from(nanoseconds).max(self.now.saturating_add(1));
        links.link(timer).tick = tick;
        self.place(links, timer, tick);
    }

    #[cold]
    fn put_beyond(&mut self, links: &mut impl Links, timer: u32, at: Instant) {
        *links.link(timer) = Link::EMPTY;
        *links.list(timer) = BEYOND;
        self.beyond.push((at, timer));
    }

    fn place(&mut self, links: &mut impl Links, timer: u32, tick: u64) {
        let level = ((self.now ^ tick | 1).ilog2() / 6) as usize;
        let list = (tick >> (6 * level)) as usize % LISTS;
        let head = &mut self.heads[level][list];
        let next = std::mem::replace(head, timer);
        if next != NONE {
            links.link(next).previous = timer;
        }
        *links.link(timer) = Link { tick, previous: NONE, next };
        *links.list(timer) = (level * LISTS + list) as u32;
        self.occupied[level] |= 1 << list;
    }

    /// Takes a timer out.
    pub(crate) fn remove(&mut self, links: &mut impl Links, timer: u32) {
        let Link { previous, next, .. } = *links.link(timer);
        if next != NONE {
            links.link(next).previous = previous;
        }
        if previous != NONE {
            links.link(previous).next = next;
        } else {
            let list = *links.list(timer);
            if list == BEYOND {
                self.beyond.retain(|&(_, other)| other != timer);
            } else {
                let (level, list) = (list as usize / LISTS, list as usize % LISTS);
                self.heads[level][list] = next;
                if next == NONE {
                    self.occupied[level] &= !(1 << list);
                }
            }
        }
        self.count -= 1;
    }

    /// The list that is due first, and the tick when it is.
    fn first(&self) -> Option<(usize, usize, u64)> {
        let level = self.occupied.iter().position(|&lists| lists != 0)?;
        let list = self.occupied[level].trailing_zeros() as usize;
        let shift = 6 * level as u32;
        let tick = (self.now >> shift >> 6 << 6 | list as u64) << shift;
        Some((level, list, tick))
    }

    /// When to look again: no later than the first timer's moment, and never when nothing is due yet and nothing
    /// has to move down.
    pub(crate) fn next(&self) -> Option<Instant> {
        let Some((_, _, tick)) = self.first() else { return self.first_beyond() };
        self.beginning(tick)
    }

    /// When the first timer expires. Costs a look at all timers of one list.
    pub(crate) fn earliest(&self, links: &mut impl Links) -> Option<Instant> {
        let Some((level, list, _)) = self.first() else { return self.first_beyond() };
        let mut timer = self.heads[level][list];
        let mut earliest = u64::MAX;
        while timer != NONE {
            let Link { tick, next, .. } = *links.link(timer);
            earliest = earliest.min(tick);
            timer = next;
        }
        self.beginning(earliest)
    }

    fn first_beyond(&self) -> Option<Instant> {
        self.beyond.iter().map(|&(at, _)| at).min()
    }

    /// When a tick begins.
    fn beginning(&self, tick: u64) -> Option<Instant> {
        let nanoseconds = tick.saturating_mul(1 << self.tick_bits);
        self.start.checked_add(Duration::from_nanos(nanoseconds))
    }

    /// Takes out one timer that is due at `now`, if there is one. Call it until there is none.
    pub(crate) fn expire(&mut self, links: &mut impl Links, now: Instant) -> Option<u32> {
        let moment = now;
        let now = self.nanoseconds(now) >> self.tick_bits;
        loop {
            let Some((level, list, tick)) = self.first().filter(|&(_, _, tick)| tick <= now) else {
                // The current tick may only pass a list's beginning when that list has moved down.
                self.now = self.now.max(now);
                return if self.beyond.is_empty() { None } else { self.expire_beyond(links, moment) };
            };
            self.now = tick;
            let timer = self.heads[level][list];
            if level == 0 {
                self.remove(links, timer);
                return Some(timer);
            }
            self.heads[level][list] = NONE;
            self.occupied[level] &= !(1 << list);
            let mut timer = timer;
            while timer != NONE {
                let Link { tick, next, .. } = *links.link(timer);
                self.place(links, timer, tick);
                timer = next;
            }
        }
    }

    /// Takes out one timer from beyond the wheel that is due. If none is and the wheel has come to its end, it begins anew
    /// from now.
    #[cold]
    fn expire_beyond(&mut self, links: &mut impl Links, now: Instant) -> Option<u32> {
        if let Some(due) = self.beyond.iter().position(|&(at, _)| at <= now) {
            self.count -= 1;
            return Some(self.beyond.swap_remove(due).1);
        }
        let is_empty = self.count == self.beyond.len();
        if is_empty && self.nanoseconds(now) >= SPAN {
            (self.start, self.now) = (now, 0);
            for (at, timer) in std::mem::take(&mut self.beyond) {
                self.count -= 1;
                self.insert(links, timer, at);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Timers(Vec<(Link, u32)>);

    impl Links for Timers {
        fn link(&mut self, timer: u32) -> &mut Link {
            &mut self.0[timer as usize].0
        }

        fn list(&mut self, timer: u32) -> &mut u32 {
            &mut self.0[timer as usize].1
        }
    }

    /// Numbers that look random and are the same in each run.
    fn numbers() -> impl FnMut() -> u64 {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        }
    }

    #[test]
    fn timers_expire_in_order_never_early_and_at_most_a_tick_late() {
        let start = Instant::now();
        let mut number = numbers();
        let mut wheel = Wheel::new(start, COARSE);
        let mut timers = Timers(vec![(Link::EMPTY, 0); 2000]);
        let mut due: Vec<_> = (0..2000u32)
            .map(|timer| (start + Duration::from_nanos(number() >> (20 + number() % 40)), timer))
            .collect();
        for &(at, timer) in &due {
            wheel.insert(&mut timers, timer, at);
        }
        for (_, timer) in due.split_off(1000) {
            wheel.remove(&mut timers, timer);
        }
        let mut waiting: std::collections::HashMap<u32, Instant> =
            due.iter().map(|&(at, timer)| (timer, at)).collect();
        while let Some(now) = wheel.next() {
            while let Some(timer) = wheel.expire(&mut timers, now) {
                let at =
                    waiting.remove(&timer).expect("a timer expires once, and only if it was not removed");
                assert!(now >= at, "early");
                assert!(now - at <= Duration::from_nanos(2 << COARSE), "late by {:?}", now - at);
            }
        }
        assert!(waiting.is_empty() && wheel.is_empty());
    }

    #[test]
    fn a_late_look_takes_all_that_is_due_and_nothing_else() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start, COARSE);
        let mut timers = Timers(vec![(Link::EMPTY, 0); 100]);
        for timer in 0..100 {
            wheel.insert(&mut timers, timer, start + Duration::from_millis(u64::from(timer) * 10));
        }
        let now = start + Duration::from_millis(505);
        let mut expired = std::iter::from_fn(|| wheel.expire(&mut timers, now)).collect::<Vec<_>>();
        expired.sort_unstable();
        assert_eq!(expired, (0..=50).collect::<Vec<_>>());
        wheel.insert(&mut timers, 0, now);
        assert_eq!(wheel.expire(&mut timers, now + Duration::from_nanos(1 << COARSE)), Some(0));
    }

    #[test]
    fn what_is_centuries_away_does_not_overflow() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start, COARSE);
        let mut timers = Timers(vec![(Link::EMPTY, 0); 1]);
        wheel.insert(&mut timers, 0, start + Duration::from_secs(3600 * 24 * 365 * 10_000));
        assert!(wheel.next().is_some_and(|at| at > start));
        assert_eq!(wheel.expire(&mut timers, start + Duration::from_secs(3600)), None);
        wheel.remove(&mut timers, 0);
        assert!(wheel.is_empty());
    }

    #[test]
    fn what_is_beyond_the_wheel_expires_in_order_and_exactly() {
        const YEAR: Duration = Duration::from_secs(31_557_600);
        let start = Instant::now();
        let mut wheel = Wheel::new(start, EXACT);
        let mut timers = Timers(vec![(Link::EMPTY, 0); 40]);
        let due: Vec<Instant> = (0..40_u32)
            .map(|number| start + YEAR * (97 * (number * 17 % 40)) + Duration::from_nanos(number.into()))
            .collect();
        for (timer, &at) in due.iter().enumerate().skip(1) {
            wheel.insert(&mut timers, timer as u32, at);
        }
        // One is taken out that is beyond.
        wheel.remove(&mut timers, 39);
        let mut order: Vec<u32> = (1..39).collect();
        order.sort_by_key(|&timer| due[timer as usize]);
        for timer in order {
            let now = wheel.earliest(&mut timers).expect("a timer is left");
            assert_eq!(now, due[timer as usize]);
            assert_eq!(wheel.expire(&mut timers, now), Some(timer));
            assert_eq!(wheel.expire(&mut timers, now), None);
        }
        assert!(wheel.is_empty() && wheel.next().is_none());
        wheel.insert(&mut timers, 0, due[39] + 5000 * YEAR);
        assert_eq!(wheel.next(), Some(due[39] + 5000 * YEAR));
    }

    #[test]
    fn an_exact_wheel_expires_at_the_very_nanosecond() {
        let start = Instant::now();
        let mut number = numbers();
        let mut wheel = Wheel::new(start, EXACT);
        let mut timers = Timers(vec![(Link::EMPTY, 0); 1000]);
        let mut due: Vec<_> = (0..1000)
            .map(|_| Duration::from_nanos(number() >> (number() % 50)).max(Duration::from_nanos(1)))
            .collect();
        for (timer, &after) in due.iter().enumerate() {
            wheel.insert(&mut timers, timer as u32, start + after);
        }
        due.sort_unstable();
        for after in due {
            let now = wheel.earliest(&mut timers).expect("a timer is left");
            assert_eq!(now - start, after);
            // Of several at the same moment the later rounds find one each.
            assert!(wheel.expire(&mut timers, now).is_some());
        }
        assert!(wheel.is_empty() && wheel.earliest(&mut timers).is_none());
    }
}
