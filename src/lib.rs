//! Structured concurrency and completion-based I/O.
//!
//! The [manual] explains it chapter by chapter; this page lists everything there is.

#![warn(missing_debug_implementations)]
// docs.rs shows which features an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod ancillary;
pub mod cores;
pub mod cross;
pub mod doctor;
#[doc(hidden)]
pub mod entry;
mod error;
pub mod from_thread;
pub mod fs;
pub mod functools;
mod group;
mod idna;
pub mod itertools;
pub mod lowlevel;
#[cfg(any(doc, doctest))]
pub mod manual;
mod message;
pub mod net;
mod on_thread;
mod path;
mod pipe;
pub mod process;
#[cfg(doctest)]
mod readme;
mod receiving;
mod reserved;
mod running;
mod runtime;
mod scope;
pub mod signal;
pub mod streams;
pub mod sync;
mod system;
mod task_local;
pub mod tempfile;
pub mod testing;
mod time;
#[cfg(feature = "processes")]
pub mod to_process;
pub mod to_thread;
mod users;

pub use anyio_driver::{Chunk, IoBuf, IoBufMut, Slice};
pub use anyio_macros::{main, test};
pub use cores::{Core, run_on_cores};
pub use error::ok::Ok;
pub use error::{
    CancelAware, Cancelled, ConnectionFailed, Error, ErrorGroup, Failure, Result, TimedOut, ViaDeref,
    ViaError,
};
pub use group::{
    Completed, FutureTuple, NoValue, Outcome, RaceTuple, Started, TaskGroup, TaskHandle, TaskStatus, amap,
    as_completed, gather, gather_tuple, gather_until, race, race_tuple, task_group,
};
pub use on_thread::OnThread;
pub use path::{
    Copying, MkdirOptions, Newlines, Path, PathInfo, TextFormat, TouchOptions, WalkFolders, WalkedFolder,
};
pub use running::{Builder, current_backend, run};
pub use runtime::{Backend, Clock};
pub use scope::{
    CancelReason, CancelScope, Foreign, ReasonKind, RemoteScope, Scope, current_cancel_reason,
    current_effective_deadline, fail_after, fail_after_because, fail_at, fail_at_because, finishing, foreign,
    idle, move_on_after, move_on_at, shield, using,
};
pub use signal::Interrupt;
pub use task_local::TaskLocal;
pub use time::{Sleep, current_time, sleep, sleep_forever, sleep_until};
