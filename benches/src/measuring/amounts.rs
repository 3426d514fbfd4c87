//! How much there is to do in the peers' jobs, the same for all.

use std::time::Duration;

/// How many tasks are alive together where there are many.
const BATCH: u64 = 1000;

/// How many at a time, so that there are so many in the end.
pub(crate) fn batches(count: u64) -> impl Iterator<Item = u64> {
    (0..count.div_ceil(BATCH)).map(move |number| BATCH.min(count - number * BATCH))
}

/// How many tasks yield in turn.
pub(crate) const YIELDERS: u64 = 10;

/// A timeout that never fires.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// How long the timer of this number sleeps, where timers fire.
pub(crate) const fn nap(number: u64) -> Duration {
    Duration::from_millis(1 + number % 8)
}

/// How many bytes a task that waits at a socket has room for.
pub(crate) const BUFFER_BYTES: usize = 1024;

/// How many of `operations` are to be done by each of so many tasks.
pub(crate) fn shares(operations: u64, depth: u64) -> impl Iterator<Item = u64> {
    (0..depth).map(move |task| operations / depth + u64::from(task < operations % depth))
}

/// What is run: it ends at once, with success.
pub(crate) const PROGRAM: &str = "/bin/true";

/// How many at a time, where there are several.
pub(crate) const DEPTH: u64 = 16;

/// How many bytes a datagram of those rows has that send in one direction.
pub(crate) const STREAM_BYTES: usize = 1_200;

/// How many such datagrams are sent together where that is possible.
pub(crate) const TOGETHER: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_add_up() {
        assert_eq!(batches(2500).collect::<Vec<_>>(), [1000, 1000, 500]);
        assert_eq!(batches(7).collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn shares_add_up() {
        assert_eq!(shares(70, 32).sum::<u64>(), 70);
        assert_eq!(shares(3, 32).max(), Some(1));
    }
}
