//! Which core serves a connection: the decision, from numbers alone.
//!
//! A connection never moves once its handler has begun, so each is put where it is likely to be in good hands. Nothing is
//! known of the connection itself; of the cores it is known how busy they were lately, and how many connections they have.

use crate::runtime::Lately;

/// How much of the mean load a core may have and keep a connection that it has accepted: to hand one over costs a little.
const TOLERANCE: f32 = 1.02;

/// What the connections of a core count for beside the processor time that they take, as a share of that.
const COUNT: f32 = 0.05;

/// A core that is less busy is as good as idle.
const IDLE: f32 = 0.05;

/// A core that is busier has all that it can do, or more.
const FULL: f32 = 0.95;

/// Up to how much of the mean two loads may differ that are taken for the same.
const SAME: f32 = 0.001;

/// What is known of a core.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Known {
    pub(super) lately: Lately,
    /// How many connections it has, with those on the way to it.
    pub(super) connections: f32,
}

/// Which of the cores is to have a connection that `own` has accepted: it, or, if its load is above the mean, the one with the least.
/// Those that take none are `None`. Of cores with the same load one is picked by `any`, which gives a number below the one that
/// it is given.
pub(super) fn choose(
    own: usize,
    cores: impl Iterator<Item = Option<Known>> + Clone,
    mut any: impl FnMut(usize) -> usize,
) -> usize {
    let known = || cores.clone().enumerate().filter_map(|(index, core)| Some((index, core?)));
    let (mut count, mut busy, mut usual, mut connections) = (0.0, 0.0, 0.0, 0.0);
    let (mut idlest, mut busiest) = (f32::INFINITY, 0.0);
    for (_, Known { lately, connections: all }) in known() {
        count += 1.0;
        busy += lately.busy;
        usual += lately.connections;
        connections += all;
        idlest = lately.busy.min(idlest);
        busiest = lately.busy.max(busiest);
    }
    // Then the cores cannot be told apart by their processor time.
    let by_numbers = connections == 0.0 || busiest < IDLE || idlest > FULL;
    // What has come since the cores were looked at, or gone, is taken for average.
    let average: f32 = if usual > 0.0 { busy / usual } else { 0.0 };
    let each = COUNT * busy / connections;
    let load = |core: Known| {
        if by_numbers {
            return core.connections;
        }
        let news = core.connections - core.lately.connections;
        (core.lately.busy + news * average).max(0.0) + core.connections * each
    };
    let (mut sum, mut least, mut of_own) = (0.0, f32::INFINITY, f32::INFINITY);
    for (index, core) in known() {
        let load = load(core);
        sum += load;
        least = least.min(load);
        if index == own {
            of_own = load;
        }
    }
    let mean: f32 = sum / count;
    if of_own <= mean * TOLERANCE {
        return own;
    }
    let (mut chosen, mut ties) = (own, 0);
    for (index, core) in known() {
        if load(core) <= least + mean * SAME {
            ties += 1;
            if any(ties) == 0 {
                chosen = index;
            }
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random (SplitMix64, Steele, Lea and Flood 2014).
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((mixed ^ (mixed >> 31)) % bound as u64) as usize
        }
    }

    fn core(busy: f32, connections: f32) -> Option<Known> {
        Some(Known { lately: Lately { busy, connections }, connections })
    }

    fn first(own: usize, cores: &[Option<Known>]) -> usize {
        choose(own, cores.iter().copied(), |_| 0)
    }

    #[test]
    fn an_idle_core_keeps_what_it_accepts() {
        assert_eq!(first(1, &[core(0.0, 0.0), core(0.0, 0.0)]), 1);
        assert_eq!(first(1, &[core(0.5, 9.0), core(0.1, 3.0)]), 1);
    }

    #[test]
    fn idle_cores_have_the_same_number_of_connections() {
        assert_eq!(first(0, &[core(0.0, 1.0), core(0.0, 0.0)]), 1);
        assert_eq!(first(0, &[core(0.0, 1.0), core(0.0, 1.0)]), 0);
        assert_eq!(first(0, &[core(0.01, 5.0), core(0.02, 4.0), core(0.0, 4.5)]), 1);
    }

    #[test]
    fn cores_that_are_all_too_busy_have_the_same_number_of_connections() {
        assert_eq!(first(0, &[core(1.0, 20.0), core(1.0, 10.0)]), 1);
    }

    #[test]
    fn a_core_that_is_busy_with_few_connections_hands_over_to_one_that_is_not() {
        assert_eq!(first(0, &[core(0.9, 2.0), core(0.2, 40.0)]), 1);
        assert_eq!(first(1, &[core(0.9, 2.0), core(0.2, 40.0)]), 1);
    }

    #[test]
    fn connections_that_came_since_count_as_average_ones() {
        let mut idler = core(0.2, 10.0);
        idler.as_mut().unwrap().connections = 60.0;
        assert_eq!(first(0, &[core(0.6, 20.0), idler]), 0);
    }

    #[test]
    fn cores_that_take_none_get_none() {
        assert_eq!(first(2, &[None, core(0.5, 5.0), core(0.9, 9.0), None]), 1);
        assert_eq!(first(2, &[None, None, core(0.9, 9.0)]), 2);
        assert_eq!(first(0, &[None, core(0.9, 9.0)]), 1, "one that takes none itself");
        assert_eq!(first(0, &[None, core(0.0, 0.0)]), 1, "the same where there are no connections");
        assert_eq!(first(1, &[None, None]), 1, "there is nobody");
    }

    #[test]
    fn each_of_the_least_loaded_cores_is_as_likely_as_the_others() {
        let cores = [core(0.9, 9.0), core(0.1, 1.0), core(0.1, 1.0), core(0.5, 5.0), core(0.1, 1.0)];
        let mut random = Random(7);
        let mut counts = [0; 5];
        for _ in 0..3000 {
            counts[choose(0, cores.iter().copied(), |bound| random.below(bound))] += 1;
        }
        assert_eq!((counts[0], counts[3]), (0, 0));
        assert!([1, 2, 4].iter().all(|&index| (900..1100).contains(&counts[index])), "{counts:?}");
    }

    const CORES: usize = 64;
    const CONNECTIONS: usize = 64_000;
    const HEAVY: f32 = 100.0;
    /// How many seconds a connection lives on average.
    const LIFE: f32 = 60.0;
    const STEP: f32 = 0.01;

    /// Cores with connections of which one of a hundred is a hundred times as heavy.
    struct Simulated {
        random: Random,
        /// The weights of each core's connections.
        connections: Vec<Vec<f32>>,
        lately: Vec<Lately>,
        /// How much of a processor's time a light connection takes.
        light: f32,
        /// How many cores accept.
        accepting: usize,
    }

    impl Simulated {
        fn new(utilisation: f32, accepting: usize) -> Self {
            let weights = CONNECTIONS as f32 * (0.99 + 0.01 * HEAVY);
            Self {
                random: Random(11),
                connections: vec![Vec::new(); CORES],
                lately: vec![Lately::default(); CORES],
                light: utilisation * CORES as f32 / weights,
                accepting,
            }
        }

        fn open(&mut self) {
            let Self { random, connections, lately, .. } = self;
            let own = random.below(self.accepting);
            let known = connections.iter().zip(lately.iter()).map(|(connections, lately)| {
                Some(Known { lately: *lately, connections: connections.len() as f32 })
            });
            let chosen = choose(own, known, |bound| random.below(bound));
            connections[chosen].push(if random.below(100) == 0 { HEAVY } else { 1.0 });
        }

        /// Closes a connection, each as likely as any other.
        fn close(&mut self) {
            loop {
                let core = self.random.below(CORES);
                let place = self.random.below(CONNECTIONS / CORES * 3);
                if place < self.connections[core].len() {
                    self.connections[core].swap_remove(place);
                    return;
                }
            }
        }

        fn loads(&self) -> impl Iterator<Item = f32> {
            self.connections.iter().map(|connections| connections.iter().sum::<f32>() * self.light)
        }

        /// Lets so many seconds go by.
        fn go_on(&mut self, seconds: f32, step: impl Fn(&mut Self)) {
            for _ in 0..(seconds / STEP) as usize {
                for _ in 0..(CONNECTIONS as f32 * STEP / LIFE) as usize {
                    step(self);
                }
                let loads: Vec<f32> = self.loads().collect();
                for (core, load) in loads.into_iter().enumerate() {
                    let connections = self.connections[core].len() as f32;
                    self.lately[core] = self.lately[core].after(STEP, load.min(1.0), connections);
                }
            }
        }

        /// The largest load as a multiple of the mean.
        fn unevenness(&self) -> f32 {
            self.loads().fold(0.0, f32::max) * CORES as f32 / self.loads().sum::<f32>()
        }
    }

    fn stays_even(utilisation: f32, accepting: usize) {
        let mut cores = Simulated::new(utilisation, accepting);
        cores.go_on(LIFE, Simulated::open);
        for second in 0..10 {
            cores.go_on(1.0, |cores| {
                cores.close();
                cores.open();
            });
            let uneven = cores.unevenness();
            assert!(uneven <= 1.1, "after {second} seconds the largest load is {uneven} times the mean");
        }
    }

    #[test]
    fn sixty_four_busy_cores_stay_within_a_tenth_of_the_mean() {
        stays_even(0.9, CORES);
    }

    #[test]
    fn sixty_four_cores_stay_within_a_tenth_of_the_mean_where_one_accepts_all() {
        stays_even(0.1, 1);
    }
}
