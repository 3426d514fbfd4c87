//! The rows of `files`, named once for all peers.

/// The jobs of a peer that has functions for random reads, long reads, long writes and small files. What stands
/// behind a semicolon is passed to each of them first.
macro_rules! file_jobs {
    ($reads:path, $read_long:path, $write_long:path, $small:path $(; $first:expr)?) => {
        &[
            ("cached-1", |order| $reads($($first,)? order, 1, false)),
            ("cached-32", |order| $reads($($first,)? order, 32, false)),
            ("cached-128", |order| $reads($($first,)? order, 128, false)),
            ("direct-1", |order| $reads($($first,)? order, 1, true)),
            ("direct-32", |order| $reads($($first,)? order, 32, true)),
            ("direct-128", |order| $reads($($first,)? order, 128, true)),
            ("read-long", |order| $read_long($($first,)? order)),
            ("write-long", |order| $write_long($($first,)? order)),
            ("small-1", |order| $small($($first,)? order, 1)),
            ("small-32", |order| $small($($first,)? order, 32)),
        ]
    };
}

pub(super) use file_jobs;
