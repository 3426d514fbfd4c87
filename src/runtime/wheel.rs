//! A hierarchical timing wheel (Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987).
//!
//! Eight levels of 64 lists; a list of level n covers 64ⁿ ticks of 65.536 µs. A timer lies in the level of the
//! highest group of six bits in which its tick differs from the current one, so it moves down at most seven times
//! and inserting and removing cost the same for a million timers as for one. The wheel holds no timers itself:
//! the lists are threaded through the wait slots, by index.

use std::time::{Duration, Instant};

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

const LEVELS: usize = 8;
const LISTS: usize = 64;
const TICK_BITS: u32 = 16;

/// Where the wheel's lists are threaded through.
pub(crate) trait Links {
    /// The tick, list, predecessor and successor of this timer.
    fn link(&mut self, timer: u32) -> &mut Link;
}

/// What a timer knows of its place in the wheel: its tick, its list and its neighbours there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    /// The tick, and in the lowest 16 bits the list: level times 64 plus the list's number in it.
    place: u64,
    pub(crate) previous: u32,
    pub(crate) next: u32,
}

impl Link {
    pub(crate) const EMPTY: Self = Self::new(0, NONE, NONE);

    /// A link that is in no wheel, with a number of the caller's.
    #[inline]
    pub(crate) const fn new(place: u64, previous: u32, next: u32) -> Self {
        Self { place, previous, next }
    }

    #[inline]
    pub(crate) const fn place(self) -> u64 {
        self.place
    }

    #[inline]
    pub(crate) fn set_place(&mut self, place: u64) {
        self.place = place;
    }

    #[inline]
    fn tick(self) -> u64 {
        self.place >> 16
    }

    #[inline]
    fn list(self) -> (usize, usize) {
        let list = usize::from(self.place as u16);
        (list / LISTS, list % LISTS)
    }
}

/// The heads of the lists.
pub(crate) struct Wheel {
    start: Instant,
    /// The tick up to which timers have been taken out.
    now: u64,
    occupied: [u64; LEVELS],
    heads: Box<[[u32; LISTS]; LEVELS]>,
    count: usize,
}

impl Wheel {
    pub(crate) fn new(start: Instant) -> Self {
        Self { start, now: 0, occupied: [0; LEVELS], heads: Box::new([[NONE; LISTS]; LEVELS]), count: 0 }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first tick that begins no earlier than this moment.
    fn tick_from(&self, at: Instant) -> u64 {
        let nanoseconds = at.saturating_duration_since(self.start).as_nanos();
        let tick = nanoseconds.div_ceil(1 << TICK_BITS);
        // 48 bits of ticks are 584 years. What is beyond waits that long.
        u64::try_from(tick).unwrap_or(u64::MAX).min((1 << (6 * LEVELS as u32)) - 1)
    }

    /// Puts a timer in, to expire no earlier than `at`.
    pub(crate) fn insert(&mut self, links: &mut impl Links, timer: u32, at: Instant) {
        let tick = self.tick_from(at).max(self.now + 1);
        self.count += 1;
        self.place(links, timer, tick);
    }

    fn place(&mut self, links: &mut impl Links, timer: u32, tick: u64) {
        let level = ((self.now ^ tick | 1).ilog2() / 6) as usize;
        let list = (tick >> (6 * level)) as usize % LISTS;
        let head = &mut self.heads[level][list];
        let next = std::mem::replace(head, timer);
        if next != NONE {
            links.link(next).previous = timer;
        }
        *links.link(timer) = Link::new(tick << 16 | (level * LISTS + list) as u64, NONE, next);
        self.occupied[level] |= 1 << list;
    }

    /// Takes a timer out.
    pub(crate) fn remove(&mut self, links: &mut impl Links, timer: u32) {
        let link = *links.link(timer);
        let Link { previous, next, .. } = link;
        if next != NONE {
            links.link(next).previous = previous;
        }
        if previous != NONE {
            links.link(previous).next = next;
        } else {
            let (level, list) = link.list();
            self.heads[level][list] = next;
            if next == NONE {
                self.occupied[level] &= !(1 << list);
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
        let (_, _, tick) = self.first()?;
        let nanoseconds = u128::from(tick) << TICK_BITS;
        let since_start =
            Duration::new((nanoseconds / 1_000_000_000) as u64, (nanoseconds % 1_000_000_000) as u32);
        self.start.checked_add(since_start)
    }

    /// Takes out one timer that is due at `now`, if there is one. Call it until there is none.
    pub(crate) fn expire(&mut self, links: &mut impl Links, now: Instant) -> Option<u32> {
        let now = (now.saturating_duration_since(self.start).as_nanos() >> TICK_BITS) as u64;
        loop {
            let Some((level, list, tick)) = self.first().filter(|&(_, _, tick)| tick <= now) else {
                // The current tick may only pass a list's beginning when that list has moved down.
                self.now = self.now.max(now);
                return None;
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
                let link = *links.link(timer);
                self.place(links, timer, link.tick());
                timer = link.next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Timers(Vec<Link>);

    impl Links for Timers {
        fn link(&mut self, timer: u32) -> &mut Link {
            &mut self.0[timer as usize]
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
        let mut wheel = Wheel::new(start);
        let mut timers = Timers(vec![Link::EMPTY; 2000]);
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
                assert!(now - at <= Duration::from_nanos(2 << TICK_BITS), "late by {:?}", now - at);
            }
        }
        assert!(waiting.is_empty() && wheel.is_empty());
    }

    #[test]
    fn a_late_look_takes_all_that_is_due_and_nothing_else() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        let mut timers = Timers(vec![Link::EMPTY; 100]);
        for timer in 0..100 {
            wheel.insert(&mut timers, timer, start + Duration::from_millis(u64::from(timer) * 10));
        }
        let now = start + Duration::from_millis(505);
        let mut expired = std::iter::from_fn(|| wheel.expire(&mut timers, now)).collect::<Vec<_>>();
        expired.sort_unstable();
        assert_eq!(expired, (0..=50).collect::<Vec<_>>());
        wheel.insert(&mut timers, 0, now);
        assert_eq!(wheel.expire(&mut timers, now + Duration::from_nanos(1 << TICK_BITS)), Some(0));
    }

    #[test]
    fn what_is_centuries_away_does_not_overflow() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        let mut timers = Timers(vec![Link::EMPTY; 1]);
        wheel.insert(&mut timers, 0, start + Duration::from_secs(3600 * 24 * 365 * 10_000));
        assert!(wheel.next().is_some_and(|at| at > start));
        assert_eq!(wheel.expire(&mut timers, start + Duration::from_secs(3600)), None);
        wheel.remove(&mut timers, 0);
        assert!(wheel.is_empty());
    }
}
