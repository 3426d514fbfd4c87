//! Picking by a seed.

/// Numbers that look random and are the same for the same seed (SplitMix64, Steele, Lea and Flood 2014).
pub(super) struct Picker(u64);

impl Picker {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of these, if there are any.
    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let count = u64::try_from(from.len()).ok().filter(|&count| count > 0)?;
        from.get((self.next() % count) as usize).copied()
    }
}
