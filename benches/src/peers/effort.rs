//! Work that a message asks for, the same for all peers.

use std::hint::black_box;

/// How many rounds are one piece of work: about a microsecond.
const ROUNDS: u32 = 1000;

/// Does as many pieces of work as the first byte of a message says.
pub(super) fn take(message: &[u8]) {
    let pieces = u32::from(message.first().copied().unwrap_or_default());
    let mut state = black_box(1_u64);
    for _ in 0..pieces * ROUNDS {
        // Each round waits for the one before.
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
    }
    black_box(state);
}
