//! How a channel between threads stands.

/// How a channel between threads stands. On other threads it may have changed meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrossChannelStatistics {
    /// How many items the channel holds.
    pub current_buffer_used: usize,
    /// How many it holds at most.
    pub max_buffer_size: usize,
    /// How many senders are open.
    pub open_senders: usize,
    /// How many receivers are open.
    pub open_receivers: usize,
    /// How many tasks wait to send.
    pub tasks_waiting_send: usize,
    /// How many tasks wait to receive.
    pub tasks_waiting_receive: usize,
}
