//! How a channel stands.

/// How a channel stands. Both ends give the same, also after they were closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryStreamStatistics {
    /// How many items the channel holds that nobody has been promised.
    pub current_buffer_used: usize,
    /// The most that `current_buffer_used` has been. One above the capacity means that an item came back from a receiver
    /// that was dropped before it could take it.
    pub max_buffer_used: usize,
    /// The capacity.
    pub max_buffer_size: usize,
    /// How many handles to the sending end are open.
    pub open_send_streams: usize,
    /// How many handles to the receiving end are open.
    pub open_receive_streams: usize,
    /// How many tasks wait to send.
    pub tasks_waiting_send: usize,
    /// How many tasks wait to receive.
    pub tasks_waiting_receive: usize,
}
