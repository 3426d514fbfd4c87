//! Values, keys, errors and payloads of panics that do mischief when they are cloned, compared, asked or dropped.

use crate::{mischief, world};
use anyio::{Cancelled, Error, ErrorGroup, TimedOut};
use std::{
    error::Error as StdError,
    fmt,
    hash::{Hash, Hasher},
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicIsize, AtomicU64, Ordering},
    },
};

/// How many values and hostile wakers of one program are alive, on whatever thread: a worker that nobody waits for any more may
/// let go of its value during a later program.
#[derive(Debug, Default)]
pub(crate) struct Census {
    pub(crate) values: AtomicIsize,
    pub(crate) wakers: AtomicIsize,
}

static CENSUS: LazyLock<Mutex<Arc<Census>>> = LazyLock::new(Mutex::default);

/// That of the program that runs.
pub(crate) fn census() -> Arc<Census> {
    CENSUS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Begins to count for a new program.
pub(crate) fn new_census() -> Arc<Census> {
    let census = Arc::<Census>::default();
    *CENSUS.lock().unwrap_or_else(PoisonError::into_inner) = census.clone();
    census
}

/// What has gone wrong, on whatever thread.
static FAULTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

const ALIVE_MARK: u64 = 0x0a11_fe11_0a11_fe11;
const DEAD_MARK: u64 = 0xdead_dead_dead_dead;

/// Takes note of something that must not be.
pub(crate) fn fault(what: impl Into<String>) {
    faults().push(what.into());
}

pub(crate) fn faults() -> MutexGuard<'static, Vec<String>> {
    FAULTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A value whose clone and drop do mischief, and which knows when it is dropped twice.
#[derive(Debug)]
pub(crate) struct Value(Box<AtomicU64>, Arc<Census>);

impl Value {
    pub(crate) fn new() -> Self {
        let census = census();
        census.values.fetch_add(1, Ordering::SeqCst);
        Self(Box::new(AtomicU64::new(ALIVE_MARK)), census)
    }

    /// Looks whether it is alive.
    pub(crate) fn check(&self) {
        if self.0.load(Ordering::SeqCst) != ALIVE_MARK {
            fault("a value was used after its end");
        }
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        self.check();
        mischief::maybe();
        Self::new()
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        if self.0.swap(DEAD_MARK, Ordering::SeqCst) != ALIVE_MARK {
            fault("a value was dropped twice");
        }
        self.1.values.fetch_sub(1, Ordering::SeqCst);
        mischief::maybe();
    }
}

/// A key of a few, which does mischief when it is hashed or compared.
#[derive(Debug, Clone)]
pub(crate) struct Key(pub(crate) u64, pub(crate) Value);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        mischief::maybe();
        self.0.hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        mischief::maybe();
        self.1.check();
        other.1.check();
        self.0 == other.0
    }
}

impl Eq for Key {}

/// An error that does mischief when it is asked for its source.
#[derive(Debug)]
pub(crate) enum Evil {
    Cancelled(Cancelled, Value),
    Other(Value),
}

impl fmt::Display for Evil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("evil")
    }
}

impl StdError for Evil {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        mischief::maybe();
        match self {
            Self::Cancelled(cancelled, value) => {
                value.check();
                Some(cancelled)
            }
            Self::Other(value) => {
                value.check();
                None
            }
        }
    }
}

impl From<Cancelled> for Evil {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled, Value::new())
    }
}

impl From<Error> for Evil {
    fn from(error: Error) -> Self {
        match error {
            Error::Cancelled(cancelled) => cancelled.into(),
            _ => Self::Other(Value::new()),
        }
    }
}

impl From<TimedOut> for Evil {
    fn from(_: TimedOut) -> Self {
        Self::Other(Value::new())
    }
}

impl From<ErrorGroup<Evil>> for Evil {
    fn from(group: ErrorGroup<Evil>) -> Self {
        group.into_first()
    }
}

/// What a panic carries: its own drop does mischief, too.
pub(crate) struct Payload(#[expect(dead_code, reason = "is dropped")] Option<Value>);

/// Panics, unless this thread is panicking already: a second one would end the process, by the rules of the language.
pub(crate) fn panic_now() {
    if !std::thread::panicking() {
        let evil = world::current().is_some_and(|world| world.habits.payloads);
        std::panic::panic_any(Payload(evil.then(Value::new)));
    }
}

/// Drops the payload of a panic, and what panics when it is dropped.
pub(crate) fn discard(mut payload: Box<dyn std::any::Any + Send>) {
    while let Err(next) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(payload))) {
        payload = next;
    }
}
