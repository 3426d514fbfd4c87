//! What tasks wait for, as far as they tell.

use std::fmt;

/// What a task waits for. See [`TaskInfo::waits`](crate::testing::TaskInfo::waits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum WaitReason {
    /// A moment.
    Sleep,
    /// The scope's cancellation, and nothing else.
    SleepForever,
    /// A [`sync::Event`](crate::sync::Event).
    Event,
    /// A [`sync::Lock`](crate::sync::Lock).
    Lock,
    /// A [`sync::RwLock`](crate::sync::RwLock), to read.
    ReadLock,
    /// A [`sync::RwLock`](crate::sync::RwLock), to write.
    WriteLock,
    /// A [`sync::Condition`](crate::sync::Condition).
    Condition,
    /// A [`sync::Semaphore`](crate::sync::Semaphore).
    Semaphore,
    /// A [`sync::CapacityLimiter`](crate::sync::CapacityLimiter).
    CapacityLimiter,
    /// A [`sync::Barrier`](crate::sync::Barrier).
    Barrier,
    /// The first value of a [`sync::OnceCell`](crate::sync::OnceCell).
    OnceCell,
    /// A [`sync::Promise`](crate::sync::Promise).
    Promise,
    /// Room in a memory channel.
    ChannelSend,
    /// An item of a memory channel.
    ChannelReceive,
    /// An item of a broadcast channel.
    BroadcastReceive,
    /// A change of a watch channel.
    WatchChange,
    /// The end of a task.
    TaskEnd,
    /// That a child calls [`Started::set`](crate::Started::set).
    TaskStart,
    /// The end of one of the futures of [`as_completed`](crate::as_completed()).
    Completed,
    /// The tasks of a [`task_group`](crate::task_group()), each of which is a task of its own.
    TaskGroup,
    /// That all others wait.
    AllTasksBlocked,
    /// A connection to accept.
    Accept,
    /// That one of a [`Server`](crate::streams::Server)'s connections ends, so that there is room for another.
    ConnectionEnd,
    /// A connection to be made.
    Connect,
    /// Bytes from a socket or pipe.
    Receive,
    /// That bytes go into a socket or pipe.
    Send,
    /// That a descriptor of another library's is readable.
    Readable,
    /// That a descriptor of another library's is writable.
    Writable,
    /// That a stream, a direction of one, or a file is closed.
    Close,
    /// The file system.
    File,
    /// The end of a process.
    Process,
    /// A function in a worker thread.
    Thread,
    /// A signal of the operating system.
    Signal,
    /// A channel or event of [`cross`](crate::cross), which other threads can use.
    OtherThread,
    /// A future that is not anyio's.
    Foreign,
}

impl WaitReason {
    /// Whether it comes to an end by itself, without the help of anybody this program may wait for in vain.
    pub(super) fn ends_by_itself(self) -> bool {
        matches!(self, Self::Close | Self::File | Self::Process | Self::Thread)
    }

    /// Whether it may be another thread or the operating system that ends it.
    pub(super) fn may_end_from_outside(self) -> bool {
        matches!(
            self,
            Self::Accept
                | Self::Connect
                | Self::Receive
                | Self::Send
                | Self::Readable
                | Self::Writable
                | Self::Signal
                | Self::OtherThread
                | Self::Foreign
        ) || self.ends_by_itself()
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sleep => "a moment",
            Self::SleepForever => "its cancellation",
            Self::Event => "an event",
            Self::Lock => "a lock",
            Self::ReadLock => "a lock to read",
            Self::WriteLock => "a lock to write",
            Self::Condition => "a condition",
            Self::Semaphore => "a semaphore",
            Self::CapacityLimiter => "a capacity limiter",
            Self::Barrier => "a barrier",
            Self::OnceCell => "a once cell",
            Self::Promise => "a promise",
            Self::ChannelSend => "room in a memory channel",
            Self::ChannelReceive => "an item of a memory channel",
            Self::BroadcastReceive => "an item of a broadcast channel",
            Self::WatchChange => "a change of a watch channel",
            Self::TaskEnd => "the end of a task",
            Self::TaskStart => "a child to call Started::set",
            Self::Completed => "the next completed future",
            Self::TaskGroup => "a task group",
            Self::AllTasksBlocked => "all others to wait",
            Self::Accept => "a connection to accept",
            Self::ConnectionEnd => "a connection to end",
            Self::Connect => "a connection to be made",
            Self::Receive => "bytes to receive",
            Self::Send => "bytes to be sent",
            Self::Readable => "a descriptor to be readable",
            Self::Writable => "a descriptor to be writable",
            Self::Close => "a close",
            Self::File => "the file system",
            Self::Process => "the end of a process",
            Self::Thread => "a worker thread",
            Self::Signal => "a signal",
            Self::OtherThread => "another thread, by a cross channel or event",
            Self::Foreign => "a future that is not anyio's",
        })
    }
}
