//! Numbers that look random and depend on a seed and a place alone.

/// The generator's step, and its way to make a number of each state (splitmix64, by Sebastiano Vigna).
const fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// The number of this place in the sequence of a seed.
pub(crate) fn roll(seed: u64, place: &[u64]) -> u64 {
    place.iter().fold(mix(seed), |state, part| mix(state ^ *part))
}

/// Whether something happens that does in this share of all cases.
pub(crate) fn happens(rolled: u64, rate: f64) -> bool {
    // The upper 53 bits, as many as the fraction of such a number has.
    ((rolled >> 11) as f64) < rate * (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_place_counts() {
        let rolls = [
            roll(1, &[1, 2]),
            roll(2, &[1, 2]),
            roll(1, &[2, 2]),
            roll(1, &[1, 3]),
            roll(1, &[2, 1]),
            roll(1, &[1]),
        ];
        for (place, one) in rolls.iter().enumerate() {
            assert!(!rolls[..place].contains(one));
        }
        assert_eq!(roll(1, &[1, 2]), rolls[0]);
    }

    #[test]
    fn rates_are_kept() {
        let count = |rate| (0..10_000).filter(|&n| happens(roll(5, &[n]), rate)).count();
        assert_eq!((count(0.0), count(1.0)), (0, 10_000));
        assert!((2_300..2_700).contains(&count(0.25)), "{}", count(0.25));
    }
}
