//! Cancels to be sent again.
//!
//! The kernel says of an operation that it found none such not only when it has ended, but also while it is
//! somewhere the kernel doesn't look, such as a read waiting for a page. And of one that a thread of the kernel is at work on
//! it says that it was interrupted, which what does not wait just then may not notice. So when the operation turns out to be
//! alive, the request is repeated: after 1, 2, 4, … turns, or 1, 2, 4, … ms where turns are rare.

use anyio_driver::Token;
use std::time::{Duration, Instant};

/// Neither the turns nor the milliseconds between two tries grow beyond this power of two.
const LARGEST_STEP: u8 = 6;

/// The cancels that wait for their next try.
#[derive(Default)]
pub(crate) struct Retries(Vec<Retry>);

struct Retry {
    token: Token,
    turn: u64,
    time: Instant,
}

impl Retries {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes that the cancel of `token` failed in turn number `turn`, for the `failures`th time.
    pub(crate) fn schedule(&mut self, token: Token, failures: u8, turn: u64, now: Instant) {
        let step = 1_u32 << failures.saturating_sub(1).min(LARGEST_STEP);
        self.0.push(Retry {
            token,
            turn: turn + u64::from(step),
            time: now + Duration::from_millis(step.into()),
        });
    }

    /// Takes out those whose turn or time has come.
    pub(crate) fn take_due(&mut self, turn: u64, now: Instant, mut due: impl FnMut(Token)) {
        self.0.retain(|retry| {
            let wait = turn < retry.turn && now < retry.time;
            if !wait {
                due(retry.token);
            }
            wait
        });
    }

    /// When the first of them is due even if no turn is taken before.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.0.iter().map(|retry| retry.time).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(retries: &mut Retries, turn: u64, now: Instant) -> usize {
        let mut count = 0;
        retries.take_due(turn, now, |_| count += 1);
        count
    }

    #[test]
    fn turns_between_tries_double_up_to_a_limit() {
        let now = Instant::now();
        for (failures, step) in [(1, 1), (2, 2), (3, 4), (7, 64), (8, 64), (255, 64)] {
            let mut retries = Retries::default();
            retries.schedule(Token::new(1, 1), failures, 100, now);
            assert_eq!(due(&mut retries, 100 + step - 1, now), 0, "{failures}");
            assert_eq!(due(&mut retries, 100 + step, now), 1, "{failures}");
            assert!(retries.is_empty());
        }
    }

    #[test]
    fn a_driver_that_sleeps_tries_again_in_time() {
        let now = Instant::now();
        let mut retries = Retries::default();
        retries.schedule(Token::new(1, 1), 3, 0, now);
        retries.schedule(Token::new(2, 1), 2, 0, now);
        assert_eq!(retries.earliest(), Some(now + Duration::from_millis(2)));
        assert_eq!(due(&mut retries, 0, now + Duration::from_millis(2)), 1);
        assert_eq!(retries.earliest(), Some(now + Duration::from_millis(4)));
    }
}
